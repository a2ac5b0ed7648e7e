// Derivatives, mapping, compilation, custom functions, errors and trees.
import Foundation
import Olivine
import XCTest

final class TransformTests: XCTestCase {
  func testFirstNonfiniteValueIsFound() throws {
    let x = MLXArray([1, 0, 2] as [Float])
    XCTAssertThrowsError(try debugNonfinite { try withError { log(x).eval() } }) {
      XCTAssertTrue(
        "\($0)".contains("[log] expected finite values; got -inf at index (1,)"), "\($0)")
    }
    XCTAssertEqual(log(x).asArray(Float.self)[1], -Float.infinity)
  }

  func testGradients() {
    let x = MLXArray([1 as Float, 2, 3])
    let square = grad { (x: MLXArray) -> MLXArray in (x * x).sum() }
    assertEqual(square(x), [2, 4, 6])
    let second = grad { (x: MLXArray) -> MLXArray in square(x * x).sum() }
    assertEqual(second(x), [4, 8, 12])
    let both = valueAndGrad(
      { (a: [MLXArray]) -> [MLXArray] in [(a[0] * a[1]).sum(), a[0]] }, argumentNumbers: [0, 1])
    let (values, gradients) = both([x, x + 1])
    XCTAssertEqual(values.count, 2)
    assertEqual(values[0], [20])
    assertEqual(gradients[0], [2, 3, 4])
    assertEqual(gradients[1], [1, 2, 3])
  }

  func testMatricesOfDerivatives() throws {
    let x = MLXArray([1 as Float, 2])
    assertEqual(jacobian { (x: MLXArray) -> MLXArray in x * x }(x), [2, 0, 0, 4])
    assertEqual(hessian { (x: MLXArray) -> MLXArray in (x * x * x).sum() }(x), [6, 0, 0, 12])
    let f = { (a: [MLXArray]) -> [MLXArray] in [a[0] * a[1], a[1].sum()] }
    let rows = jacobian(f, argumentNumbers: [1, 0])([x, MLXArray([3 as Float, 4])])
    XCTAssertEqual(rows.map { $0.map(\.shape) }, [[[2, 2], [2, 2]], [[2], [2]]])
    assertEqual(rows[0][0], [1, 0, 0, 2])
    assertEqual(rows[0][1], [3, 0, 0, 4])
    assertEqual(rows[1][0], [1, 1])
    assertEqual(rows[1][1], [0, 0])
    let mixed = hessian(
      { (a: [MLXArray]) -> MLXArray in (a[0] * a[1]).sum() }, argumentNumbers: [0, 1])
    assertEqual(mixed([x, x])[0][1], [1, 0, 0, 1])
    XCTAssertThrowsError(try withError { _ = hessian { (x: MLXArray) -> MLXArray in x }(x) })
    XCTAssertThrowsError(try withError { _ = jacobian(f, argumentNumbers: [2])([x, x]) })
  }

  func testParametersInATree() {
    let parameters = NestedDictionary<String, MLXArray>.unflattened([
      ("layers.0.w", MLXArray(2 as Float)), ("layers.1.w", MLXArray(3 as Float)),
      ("b", MLXArray(1 as Float)),
    ])
    let f = valueAndGrad { (p: NestedDictionary<String, MLXArray>, x: Float) -> [MLXArray] in
      let w = p.flattenedValues()
      return [w[0] + w[1] * w[2] * x]
    }
    let (values, gradients) = f(parameters, 10)
    assertEqual(values[0], [61])
    let found = Dictionary(uniqueKeysWithValues: gradients.flattened())
    assertEqual(found["b"]!, [1])
    assertEqual(found["layers.0.w"]!, [30])
    assertEqual(found["layers.1.w"]!, [20])
  }

  func testProductsWithDerivatives() {
    let x = MLXArray([1 as Float, 2])
    let f = { (a: [MLXArray]) -> [MLXArray] in [exp(a[0]) * a[1]] }
    let (values, tangents) = jvp(
      f, primals: [x, x], tangents: [MLXArray.ones([2]), MLXArray.zeros([2])])
    assertClose(values[0], [2.7182817, 14.778112])
    assertClose(tangents[0], [2.7182817, 14.778112])
    let (_, cotangents) = vjp(f, primals: [x, x], cotangents: [MLXArray.ones([2])])
    assertClose(cotangents[1], [2.7182817, 7.389056])
    let kept = checkpoint(f)
    let g = grad({ (a: [MLXArray]) -> [MLXArray] in [kept([a[0], a[0]])[0].sum()] })
    assertClose(g([x])[0], [5.4365635, 22.167168], tolerance: 1e-4)
  }

