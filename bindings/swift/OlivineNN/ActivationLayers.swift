// Activation functions as layers; those with settings have them as properties.
import Olivine

/// The layer of ``glu(_:axis:)``.
open class GLU: Module, UnaryLayer {
  public var axis: Int

  public init(axis: Int = -1) {
    self.axis = axis
  }
  open func callAsFunction(_ x: NDArray) -> NDArray { glu(x, axis: axis) }
}

/// The layer of ``sigmoid(_:)``.
open class Sigmoid: Module, UnaryLayer {
  open func callAsFunction(_ x: NDArray) -> NDArray { sigmoid(x) }
}

/// The layer of ``mish(_:)``.
open class Mish: Module, UnaryLayer {
  open func callAsFunction(_ x: NDArray) -> NDArray { mish(x) }
}

/// The layer of ``relu(_:)``.
open class ReLU: Module, UnaryLayer {
  open func callAsFunction(_ x: NDArray) -> NDArray { relu(x) }
}

/// The layer of ``leakyRelu(_:negativeSlope:)``.
open class LeakyReLU: Module, UnaryLayer {
  public var negativeSlope: Float

  public init(negativeSlope: Float = 0.01) {
    self.negativeSlope = negativeSlope
  }
  open func callAsFunction(_ x: NDArray) -> NDArray { leakyRelu(x, negativeSlope: negativeSlope) }
}

/// The layer of ``relu6(_:)``.
open class ReLU6: Module, UnaryLayer {
  open func callAsFunction(_ x: NDArray) -> NDArray { relu6(x) }
}

/// The layer of ``reluSquared(_:)``.
open class ReLUSquared: Module, UnaryLayer {
  open func callAsFunction(_ x: NDArray) -> NDArray { reluSquared(x) }
}

@available(*, deprecated, renamed: "Softmax")
open class SoftMax: Module, UnaryLayer {
  open func callAsFunction(_ x: NDArray) -> NDArray { softmax(x, axis: -1) }
}

/// The layer of `softmax`.
open class Softmax: Module, UnaryLayer {
  public var axis: Int

  public init(axis: Int = -1) {
    self.axis = axis
  }
  open func callAsFunction(_ x: NDArray) -> NDArray { softmax(x, axis: axis) }
}

/// The layer of ``softmin(_:axis:)``.
open class Softmin: Module, UnaryLayer {
  public var axis: Int

  public init(axis: Int = -1) {
    self.axis = axis
  }
  open func callAsFunction(_ x: NDArray) -> NDArray { softmin(x, axis: axis) }
}

@available(*, deprecated, renamed: "Softplus")
open class SoftPlus: Module, UnaryLayer {
  open func callAsFunction(_ x: NDArray) -> NDArray { softplus(x) }
}

/// The layer of ``softplus(_:)``.
open class Softplus: Module, UnaryLayer {
  open func callAsFunction(_ x: NDArray) -> NDArray { softplus(x) }
}

@available(*, deprecated, renamed: "Softsign")
open class SoftSign: Module, UnaryLayer {
  open func callAsFunction(_ x: NDArray) -> NDArray { softsign(x) }
}

/// The layer of ``softsign(_:)``.
open class Softsign: Module, UnaryLayer {
  open func callAsFunction(_ x: NDArray) -> NDArray { softsign(x) }
}

/// The layer of ``softshrink(_:lambda:)``.
open class Softshrink: Module, UnaryLayer {
  public var lambda: Float

  public init(lambda: Float = 0.5) {
    self.lambda = lambda
  }
  open func callAsFunction(_ x: NDArray) -> NDArray { softshrink(x, lambda: lambda) }
}

/// The layer of ``elu(_:alpha:)``.
open class ELU: Module, UnaryLayer {
  public var alpha: Float

  public init(alpha: Float = 1.0) {
    self.alpha = alpha
  }
  open func callAsFunction(_ x: NDArray) -> NDArray { elu(x, alpha: alpha) }
}

/// The layer of ``celu(_:alpha:)``.
open class CELU: Module, UnaryLayer {
  public var alpha: Float

  public init(alpha: Float = 1.0) {
    self.alpha = alpha
  }
  open func callAsFunction(_ x: NDArray) -> NDArray { celu(x, alpha: alpha) }
}

/// The layer of ``silu(_:)``.
open class SiLU: Module, UnaryLayer {
  open func callAsFunction(_ x: NDArray) -> NDArray { silu(x) }
}

@available(*, deprecated, renamed: "LogSoftmax")
open class LogSoftMax: Module, UnaryLayer {
  open func callAsFunction(_ x: NDArray) -> NDArray { logSoftmax(x) }
}

/// The layer of ``logSoftmax(_:axis:)``.
open class LogSoftmax: Module, UnaryLayer {
  public var axis: Int

  public init(axis: Int = -1) {
    self.axis = axis
  }
  open func callAsFunction(_ x: NDArray) -> NDArray { logSoftmax(x, axis: axis) }
}

/// The layer of ``logSigmoid(_:)``.
open class LogSigmoid: Module, UnaryLayer {
  open func callAsFunction(_ x: NDArray) -> NDArray { logSigmoid(x) }
}

/// ``prelu(_:alpha:)`` with a learned slope, one for all features or one for each.
open class PReLU: Module, UnaryLayer {
  public let weight: NDArray

  public init(count: Int = 1, value: Float = 0.25) {
    weight = full([count], values: value)
  }
  open func callAsFunction(_ x: NDArray) -> NDArray { prelu(x, alpha: weight) }
}

/// ``gelu(_:)``, or one of its approximations.
open class GELU: Module, UnaryLayer {
  public enum Approximation: Sendable {
    case none
    case precise
    case tanh
    case fast
  }
  public let approximation: Approximation

  public init(approximation: Approximation = .none) { self.approximation = approximation }
  open func callAsFunction(_ x: NDArray) -> NDArray {
    switch approximation {
    case .none: return gelu(x)
    case .precise, .tanh: return geluApproximate(x)
    case .fast: return geluFastApproximate(x)
    }
  }
}

/// The layer of `tanh`.
open class Tanh: Module, UnaryLayer {
  open func callAsFunction(_ x: NDArray) -> NDArray { tanh(x) }
}

/// The layer of ``hardSwish(_:)``.
open class HardSwish: Module, UnaryLayer {
  open func callAsFunction(_ x: NDArray) -> NDArray { hardSwish(x) }
}

/// The layer of ``hardTanH(_:min:max:)``.
open class HardTanh: Module, UnaryLayer {
  public var min: Float
  public var max: Float

  public init(min: Float = -1, max: Float = 1) {
    self.min = min
    self.max = max
  }
  open func callAsFunction(_ x: NDArray) -> NDArray { hardTanH(x, min: min, max: max) }
}

/// The layer of ``hardShrink(_:lambda:)``.
open class HardShrink: Module, UnaryLayer {
  public var lambda: Float

  public init(lambda: Float = 0.5) {
    self.lambda = lambda
  }
  open func callAsFunction(_ x: NDArray) -> NDArray { hardShrink(x, lambda: lambda) }
}

/// The layer of ``step(_:threshold:)``.
open class Step: Module, UnaryLayer {
  public var threshold: Float

  public init(threshold: Float = 0.0) {
    self.threshold = threshold
  }
  open func callAsFunction(_ x: NDArray) -> NDArray { step(x, threshold: threshold) }
}

/// The layer of ``selu(_:)``.
open class SELU: Module, UnaryLayer {
  open func callAsFunction(_ x: NDArray) -> NDArray { selu(x) }
}
