// Python's numbers (tests/swift/make_fixtures.py), and how Swift's are compared to them.
import Foundation
import Olivine
import OlivineNN
import XCTest

let repository = URL(fileURLWithPath: #filePath)
  .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
  .deletingLastPathComponent()

struct Fixtures {
  private let arrays: [String: NDArray]

  init() throws {
    arrays = try loadArrays(
      url: repository.appendingPathComponent("tests/fixtures/swift/nn.safetensors"))
  }

  /// The arrays of a case of one kind, by name.
  func named(_ name: String, _ kind: String) -> [String: NDArray] {
    let prefix = "\(name)|\(kind)|"
    return Dictionary(
      uniqueKeysWithValues: arrays.filter { $0.key.hasPrefix(prefix) }
        .map { (String($0.key.dropFirst(prefix.count)), $0.value) })
  }

  /// The arrays of a case of one kind, by place.
  func listed(_ name: String, _ kind: String) -> [NDArray] {
    let named = named(name, kind)
    return (0..<named.count).compactMap { named["\($0)"] }
  }
}

func assertClose(
  _ array: NDArray?, _ expected: NDArray?, _ what: String, tolerance: Float = 1e-5,
  file: StaticString = #filePath, line: UInt = #line
) {
  guard let array, let expected else {
    return XCTFail("\(what): missing on one side", file: file, line: line)
  }
  XCTAssertEqual(array.shape, expected.shape, what, file: file, line: line)
  guard array.shape == expected.shape else { return }
  let values = array.asType(.float32).asArray(Float.self)
  let wanted = expected.asType(.float32).asArray(Float.self)
  for (i, (a, b)) in zip(values, wanted).enumerated() where a != b {
    // One failure is enough to see.
    guard abs(a - b) <= tolerance * max(1, abs(b)) else {
      return XCTFail("\(what)[\(i)]: \(a), expected \(b)", file: file, line: line)
    }
  }
}

/// `sum(output * cos(arange))`, which all gradients of the fixtures are of.
func weightedSum(_ outputs: [NDArray]) -> NDArray {
  outputs.reduce(NDArray(Float(0))) { total, y in
    let weights = cos(NDArray.arange(y.size).asType(.float32)).reshaped(y.shape)
    return total + sum(y * weights)
  }
}

/// Compares a layer with a case: names and shapes of its parameters, outputs and gradients.
func assertLayer(
  _ fixtures: Fixtures, _ name: String, _ layer: Module, train: Bool = false,
  file: StaticString = #filePath, line: UInt = #line, _ call: @escaping ([NDArray]) -> [NDArray]
) throws {
  layer.train(train)
  let expected = fixtures.named(name, "parameter")
  let own = Dictionary(uniqueKeysWithValues: layer.parameters().flattened())
  XCTAssertEqual(
    own.mapValues { $0.shape }, expected.mapValues { $0.shape }, name, file: file, line: line)
  let parameters = ModuleParameters.unflattened(expected)
  try layer.update(parameters: parameters, verify: .all)

  let inputs = fixtures.listed(name, "input")
  XCTAssertFalse(inputs.isEmpty, name, file: file, line: line)
  let gradients = fixtures.named(name, "gradient")
  if !gradients.isEmpty {
    let function = valueAndGrad(model: layer) { (_: Module, inputs: [NDArray]) in
      [weightedSum(call(inputs))]
    }
    let found = Dictionary(uniqueKeysWithValues: function(layer, inputs).1.flattened())
    XCTAssertEqual(Set(found.keys), Set(gradients.keys), name, file: file, line: line)
    for (path, gradient) in gradients {
      assertClose(found[path], gradient, "\(name) gradient \(path)", file: file, line: line)
    }
  }
  if let expected = fixtures.named(name, "inputGradient")["0"] {
    let found = grad { (x: NDArray) in weightedSum(call([x] + inputs.dropFirst())) }(inputs[0])
    assertClose(found, expected, "\(name) gradient of the input", file: file, line: line)
  }
  layer.update(parameters: parameters)
  let outputs = call(inputs)
  let wanted = fixtures.listed(name, "output")
  XCTAssertEqual(outputs.count, wanted.count, name, file: file, line: line)
  for (i, (output, expected)) in zip(outputs, wanted).enumerated() {
    assertClose(output, expected, "\(name) output \(i)", file: file, line: line)
  }
}

func assertLayer(
  _ fixtures: Fixtures, _ name: String, _ layer: UnaryLayer, train: Bool = false,
  file: StaticString = #filePath, line: UInt = #line
) throws {
  try assertLayer(fixtures, name, layer, train: train, file: file, line: line) { [layer($0[0])] }
}