  func testMapping() {
    let m = MLXArray(0..<6, [2, 3])
    let rows = vmap { (x: MLXArray) -> MLXArray in x.sum() }
    XCTAssertEqual(rows(m).asArray(Int.self), [3, 12])
    let columns = vmap({ (x: MLXArray) -> MLXArray in x.sum() }, inAxes: -1)
    XCTAssertEqual(columns(m).asArray(Int.self), [3, 5, 7])
    let outer = vmap(
      { (x: MLXArray, y: MLXArray) -> MLXArray in x * y }, inAxes: (0, nil), outAxes: 1)
    XCTAssertEqual(outer(MLXArray([1, 2]), MLXArray([3, 4, 5])).shape, [3, 2])
    let several = vmap({ (a: [MLXArray]) -> [MLXArray] in [a[0] + a[1], a[0]] }, inAxes: [0, nil])
    let results = several([m, MLXArray([1, 1, 1])])
    XCTAssertEqual(results.map(\.shape), [[2, 3], [2, 3]])
    let gradients = vmap(grad { (x: MLXArray) -> MLXArray in (x ** 3).sum() })
    assertEqual(gradients(MLXArray([1 as Float, 2], [2, 1])), [3, 12])
  }

  func testCompilation() {
    nonisolated(unsafe) var traces = 0
    let f = compile { (x: MLXArray, y: MLXArray) -> MLXArray in
      traces += 1
      return exp(x) * y + 1
    }
    let x = MLXArray([0 as Float, 1])
    assertClose(f(x, x), [1, 3.7182817])
    assertClose(f(x + 1, x), [1, 8.389056])
    XCTAssertEqual(traces, 1)
    _ = f(MLXArray([1 as Float]), MLXArray([1 as Float]))
    XCTAssertEqual(traces, 2)
    let (a, b) = compile { (x: MLXArray) -> (MLXArray, MLXArray) in (x + 1, x + 2) }(x)
    assertEqual(a, [1, 2])
    assertEqual(b, [2, 3])
    compile(enable: false)
    let plain = compile { (x: MLXArray) -> MLXArray in
      traces += 1
      return x
    }
    _ = plain(x)
    _ = plain(x)
    compile(enable: true)
    XCTAssertEqual(traces, 4)
  }

  func testMemoryIsToldAndLimited() {
    let f = { (x: [MLXArray]) -> [MLXArray] in [(x[0] * 2).sum(axis: 0)] }
    let x = MLXArray.ones([256, 1024])
    let plan = memoryPlan([x], f)
    XCTAssertEqual(plan.arguments, 1 << 20)
    XCTAssertGreaterThanOrEqual(plan.peak, plan.arguments + plan.results)
    XCTAssertTrue(plan.description.contains("peak"))
    XCTAssertTrue(plan.svg.hasPrefix("<svg"))
    let within = compile(memoryLimit: plan.peak, f)
    assertEqual(within([x])[0].sum(), [524288])
    XCTAssertThrowsError(try withError { _ = compile(memoryLimit: 1, f)([x]) })
  }

  func testARegionIsProfiled() throws {
    let x = exp(MLXArray.ones([64, 64]))
    x.eval()
    let (y, p) = profile { () -> MLXArray in
      let y = matmul(x, x)
      y.eval()
      return y
    }
    XCTAssertEqual(y.shape, [64, 64])
    XCTAssertEqual(p.flops, Double(2 * 64 * 64 * 64))
    XCTAssertEqual(p.bytes, Double(3 * 4 * 64 * 64))
    XCTAssertTrue(p.wall > 0 && p.attributed > 0 && p.attributed <= 1)
    XCTAssertTrue(p.peakMemory > 0 && p.dropped == 0)
    XCTAssertTrue(p.description.contains("matmul"))
    XCTAssertTrue(p.table(by: .shape, count: 3).contains("matmul 64x64, 64x64"))
    XCTAssertTrue(p.json.hasPrefix("{\"title\""))
    let url = FileManager.default.temporaryDirectory.appendingPathComponent("olivine-trace.json")
    try p.saveTrace(to: url)
    XCTAssertTrue(try String(contentsOf: url, encoding: .utf8).contains("\"matmul\""))
    try FileManager.default.removeItem(at: url)
    XCTAssertThrowsError(try p.saveTrace(to: URL(fileURLWithPath: "/no/such/trace.json")))
    startProfile()
    XCTAssertThrowsError(try withError { startProfile() })
    XCTAssertEqual(stopProfile().flops, 0)
    struct Mine: Error {}
    XCTAssertThrowsError(try profile { () throws -> Int in throw Mine() })
    XCTAssertThrowsError(try withError { _ = stopProfile() })
  }

