// Optimizers and schedules against Python's numbers, and in training.
import Olivine
import OlivineNN
import OlivineOptimizers
import XCTest

/// The parameters of the fixtures.
private class Parameters: Module {
  let weight = MLXArray.zeros([4, 3])
  let bias = MLXArray.zeros([3])
}

final class OptimizerTests: XCTestCase {
  func testSteps() throws {
    let fixtures = try Fixtures()
    for (name, optimizer) in [
      ("SGD", SGD(learningRate: 0.1)),
      ("SGDMomentum", SGD(learningRate: 0.1, momentum: 0.9, weightDecay: 0.01, dampening: 0.2)),
      ("SGDNesterov", SGD(learningRate: 0.1, momentum: 0.9, nesterov: true)),
      ("RMSprop", RMSprop(learningRate: 0.01)),
      ("AdaGrad", AdaGrad(learningRate: 0.1)),
      ("AdaDelta", AdaDelta(learningRate: 1)),
      ("Adam", Adam(learningRate: 0.01)),
      ("AdamCorrected", Adam(learningRate: 0.01, biasCorrection: true)),
      ("AdamW", AdamW(learningRate: 0.01, weightDecay: 0.1)),
      ("Adamax", Adamax(learningRate: 0.01)),
      ("Lion", Lion(learningRate: 0.01, weightDecay: 0.1)),
      ("Muon", Muon(learningRate: 0.02)),
      ("Adafactor", Adafactor()),
      (
        "AdafactorSettings",
        Adafactor(
          learningRate: 0.05, beta1: 0.9, weightDecay: 0.1, scaleParameter: false,
          relativeStep: false)
      ),
      ("AdafactorWarmup", Adafactor(warmupInit: true)),
    ] as [(String, Optimizer)] {
      let model = Parameters()
      try model.update(
        parameters: .unflattened(fixtures.named(name, "parameter")), verify: .all)
      let gradients = fixtures.named(name, "gradient")
      for step in 0..<3 {
        let tree = ["weight", "bias"].map { ($0, gradients["\(step).\($0)"]!) }
        optimizer.update(model: model, gradients: .unflattened(tree))
      }
      let expected = fixtures.named(name, "output")
      for (path, parameter) in model.parameters().flattened() {
        assertClose(parameter, expected[path], "\(name) \(path)")
      }
      XCTAssertFalse(optimizer.innerState().isEmpty, name)
    }
  }

  func testSchedules() throws {
    let fixtures = try Fixtures()
    for (name, schedule) in [
      ("exponentialDecay", exponentialDecay(0.1, decayRate: 0.9)),
      ("stepDecay", stepDecay(0.1, decayRate: 0.9, stepSize: 3)),
      ("cosineDecay", cosineDecay(0.1, decaySteps: 10, end: 0.01)),
      ("linearSchedule", linearSchedule(0, end: 0.1, steps: 8)),
      (
        "joinSchedules",
        joinSchedules(
          [linearSchedule(0, end: 0.1, steps: 4), cosineDecay(0.1, decaySteps: 6)],
          boundaries: [4])
      ),
    ] {
      let expected = fixtures.listed(name, "output")[0]
      assertClose(MLXArray((0..<12).map(schedule)), expected, name)
    }
  }

  func testClipGradNorm() {
    let gradients = [MLXArray([3 as Float]), MLXArray([4 as Float])]
    let (clipped, norm) = clipGradNorm(gradients: gradients, maxNorm: 1)
    XCTAssertEqual(norm.item(Float.self), 5)
    assertClose(concatenated(clipped), MLXArray([0.6, 0.8] as [Float]), "clipped")
    let tree = ModuleParameters.unflattened([("a", gradients[0]), ("b", gradients[1])])
    let (same, _) = clipGradNorm(gradients: tree, maxNorm: 10)
    XCTAssertEqual(same[unwrapping: "b"]?.item(Float.self), 4)
  }

  func testMultiOptimizerSplitsByFilter() {
    let model = Parameters()
    let optimizer = MultiOptimizer(
      optimizers: [SGD(learningRate: 1), SGD(learningRate: 10)],
      filters: [{ path, _ in path == "weight" }])
    let ones = model.mapParameters { MLXArray.ones(like: $0) }
    optimizer.update(model: model, gradients: ones)
    XCTAssertEqual(model.weight.min().item(Float.self), -1)
    XCTAssertEqual(model.bias.min().item(Float.self), -10)
  }

  func testACompiledStepIsTheStep() {
    func losses(compiled: Bool) -> [Float] {
      MLXRandom.seed(3)
      let model = Sequential(layers: Linear(4, 8), Tanh(), Dropout(p: 0.1), Linear(8, 1))
      let optimizer = AdamW(learningRate: 0.05, biasCorrection: true)
      let x = MLXRandom.normal([32, 4])
      let y = sum(x, axis: -1, keepDims: true)
      func loss(_ model: Sequential, _ x: MLXArray, _ y: MLXArray) -> MLXArray {
        mseLoss(predictions: model(x), targets: y)
      }
      let lossAndGrad = valueAndGrad(model: model, loss)
      func step(_ x: MLXArray, _ y: MLXArray) -> MLXArray {
        let (loss, gradients) = lossAndGrad(model, x, y)
        optimizer.update(model: model, gradients: gradients)
        return loss
      }
      let state: [any Updatable] = [model, optimizer, MLXRandom.globalState]
      let run = compiled ? compile(inputs: state, outputs: state, step) : step
      return (0..<20).map { _ in
        let loss = run(x, y)
        eval(loss, model, optimizer)
        return loss.item(Float.self)
      }
    }
    let (plain, compiled) = (losses(compiled: false), losses(compiled: true))
    XCTAssertLessThan(plain[19], 0.5 * plain[0])
    for (a, b) in zip(plain, compiled) { XCTAssertEqual(a, b, accuracy: 1e-4) }
  }
}
