// Activation functions.
import Foundation
import Olivine

/// Computes 16-bit values in float32, so that only the result is rounded, and not every step.
private func roundedOnce(_ x: NDArray, _ body: (NDArray) -> NDArray) -> NDArray {
  let dtype = x.dtype
  guard dtype == .float16 || dtype == .bfloat16 else { return body(x) }
  return body(x.asType(.float32)).asType(dtype)
}

/// `1 / (1 + exp(-x))`.
public func sigmoid(_ x: NDArray) -> NDArray { Olivine.sigmoid(x, stream: .default) }

/// `max(x, 0)`.
public func relu(_ x: NDArray) -> NDArray { maximum(x, 0) }

/// `max(x, negativeSlope * x)`.
public func leakyRelu(_ x: NDArray, negativeSlope: Float = 0.01) -> NDArray {
  maximum(negativeSlope * x, x)
}

@available(*, deprecated, renamed: "logSoftmax(_:axis:)")
public func logSoftMax(_ x: NDArray, axis: Int = -1) -> NDArray { logSoftmax(x, axis: axis) }

/// The logarithm of `softmax`, without overflow.
public func logSoftmax(_ x: NDArray, axis: Int = -1) -> NDArray {
  roundedOnce(x) { x in x - logSumExp(x, axis: axis, keepDims: true) }
}

/// `x` where positive, `alpha * (exp(x) - 1)` elsewhere.
public func elu(_ x: NDArray, alpha: Float = 1.0) -> NDArray {
  // The inner which keeps exp, and so the gradient, finite for large x.
  roundedOnce(x) { x in which(x .> 0, x, alpha * expm1(which(x .> 0, 0, x))) }
}

/// `min(max(x, 0), 6)`.
public func relu6(_ x: NDArray) -> NDArray { minimum(maximum(x, 0), 6) }

/// The square of `relu`. Source: So et al., "Primer" (2021).
public func reluSquared(_ x: NDArray) -> NDArray { square(maximum(x, 0)) }

@available(*, deprecated, renamed: "softplus(_:)")
public func softPlus(_ x: NDArray) -> NDArray { softplus(x) }

/// `log(1 + exp(x))`, without overflow.
public func softplus(_ x: NDArray) -> NDArray { logAddExp(x, 0) }

@available(*, deprecated, renamed: "softsign(_:)")
public func softSign(_ x: NDArray) -> NDArray { softsign(x) }

/// `x / (1 + |x|)`.
public func softsign(_ x: NDArray) -> NDArray { roundedOnce(x) { x in x / (1 + abs(x)) } }

/// `x` moved towards 0 by `lambda`, and 0 where `|x| <= lambda`.
public func softshrink(_ x: NDArray, lambda: Float = 0.5) -> NDArray {
  which(abs(x) .> lambda, x - sign(x) * lambda, 0)
}

/// `max(x, 0) + min(0, alpha * (exp(x / alpha) - 1))`, smooth for every `alpha`.
public func celu(_ x: NDArray, alpha: Float = 1.0) -> NDArray {
  roundedOnce(x) { x in which(x .> 0, x, alpha * expm1(which(x .> 0, 0, x) / alpha)) }
}

/// `x * sigmoid(x)`, also called swish.
public func silu(_ x: NDArray) -> NDArray { roundedOnce(x) { x in x * sigmoid(x) } }

/// The logarithm of `sigmoid`, without overflow.
public func logSigmoid(_ x: NDArray) -> NDArray { roundedOnce(x) { x in -softplus(-x) } }

/// `x * Phi(x)` with the Gaussian distribution function Phi, exact.
public func gelu(_ x: NDArray) -> NDArray {
  roundedOnce(x) { x in x * (0.5 * (1 + erf(x * Float(0.5.squareRoot())))) }
}

/// `gelu` by a tanh. Source: Hendrycks and Gimpel, "Gaussian Error Linear Units" (2016).
public func geluApproximate(_ x: NDArray) -> NDArray {
  roundedOnce(x) { x in
    let inner = Float((2 / Double.pi).squareRoot()) * (x + 0.044715 * x * x * x)
    return 0.5 * x * (1 + tanh(inner))
  }
}

/// `gelu` by a sigmoid: `x * sigmoid(1.702 x)`.
public func geluFastApproximate(_ x: NDArray) -> NDArray {
  roundedOnce(x) { x in x * sigmoid(1.702 * x) }
}

/// The first half of `axis` times the sigmoid of the second half.
public func glu(_ x: NDArray, axis: Int = -1) -> NDArray {
  let (a, b) = split(x, axis: axis)
  return a * sigmoid(b)
}

/// 1 where `x >= threshold`, else 0.
public func step(_ x: NDArray, threshold: Float = 0.0) -> NDArray {
  which(x .>= threshold, 1, 0)
}

/// Self-normalizing scaled `elu`. Source: Klambauer et al. (2017), whose constants these are.
public func selu(_ x: NDArray) -> NDArray {
  roundedOnce(x) { x in 1.0507 * elu(x, alpha: 1.67326) }
}

/// `max(x, 0) + alpha * min(x, 0)`; the slope `alpha` is usually learned.
public func prelu(_ x: NDArray, alpha: NDArray) -> NDArray {
  maximum(0, x) + alpha * minimum(0, x)
}

/// `x * tanh(softplus(x))`. Source: Misra, "Mish" (2019).
public func mish(_ x: NDArray) -> NDArray { roundedOnce(x) { x in x * tanh(softplus(x)) } }

/// `x * relu6(x + 3) / 6`. Source: Howard et al., "MobileNetV3" (2019).
public func hardSwish(_ x: NDArray) -> NDArray { roundedOnce(x) { x in x * relu6(x + 3) / 6 } }

/// `x` clipped to `[min, max]`.
public func hardTanH(_ x: NDArray, min: Float = -1, max: Float = 1) -> NDArray {
  minimum(maximum(x, min), max)
}

/// `x` where `|x| > lambda`, else 0.
public func hardShrink(_ x: NDArray, lambda: Float = 0.5) -> NDArray {
  which(abs(x) .> lambda, x, 0)
}

/// `softmax(-x)`.
public func softmin(_ x: NDArray, axis: Int = -1) -> NDArray { softmax(-x, axis: axis) }