  func testCompilationWithState() {
    let total = [MLXArray(0 as Float)]
    let step = compile(inputs: [total], outputs: [total]) { (x: MLXArray) -> MLXArray in
      total[0]._updateInternal(total[0] + x)
      return total[0] * 2
    }
    assertEqual(step(MLXArray(3 as Float)), [6])
    assertEqual(step(MLXArray(4 as Float)), [14])
    assertEqual(total[0], [7])
    let noise = compile(inputs: [MLXRandom.globalState], outputs: [MLXRandom.globalState]) {
      (x: MLXArray) -> MLXArray in x + MLXRandom.normal([2])
    }
    let zero = MLXArray.zeros([2])
    let first = noise(zero).asArray(Float.self)
    XCTAssertNotEqual(noise(zero).asArray(Float.self), first)
  }

  func testOwnDerivative() {
    let f = CustomFunction {
      Forward { [$0[0] * 2] }
      VJP { _, cotangents in [cotangents[0] * 100] }
    }
    let g = grad({ (a: [MLXArray]) -> [MLXArray] in [f(a)[0].sum()] })
    assertEqual(f([MLXArray(3 as Float)])[0], [6])
    assertEqual(g([MLXArray(3 as Float)])[0], [100])
  }

  func testCustomTangentsAndBatches() {
    let f = CustomFunction {
      Forward { [$0[0] * $0[1]] }
      JVP { primals, tangents, numbers in
        XCTAssertEqual(primals.count, 2)
        XCTAssertEqual(numbers, [0, 1])
        return [tangents[0] * 10 + tangents[1]]
      }
      VMap { inputs, axes in
        XCTAssertEqual(axes, [0, nil])
        return ([inputs[0] + inputs[1]], [0])
      }
    }
    let (x, y) = (MLXArray(3 as Float), MLXArray(4 as Float))
    assertEqual(f([x, y])[0], [12])
    let (_, tangents) = jvp(f, primals: [x, y], tangents: [x, y])
    assertEqual(tangents[0], [34])
    let mapped = vmap(f, inAxes: [0, nil], outAxes: [0])
    assertEqual(mapped([MLXArray([1 as Float, 2]), y])[0], [5, 6])
  }

  func testEvaluation() throws {
    let x = MLXArray([1 as Float]) + 1
    let tree = NestedDictionary<String, MLXArray>.unflattened([("a", x + 1)])
    eval(x, x + 1)
    eval([x])
    eval(x, [x + 2], tree, (x + 3, [x + 4]))
    asyncEval([x + 5])
    try checkedEval(x, tree)
    assertEqual(x, [2])
  }

  func testErrorsAreThrown() {
    let a = MLXArray.zeros([2])
    let b = MLXArray.zeros([3])
    XCTAssertThrowsError(try withError { a + b }) { error in
      guard case MLXError.caught(let message) = error else { return XCTFail("\(error)") }
      XCTAssertTrue(message.contains("[add]"), message)
    }
    XCTAssertThrowsError(
      try withError { box in
        _ = a + b
        try box.check()
        XCTFail("the error was there before")
      })
    XCTAssertThrowsError(try withError { MLXArray(1 << 40) })
    XCTAssertThrowsError(try withError { MLXArray.zeros([1 << 40]) })
    XCTAssertThrowsError(try withError { MLXArray([1, 2, 3], [2]) })
    XCTAssertThrowsError(try withError { a.item(Float.self) })
    XCTAssertThrowsError(try withError { a.dim(1) })
    XCTAssertThrowsError(try withError { a.sum(axis: 4) })
    XCTAssertThrowsError(try withError { grad { (x: MLXArray) -> MLXArray in x + b }(a) })
    XCTAssertThrowsError(try withError { compile { (x: MLXArray) -> MLXArray in x + b }(a) })
    let kernel = {
      MLXFast.metalKernel(name: "k", inputNames: ["x"], outputNames: ["y"], source: "")
    }
    XCTAssertThrowsError(
      try withError {
        _ = kernel()(
          [a], grid: (1, 1, 1), threadGroup: (1, 1, 1), outputShapes: [[2]],
          outputDTypes: [.float32])
      })
  }

