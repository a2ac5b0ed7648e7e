// Module: names, trees, updates, frozen parameters, replaced layers.
import Foundation
import Olivine
import OlivineNN
import XCTest

private class Block: Module, UnaryLayer {
  @ModuleInfo var linear: Linear
  @ModuleInfo(key: "out_proj") var output: Linear
  @ParameterInfo(key: "gain") var scale = MLXArray(2 as Float)
  let _cache = MLXArray(0)
  let name = "block"

  override init() {
    super.init()
    linear = Linear(4, 4)
    output = Linear(4, 4, bias: false)
  }
  func callAsFunction(_ x: MLXArray) -> MLXArray { output(linear(x)) * scale }
}

private class Model: Module {
  @ModuleInfo var layers: [Block]
  @ModuleInfo var heads: [String: Linear]
  @ModuleInfo var pair: (Linear, Linear)
  let weights = [MLXArray(1), MLXArray(2)]
  let missing: Linear? = nil
  let sizes = [1, 2, 3]

  override init() {
    super.init()
    layers = [Block(), Block()]
    heads = ["a": Linear(4, 2), "b": Linear(4, 2)]
    pair = (Linear(4, 4), Linear(4, 4))
  }
}

final class ModuleTests: XCTestCase {
  private let blockNames = ["gain", "linear.bias", "linear.weight", "out_proj.weight"]

  func testNamesOfParameters() {
    XCTAssertEqual(Block().parameters().flattened().map { $0.0 }, blockNames)
    let names = Set(Model().parameters().flattened().map { $0.0 })
    var expected = Set(["weights.0", "weights.1"])
    for i in 0..<2 { expected.formUnion(blockNames.map { "layers.\(i).\($0)" }) }
    for part in ["heads.a", "heads.b", "pair.0", "pair.1"] {
      expected.formUnion(["\(part).weight", "\(part).bias"])
    }
    XCTAssertEqual(names, expected)
    XCTAssertEqual(Block().innerState().count, 5)
  }

  func testChildrenAndModules() {
    let model = Model()
    XCTAssertEqual(
      model.children().flattened().map { $0.0 },
      ["heads.a", "heads.b", "layers.0", "layers.1", "pair.0", "pair.1"])
    XCTAssertEqual(model.leafModules().flattened().count, 8)
    XCTAssertEqual(model.modules().count, 11)
    XCTAssertEqual(model.namedModules().first?.0, "")
    XCTAssertTrue(model.namedModules().contains { $0.0 == "layers.1.out_proj" })
    var visited: [String] = []
    model.visit { name, _ in visited.append(name) }
    XCTAssertEqual(visited, model.namedModules().map { $0.0 })
    let other = model.layers[0].filterMap(
      filter: Module.filterOther, map: Module.mapOther { $0 as? String })
    XCTAssertEqual(other[unwrapping: "name"], "block")
  }

  func testDescription() {
    let text = Sequential(layers: Linear(4, 2), ReLU()).description
    XCTAssertEqual(
      text,
      """
      Sequential(
        (layers.0): Linear(inputDimensions=4, outputDimensions=2, bias=true)
        (layers.1): ReLU()
      )
      """)
  }

  func testFreeze() throws {
    let model = Model()
    model.freeze()
    XCTAssertTrue(model.trainableParameters().flattened().isEmpty)
    model.unfreeze(keys: ["bias"])
    XCTAssertTrue(model.trainableParameters().flattened().allSatisfy { $0.0.hasSuffix("bias") })
    model.unfreeze()
    model.layers[0].freeze(recursive: false, keys: ["gain"])
    XCTAssertEqual(model.layers[0].noGrad(), ["gain"])
    XCTAssertThrowsError(try model.freeze(keys: ["nothing"], strict: true)) { error in
      guard case UpdateError.keyNotFound = error else { return XCTFail("\(error)") }
    }
    try model.freeze(keys: ["weight"], strict: true)
  }

  func testTrainingMode() {
    let model = Model()
    model.train(false)
    XCTAssertTrue(model.modules().allSatisfy { !$0.training })
    model.train()
    XCTAssertTrue(model.layers[1].linear.training)
  }

  func testUpdatesOfParameters() throws {
    let block = Block()
    let four = MLXArray.full([4, 4], values: MLXArray(4 as Float))
    block.update(parameters: .unflattened([("linear.weight", four)]))
    assertClose(block.linear.weight, four, "weight", tolerance: 0)
    block.apply { $0 * 2 }
    XCTAssertEqual(block.scale.item(Float.self), 4)
    XCTAssertEqual(block._cache.item(Int.self), 0)

    func expectError(_ tree: [(String, MLXArray)], _ matches: (UpdateError) -> Bool) {
      XCTAssertThrowsError(try block.update(parameters: .unflattened(tree), verify: .all)) {
        XCTAssertTrue(($0 as? UpdateError).map(matches) ?? false, "\($0)")
        XCTAssertTrue($0.localizedDescription.hasPrefix("[update] expected"))
      }
    }
    let others = block.parameters().flattened().filter { $0.0 != "linear.weight" }
    expectError(others + [("linear.weight", MLXArray(1))]) {
      if case .mismatchedSize(let path, _, [4, 4], []) = $0 {
        return path == ["linear", "weight"]
      }
      return false
    }
    var all = block.parameters().flattened()
    all.removeAll { $0.0 == "gain" }
    expectError(all) {
      if case .keyNotFound(path: ["gain"], _) = $0 { return true }
      return false
    }
    expectError(block.parameters().flattened() + [("more", MLXArray(1))]) {
      if case .unhandledKeys(path: [], _, keys: ["more"]) = $0 { return true }
      return false
    }
    expectError(
      block.parameters().flattened().filter { !$0.0.hasPrefix("linear") } + [
        ("linear", MLXArray(1))
      ]
    ) {
      if case .settingArrayWithModule(path: ["linear"], _) = $0 { return true }
      return false
    }
  }

