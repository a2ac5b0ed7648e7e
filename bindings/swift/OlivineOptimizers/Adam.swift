// Adam and its relatives: averages of the gradient and of its square.
import Olivine

/// What Adam remembers of a parameter.
public struct AdamState: Updatable {
  let mean: NDArray
  let square: NDArray
  /// The steps taken, where the bias of the averages is corrected.
  let step: NDArray?

  public func innerState() -> [NDArray] { [mean, square] + (step.map { [$0] } ?? []) }
}

/// Adam. As in MLX, `biasCorrection` is off by default: the paper divides both averages by
/// `1 - beta ** step`. Source: Kingma and Ba (2015).
open class Adam: OptimizerBase<AdamState> {
  public var learningRate: Float
  public var betas: (Float, Float)
  public var eps: Float
  public var biasCorrection = false

  public init(
    learningRate: Float, betas: (Float, Float) = (0.9, 0.999), eps: Float = 1e-8,
    biasCorrection: Bool = false
  ) {
    self.learningRate = learningRate
    self.betas = betas
    self.eps = eps
    self.biasCorrection = biasCorrection
  }

  override open func newState(parameter: NDArray) -> AdamState {
    AdamState(
      mean: zeros(like: parameter), square: zeros(like: parameter),
      step: biasCorrection ? NDArray(Float(0)) : nil)
  }

  override open func applySingle(
    gradient: NDArray, parameter: NDArray, state: AdamState
  ) -> (NDArray, AdamState) {
    let mean = betas.0 * state.mean + rest(betas.0) * gradient
    let square = betas.1 * state.square + rest(betas.1) * Olivine.square(gradient)
    guard biasCorrection else {
      let new = parameter - learningRate * mean / (sqrt(square) + eps)
      return (new, AdamState(mean: mean, square: square, step: state.step))
    }
    let step = (state.step ?? NDArray(Float(0))) + 1
    let scale = (learningRate / (1 - betas.0 ** step)).asType(gradient.dtype)
    let correction = rsqrt(1 - betas.1 ** step).asType(gradient.dtype)
    let new = parameter - scale * mean / (sqrt(square) * correction + eps)
    return (new, AdamState(mean: mean, square: square, step: step))
  }
}

/// Adam with decoupled weight decay. Source: Loshchilov and Hutter (2019).
open class AdamW: Adam {
  public var weightDecay: Float

  public init(
    learningRate: Float, betas: (Float, Float) = (0.9, 0.999), eps: Float = 1e-8,
    weightDecay: Float = 0.01, biasCorrection: Bool = false
  ) {
    self.weightDecay = weightDecay
    super.init(learningRate: learningRate, betas: betas, eps: eps, biasCorrection: biasCorrection)
  }

  override open func applySingle(
    gradient: NDArray, parameter: NDArray, state: AdamState
  ) -> (NDArray, AdamState) {
    let decayed = parameter * (1 - learningRate * weightDecay)
    return super.applySingle(gradient: gradient, parameter: decayed, state: state)
  }
}

/// Adam with the largest recent gradient in place of the mean square. Source: Kingma and Ba (2015),
/// section 7.
open class Adamax: OptimizerBase<TupleState> {
  public var learningRate: Float
  public var betas: (Float, Float)
  public var eps: Float

  public init(learningRate: Float, betas: (Float, Float) = (0.9, 0.999), eps: Float = 1e-8) {
    check("Adamax", "eps", eps, eps >= 0, ">= 0")
    self.learningRate = learningRate
    self.betas = betas
    self.eps = eps
  }

  override open func newState(parameter: NDArray) -> TupleState { TupleState(zeros: parameter) }

  override open func applySingle(
    gradient: NDArray, parameter: NDArray, state: TupleState
  ) -> (NDArray, TupleState) {
    let mean = betas.0 * state.first + rest(betas.0) * gradient
    let largest = maximum(betas.1 * state.second, abs(gradient))
    return (parameter - learningRate * mean / (largest + eps), TupleState(mean, largest))
  }
}
