// Optimizers that keep one average of gradients: SGD, Lion and Muon.
import Olivine

/// Stochastic gradient descent with momentum, weight decay, dampening and Nesterov's form.
open class SGD: OptimizerBaseArrayState {
  public var learningRate: Float
  public var momentum: Float
  public var weightDecay: Float
  public var dampening: Float
  public var nesterov = false

  public init(
    learningRate: Float, momentum: Float = 0, weightDecay: Float = 0, dampening: Float = 0,
    nesterov: Bool = false
  ) {
    if nesterov && (momentum <= 0 || dampening != 0) {
      report(
        "[SGD] expected momentum above 0 and no dampening with nesterov; "
          + "got momentum \(momentum) and dampening \(dampening)")
    }
    self.learningRate = learningRate
    self.momentum = momentum
    self.weightDecay = weightDecay
    self.dampening = dampening
    self.nesterov = nesterov
  }

  override open func newState(parameter: NDArray) -> NDArray { zeros(like: parameter) }

  override open func applySingle(
    gradient: NDArray, parameter: NDArray, state: NDArray
  ) -> (NDArray, NDArray) {
    let gradient = weightDecay == 0 ? gradient : gradient + weightDecay * parameter
    if momentum <= 0 { return (parameter - learningRate * gradient, state) }
    let kept = dampening > 0 ? rest(dampening) * gradient : gradient
    let velocity = momentum * state + kept
    let update = nesterov ? gradient + momentum * velocity : velocity
    return (parameter - learningRate * update, velocity)
  }
}

/// Steps of one size along the sign of an average of gradients. Use a learning rate 3 to 10 times
/// smaller, and a weight decay as much larger, than for AdamW. Source: Chen et al., "Symbolic
/// Discovery of Optimization Algorithms" (2023).
open class Lion: OptimizerBaseArrayState {
  public var learningRate: Float
  public var betas: (Float, Float)
  public var weightDecay: Float

  public init(learningRate: Float, betas: (Float, Float) = (0.9, 0.999), weightDecay: Float = 0.0) {
    self.learningRate = learningRate
    self.betas = betas
    self.weightDecay = weightDecay
  }

  override open func applySingle(
    gradient: NDArray, parameter: NDArray, state: NDArray
  ) -> (NDArray, NDArray) {
    let direction = betas.0 * state + rest(betas.0) * gradient
    let average = betas.1 * state + rest(betas.1) * gradient
    let parameter = weightDecay > 0 ? (1 - learningRate * weightDecay) * parameter : parameter
    return (parameter - learningRate * sign(direction), average)
  }
}

/// SGD with momentum; updates of matrices are replaced by the nearest orthogonal matrix. Parameters
/// of more than two dimensions count as matrices of their first axis by the rest, and the rate is
/// multiplied by `sqrt(max(1, shape[-2] / shape[-1]))`. Use another optimizer for embeddings,
/// output layers and vectors (see ``MultiOptimizer``). Source: Jordan et al., "Muon" (2024).
open class Muon: OptimizerBaseArrayState {
  public var learningRate: Float
  public var momentum: Float
  public var weightDecay: Float
  public var nesterov = true
  public var nsSteps: Int

  public init(
    learningRate: Float, momentum: Float = 0.95, weightDecay: Float = 0.01, nesterov: Bool = true,
    nsSteps: Int = 5
  ) {
    self.learningRate = learningRate
    self.momentum = momentum
    self.weightDecay = weightDecay
    self.nesterov = nesterov
    self.nsSteps = nsSteps
  }

  /// An approximation of `U V^T` for `x = U S V^T`, by Newton-Schulz iterations of the quintic
  /// `a s + b s^3 + c s^5`, which drives singular values in (0, 1] towards 1.
  private func orthogonalized(_ x: NDArray) -> NDArray {
    let (a, b, c): (Float, Float, Float) = (3.4445, -4.7750, 2.0315)
    let tall = x.dim(-2) > x.dim(-1)
    var x = tall ? x.T : x
    x = x / (sqrt(sum(square(x))) + 1e-7)
    for _ in 0..<nsSteps {
      let gram = matmul(x, x.T)
      x = a * x + matmul(b * gram + c * matmul(gram, gram), x)
    }
    return tall ? x.T : x
  }

  override open func applySingle(
    gradient: NDArray, parameter: NDArray, state: NDArray
  ) -> (NDArray, NDArray) {
    let gradient = weightDecay == 0 ? gradient : gradient + weightDecay * parameter
    let velocity = momentum * state + rest(momentum) * gradient
    var update = nesterov ? momentum * velocity + rest(momentum) * gradient : velocity
    var rate = learningRate
    if update.ndim >= 2 {
      let shape = update.shape
      update = orthogonalized(update.reshaped(shape[0], -1)).reshaped(shape)
      rate *= Swift.max(1, Float(shape[shape.count - 2]) / Float(shape[shape.count - 1]))
        .squareRoot()
    }
    return (parameter - rate * update, velocity)
  }
}