  func testAFailedUpdateChangesNothing() {
    let model = Model()
    let before = model.parameters().flattened().map { ($0.0, $0.1.asArray(Float.self)) }
    var tree = before.map { name, values in
      (name, MLXArray.zeros(model.parameters().flattened().first { $0.0 == name }!.1.shape))
    }
    // The last name in order: all others have been replaced when it is looked at.
    let last = tree.indices.max { tree[$0].0 < tree[$1].0 }!
    tree[last].1 = .zeros([1, 2, 3])
    XCTAssertThrowsError(try model.update(parameters: .unflattened(tree), verify: .all))
    for (after, old) in zip(model.parameters().flattened(), before) {
      XCTAssertEqual(after.0, old.0)
      XCTAssertEqual(after.1.asArray(Float.self), old.1)
    }
  }

  func testGradientsLeaveTheModelAsItWas() {
    let block = Block()
    let before = block.linear.weight.asArray(Float.self)
    block.linear.freeze()
    let function = valueAndGrad(model: block) { (model: Block, x: MLXArray, y: MLXArray) in
      mseLoss(predictions: model(x), targets: y)
    }
    let (loss, gradients) = function(block, .ones([2, 4]), .zeros([2, 4]))
    XCTAssertGreaterThan(loss.item(Float.self), 0)
    XCTAssertEqual(gradients.flattened().map { $0.0 }, ["gain", "out_proj.weight"])
    XCTAssertEqual(block.linear.weight.asArray(Float.self), before)
    XCTAssertEqual(block.scale.item(Float.self), 2)
  }

  func testReplacedModules() throws {
    let model = Model()
    let new = Linear(4, 4)
    model.update(
      modules: .unflattened([
        ("layers.1.linear", new), ("heads.b", new), ("pair.1", new),
      ]))
    XCTAssertTrue(model.layers[1].linear === new)
    XCTAssertTrue(model.heads["b"] === new)
    XCTAssertTrue(model.pair.1 === new)
    XCTAssertThrowsError(
      try model.update(modules: .unflattened([("layers.0.linear", ReLU())]), verify: .all)
    ) {
      guard case UpdateError.unableToCast("linear") = $0 else { return XCTFail("\($0)") }
    }
    let before = model.heads["b"]
    let changes: [(String, Module)] = [("heads.b", Linear(4, 4)), ("layers.1.linear", ReLU())]
    XCTAssertThrowsError(try model.update(modules: .unflattened(changes), verify: .all))
    XCTAssertTrue(model.heads["b"] === before, "a failed update replaces nothing")
    XCTAssertTrue(model.layers[1].linear === new)
    let sequential = Sequential(layers: Linear(4, 4), ReLU())
    sequential.update(modules: .unflattened([("layers.1", Tanh())]))
    XCTAssertTrue(sequential.layers[1] is Tanh)
    XCTAssertThrowsError(
      try Transformer(dimensions: 4, numHeads: 2, encoderLayerCount: 1, decoderLayerCount: 1)
        .update(modules: .unflattened([("encoder", ReLU())]), verify: .none)
    ) {
      guard case UpdateError.needModuleInfo("encoder") = $0 else { return XCTFail("\($0)") }
    }
  }

  func testQuantizeReplacesLayers() {
    let model = Sequential(layers: Linear(64, 64), ReLU(), Linear(64, 32))
    let x = MLXRandom.normal([2, 64])
    let before = model(x)
    quantize(model: model, groupSize: 32, bits: 8) { path, _ in path != "layers.2" }
    XCTAssertTrue(model.layers[0] is QuantizedLinear)
    XCTAssertFalse(model.layers[2] is QuantizedLinear)
    assertClose(model(x), before, "quantized", tolerance: 0.05)
    quantize(model: model) { path, layer in layer is Linear ? (32, 4, .affine) : nil }
    XCTAssertTrue(model.layers[2] is QuantizedLinear)
    let names = Set(model.parameters().flattened().map { $0.0 })
    XCTAssertTrue(names.isSuperset(of: ["layers.0.scales", "layers.0.biases", "layers.2.weight"]))
    model.unfreeze()
    XCTAssertTrue(model.trainableParameters().flattened().isEmpty)
  }

  func testWeightsOfPythonLoad() throws {
    let fixtures = try Fixtures()
    let model = Sequential(layers: Linear(4, 5), ReLU(), Linear(5, 2))
    let url = FileManager.default.temporaryDirectory
      .appendingPathComponent("olivine-\(UUID().uuidString).safetensors")
    defer { try? FileManager.default.removeItem(at: url) }
    try save(arrays: fixtures.named("Sequential", "parameter"), url: url)
    try model.update(parameters: .unflattened(loadArrays(url: url)), verify: .all)
    let x = fixtures.listed("Sequential", "input")[0]
    assertClose(model(x), fixtures.listed("Sequential", "output")[0], "loaded")
  }
}
