// Losses against Python's numbers.
import Olivine
import OlivineNN
import XCTest

final class LossTests: XCTestCase {
  func testLosses() throws {
    let fixtures = try Fixtures()
    func check(_ name: String, _ loss: @escaping ([NDArray]) -> NDArray) {
      let inputs = fixtures.listed(name, "input")
      assertClose(loss(inputs), fixtures.listed(name, "output").first, name)
      let gradient = grad { (x: NDArray) in weightedSum([loss([x] + inputs.dropFirst())]) }
      assertClose(
        gradient(inputs[0]), fixtures.listed(name, "inputGradient").first, "\(name) gradient")
    }
    check("crossEntropy") { crossEntropy(logits: $0[0], targets: $0[1]) }
    check("crossEntropyProbabilities") { crossEntropy(logits: $0[0], targets: $0[1]) }
    check("crossEntropySmooth") {
      crossEntropy(
        logits: $0[0], targets: $0[1], weights: $0[2], labelSmoothing: 0.3, reduction: .mean)
    }
    check("binaryCrossEntropy") { binaryCrossEntropy(logits: $0[0], targets: $0[1]) }
    check("binaryCrossEntropyProbabilities") {
      binaryCrossEntropy(logits: $0[0], targets: $0[1], withLogits: false, reduction: .sum)
    }
    check("l1Loss") { l1Loss(predictions: $0[0], targets: $0[1]) }
    check("mseLoss") { mseLoss(predictions: $0[0], targets: $0[1]) }
    check("nllLoss") { nllLoss(inputs: $0[0], targets: $0[1]) }
    check("klDivLoss") { klDivLoss(inputs: $0[0], targets: $0[1]) }
    check("smoothL1Loss") { smoothL1Loss(predictions: $0[0], targets: $0[1], beta: 0.7) }
    check("tripletLoss") { tripletLoss(anchors: $0[0], positives: $0[1], negatives: $0[2]) }
    check("hingeLoss") { hingeLoss(inputs: $0[0], targets: $0[1]) }
    check("huberLoss") { huberLoss(inputs: $0[0], targets: $0[1], delta: 0.7) }
    check("logCoshLoss") { logCoshLoss(inputs: $0[0], targets: $0[1]) }
    check("cosineSimilarityLoss") { cosineSimilarityLoss(x1: $0[0], x2: $0[1]) }
  }
}