  func testErrorsInTasks() async throws {
    do {
      try await withError {
        await Task.yield()
        _ = MLXArray.zeros([2]) + MLXArray.zeros([3])
      }
      XCTFail("expected an error")
    } catch MLXError.caught(let message) {
      XCTAssertTrue(message.contains("[add]"))
    }
  }

  func testErrorHandler() {
    let messages = Messages()
    withErrorHandler({ messages.add($0) }) {
      _ = MLXArray.zeros([2]).reshaped([3])
      _ = MLXArray.zeros([2]).reshaped([5])
    }
    XCTAssertEqual(messages.all.count, 2)
  }

  func testLoopsAndBranches() {
    let xs = NDArray([2, 3, 5] as [Float])
    let product = { (factors: NDArray) -> [NDArray] in
      scan({ c, x in ([c[0] * x[0]], [c[0]]) }, initial: [NDArray(1 as Float)], xs: [factors]).0
    }
    XCTAssertEqual(product(xs)[0].item(Float.self), 30)
    let gradient = grad { (x: NDArray) -> NDArray in product(x)[0] }
    XCTAssertEqual(gradient(xs).asArray(Float.self), [15, 10, 6])
    let doubled = { (c: [NDArray]) -> [NDArray] in [c[0] + c[0]] }
    let three = [NDArray(3 as Int32)]
    XCTAssertEqual(foriLoop(0..<4, initial: three) { doubled([$1[0]]) }[0].item(Int32.self), 48)
    let found = whileLoop({ $0[0] .< 100 }, initial: three, doubled)
    XCTAssertEqual(found[0].item(Int32.self), 192)
    XCTAssertEqual(cond(NDArray(false), doubled, { $0 }, operands: three)[0].item(Int32.self), 3)
    let branches: [([NDArray]) -> [NDArray]] = [{ $0 }, doubled]
    let taken = switchBranch(NDArray(1 as Int32), branches, operands: three)
    XCTAssertEqual(taken[0].item(Int32.self), 6)
    XCTAssertEqual(mapSlices(doubled, over: [xs])[0].asArray(Float.self), [4, 6, 10])
  }

  func testTrees() {
    let tree = NestedDictionary<String, Int>.unflattened([("a.0", 1), ("a.1.b", 2), ("c", 3)])
    XCTAssertEqual(tree.flattened().map(\.0), ["a.0", "a.1.b", "c"])
    XCTAssertEqual(tree.flattenedValues(), [1, 2, 3])
    XCTAssertEqual(tree[unwrapping: "c"], 3)
    XCTAssertEqual(tree.mapValues { $0 * 2 }.flattenedValues(), [2, 4, 6])
    XCTAssertEqual(tree.replacingValues(with: [7, 8, 9]).flattenedValues(), [7, 8, 9])
    XCTAssertEqual(tree.reduce(0, +), 6)
    XCTAssertEqual(tree.compactMapValues { $0 > 1 ? $0 : nil }.flattenedValues(), [2, 3])
    let (sums, firsts) = tree.mapValues(tree) { ($0 + ($1 ?? 0), Optional($0)) }
    XCTAssertEqual(sums.flattenedValues(), [2, 4, 6])
    XCTAssertEqual(firsts, tree)
    let paths = tree.mapValues { (path: String, _: Int) -> String in path }
    XCTAssertEqual(paths.flattenedValues(), ["a.0", "a.1.b", "c"])
    XCTAssertEqual(tree.count, 2)
    XCTAssertTrue(tree.description.contains("b: 2"))
  }

  func testWiredMemoryPolicies() async {
    let manager = WiredMemoryManager.makeForTesting(
      configuration: .init(shrinkCooldown: 0, baselineOverride: 100))
    let policy = WiredSumPolicy()
    let ticket = policy.ticket(size: 50, manager: manager)
    let started = await ticket.start()
    XCTAssertEqual(started, 150)
    let ended = await ticket.end()
    XCTAssertEqual(ended, 100)
    let inside = await WiredMaxPolicy().ticket(size: 70, manager: manager).withWiredLimit { 1 }
    XCTAssertEqual(inside, 1)
  }
}

private final class Messages: @unchecked Sendable {
  private let lock = NSLock()
  private var messages: [String] = []
  func add(_ message: String) { lock.withLock { messages.append(message) } }
  var all: [String] { lock.withLock { messages } }
}
