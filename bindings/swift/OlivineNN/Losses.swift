// Loss functions; `reduction` says whether each returns all losses, their mean or their sum.
import Foundation
import Olivine

/// What becomes of the losses of the elements.
public enum LossReduction: String, Sendable {
  case mean
  case sum
  case none

  public func reduce(loss: NDArray) -> NDArray {
    switch self {
    case .mean: return Olivine.mean(loss)
    case .sum: return Olivine.sum(loss)
    case .none: return loss
    }
  }
}

private func checkSameShape(_ name: String, _ a: NDArray, _ b: NDArray) {
  if a.shape != b.shape { report("[\(name)] expected equal shapes; got \(a.shape) and \(b.shape)") }
}

/// Cross entropy of the softmax of `logits` along `axis`. `targets` are class indices (the shape of
/// `logits` without `axis`) or probabilities (the same shape); `weights` multiply the losses.
public func crossEntropy(
  logits: NDArray, targets: NDArray, weights: NDArray? = nil, axis: Int = -1,
  labelSmoothing: Float = 0, reduction: LossReduction = .none
) -> NDArray {
  if !(0..<1).contains(labelSmoothing) {
    report("[crossEntropy] expected 0 <= labelSmoothing < 1; got \(labelSmoothing)")
  }
  var logits = logits
  var score: NDArray
  if targets.shape == logits.shape {
    // Counted from the largest logit, as in MLX; it matters if the targets do not sum to 1.
    logits = logits - stopGradient(max(logits, axis: axis, keepDims: true))
    score = sum(logits * targets, axis: axis)
  } else {
    let indices = expandedDimensions(targets, axis: axis)
    score = squeezed(takeAlong(logits, indices, axis: axis), axis: axis)
  }
  let total = logSumExp(logits, axis: axis)
  if labelSmoothing > 0 {
    score = Float(1 - exact(labelSmoothing)) * score + labelSmoothing * mean(logits, axis: axis)
  }
  var loss = total - score
  if let weights {
    checkSameShape("crossEntropy", weights, loss)
    loss = loss * weights
  }
  return reduction.reduce(loss: loss)
}

/// The decimal number that a literal of this value was, so that `1 - x` is not that of a rounded x.
package func exact(_ x: Float) -> Double { Double("\(x)") ?? Double(x) }

/// Cross entropy of yes-or-no predictions, given as logits or (clipped at -100 in the logarithm) as
/// probabilities.
public func binaryCrossEntropy(
  logits: NDArray, targets: NDArray, weights: NDArray? = nil, withLogits: Bool = true,
  reduction: LossReduction = .mean
) -> NDArray {
  checkSameShape("binaryCrossEntropy", logits, targets)
  var loss: NDArray
  if withLogits {
    loss = logAddExp(0, logits) - logits * targets
  } else {
    let yes = maximum(log(logits), -100)
    let no = maximum(log(1 - logits), -100)
    loss = -(yes * targets + no * (1 - targets))
  }
  if let weights {
    checkSameShape("binaryCrossEntropy", weights, loss)
    loss = loss * weights
  }
  return reduction.reduce(loss: loss)
}

/// `|predictions - targets|`.
public func l1Loss(
  predictions: NDArray, targets: NDArray, reduction: LossReduction = .mean
) -> NDArray {
  checkSameShape("l1Loss", predictions, targets)
  return reduction.reduce(loss: abs(predictions - targets))
}

/// `(predictions - targets)²`.
public func mseLoss(
  predictions: NDArray, targets: NDArray, reduction: LossReduction = .mean
) -> NDArray {
  checkSameShape("mseLoss", predictions, targets)
  return reduction.reduce(loss: square(predictions - targets))
}

/// Minus the log-probability, taken from `inputs`, of each target class.
public func nllLoss(
  inputs: NDArray, targets: NDArray, axis: Int = -1, reduction: LossReduction = .none
) -> NDArray {
  let picked = takeAlong(inputs, expandedDimensions(targets, axis: axis), axis: axis)
  return reduction.reduce(loss: -squeezed(picked, axis: axis))
}

/// Divergence of `inputs` from `targets`, both log-probabilities along `axis`.
public func klDivLoss(
  inputs: NDArray, targets: NDArray, axis: Int = -1, reduction: LossReduction = .none
) -> NDArray {
  reduction.reduce(loss: sum(exp(targets) * (targets - inputs), axis: axis))
}

/// Quadratic for differences below `beta`, linear above.
public func smoothL1Loss(
  predictions: NDArray, targets: NDArray, beta: Float = 1, reduction: LossReduction = .mean
) -> NDArray {
  checkSameShape("smoothL1Loss", predictions, targets)
  let difference = abs(predictions - targets)
  // The minimum keeps the square, and so the gradient, finite for an infinite difference.
  let near = 0.5 * square(minimum(difference, beta)) / beta
  return reduction.reduce(loss: which(difference .< beta, near, difference - 0.5 * beta))
}

/// By how much anchors are not nearer (in the `p`-norm) to positives than to negatives.
public func tripletLoss(
  anchors: NDArray, positives: NDArray, negatives: NDArray, axis: Int = -1, p: Int = 2,
  margin: Float = 1.0, eps: Float = 1e-6, reduction: LossReduction = .none
) -> NDArray {
  func distance(_ other: NDArray) -> NDArray {
    pow(sum(pow(abs(anchors - other), p), axis: axis) + eps, Float(1 / Double(p)))
  }
  return reduction.reduce(loss: maximum(distance(positives) - distance(negatives) + margin, 0))
}

/// `max(1 - inputs * targets, 0)` for targets of -1 and 1.
public func hingeLoss(
  inputs: NDArray, targets: NDArray, reduction: LossReduction = .none
) -> NDArray {
  reduction.reduce(loss: maximum(1 - inputs * targets, 0))
}

/// `delta` times ``smoothL1Loss(predictions:targets:beta:reduction:)``.
public func huberLoss(
  inputs: NDArray, targets: NDArray, delta: Float = 1.0, reduction: LossReduction = .none
) -> NDArray {
  let difference = abs(inputs - targets)
  let near = 0.5 * square(minimum(difference, delta))
  let far = delta * (difference - 0.5 * delta)
  return reduction.reduce(loss: which(difference .< delta, near, far))
}

/// The logarithm of the hyperbolic cosine of the difference, without overflow.
public func logCoshLoss(
  inputs: NDArray, targets: NDArray, reduction: LossReduction = .none
) -> NDArray {
  let errors = inputs - targets
  return reduction.reduce(loss: logAddExp(errors, -errors) - Float(M_LN2))
}

/// The cosine of the angle between `x1` and `x2`; `eps` bounds the norms' product below.
public func cosineSimilarityLoss(
  x1: NDArray, x2: NDArray, axis: Int = 1, eps: Float = 1e-8, reduction: LossReduction = .none
) -> NDArray {
  func norm(_ x: NDArray) -> NDArray { sqrt(sum(square(x), axis: axis)) }
  let cosine = sum(x1 * x2, axis: axis) / maximum(norm(x1) * norm(x2), eps)
  return reduction.reduce(loss: cosine)
}
