// Optimizers with a step size per element: RMSprop, AdaGrad and AdaDelta.
import Olivine

/// Divides the gradient by the root of its mean square, an average of weight `alpha`. Source:
/// Tieleman and Hinton, lecture 6.5 of "Neural Networks for Machine Learning" (2012).
open class RMSprop: OptimizerBaseArrayState {
  public var learningRate: Float
  public var alpha: Float
  public var eps: Float

  public init(learningRate: Float, alpha: Float = 0.99, eps: Float = 1e-8) {
    check("RMSprop", "alpha", alpha, alpha >= 0, ">= 0")
    check("RMSprop", "eps", eps, eps > 0, "> 0")
    self.learningRate = learningRate
    self.alpha = alpha
    self.eps = eps
  }

  override open func applySingle(
    gradient: NDArray, parameter: NDArray, state: NDArray
  ) -> (NDArray, NDArray) {
    let square = alpha * state + rest(alpha) * Olivine.square(gradient)
    return (parameter - learningRate * gradient / (sqrt(square) + eps), square)
  }
}

/// Divides the gradient by the root of the sum of all its squares so far. Source: Duchi et al.,
/// "Adaptive Subgradient Methods" (2011).
open class AdaGrad: OptimizerBaseArrayState {
  public var learningRate: Float
  public var eps: Float

  public init(learningRate: Float, eps: Float = 1e-8) {
    check("AdaGrad", "eps", eps, eps > 0, "> 0")
    self.learningRate = learningRate
    self.eps = eps
  }

  override open func applySingle(
    gradient: NDArray, parameter: NDArray, state: NDArray
  ) -> (NDArray, NDArray) {
    let square = state + Olivine.square(gradient)
    return (parameter - learningRate * gradient / (sqrt(square) + eps), square)
  }
}

/// Steps in the units of the parameters: the gradient times the ratio of the roots of the mean
/// squares of past steps and of gradients. Source: Zeiler, "ADADELTA" (2012).
open class AdaDelta: OptimizerBase<TupleState> {
  public var learningRate: Float
  public var rho: Float
  public var eps: Float

  public init(learningRate: Float, rho: Float = 0.9, eps: Float = 1e-6) {
    check("AdaDelta", "rho", rho, rho >= 0, ">= 0")
    check("AdaDelta", "eps", eps, eps > 0, "> 0")
    self.learningRate = learningRate
    self.rho = rho
    self.eps = eps
  }

  override open func newState(parameter: NDArray) -> TupleState { TupleState(zeros: parameter) }

  override open func applySingle(
    gradient: NDArray, parameter: NDArray, state: TupleState
  ) -> (NDArray, TupleState) {
    let squares = rho * state.first + rest(rho) * square(gradient)
    let step = sqrt(state.second + eps) / sqrt(squares + eps) * gradient
    let steps = rho * state.second + rest(rho) * square(step)
    return (parameter - learningRate * step, TupleState(squares, steps))
  }
}
