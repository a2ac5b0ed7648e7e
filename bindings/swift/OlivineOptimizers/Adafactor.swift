// Adafactor: an adaptive optimizer whose memory per matrix is one row and one column.
import Olivine

/// Adam's step with the mean square of a matrix kept as the product of a row and a column. With
/// `relativeStep` the rate is `min(1e-2, 1 / sqrt(step))`, or `1e-6 * step` in place of 1e-2 with
/// `warmupInit`; otherwise `learningRate` is needed. `scaleParameter` multiplies it by the root
/// mean square of the parameter, at least `eps.1`; `eps.0` is added to squares. Updates are scaled
/// down to a root mean square of `clipThreshold`; `beta1` averages them. Source: Shazeer and Stern
/// (2018).
open class Adafactor: OptimizerBase<Adafactor.State> {
  public var learningRate: Float?
  public var eps: (Float, Float)
  public var clipThreshold: Float
  public var decayRate: Float
  public var beta1: Float?
  public var weightDecay: Float
  public var scaleParameter = true
  public var relativeStep = true
  public var warmupInit = false

  /// What Adafactor remembers of a parameter.
  public struct State: Updatable {
    var step: NDArray
    /// Mean squares: of rows and columns of a matrix, else of the elements.
    var squares: [NDArray]
    var average: NDArray?

    public func innerState() -> [NDArray] { [step] + squares + (average.map { [$0] } ?? []) }
  }

  public init(
    learningRate: Float? = nil, eps: (Float, Float) = (1e-30, 1e-3), clipThreshold: Float = 1,
    decayRate: Float = -0.8, beta1: Float? = nil, weightDecay: Float = 0,
    scaleParameter: Bool = true, relativeStep: Bool = true, warmupInit: Bool = false
  ) {
    if learningRate == nil && !relativeStep {
      report("[Adafactor] expected learningRate or relativeStep: true; got neither")
    }
    self.learningRate = learningRate
    self.eps = eps
    self.clipThreshold = clipThreshold
    self.decayRate = decayRate
    self.beta1 = beta1
    self.weightDecay = weightDecay
    self.scaleParameter = scaleParameter
    self.relativeStep = relativeStep
    self.warmupInit = warmupInit
  }

  override open func newState(parameter: NDArray) -> State {
    let (shape, dtype) = (parameter.shape, parameter.dtype)
    let squares =
      shape.count < 2
      ? [zeros(like: parameter)]
      : [
        zeros(shape.dropLast(), dtype: dtype),
        zeros(shape.dropLast(2) + shape.suffix(1), dtype: dtype),
      ]
    return State(
      step: NDArray(Float(0)), squares: squares, average: beta1.map { _ in zeros(like: parameter) })
  }

  private func rate(_ parameter: NDArray, _ step: NDArray) -> NDArray {
    var rate: NDArray
    if relativeStep {
      let limit = warmupInit ? 1e-6 * step : NDArray(Float(1e-2))
      rate = minimum(limit, rsqrt(step))
    } else {
      rate = NDArray(learningRate ?? 0)
    }
    rate = rate.asType(parameter.dtype)
    return scaleParameter ? rate * maximum(eps.1, rootMeanSquare(parameter)) : rate
  }

  /// The gradient over the root of its mean square; `state` is taken one step on.
  private func normalized(_ gradient: NDArray, _ state: inout State) -> NDArray {
    let kept = (1 - state.step ** decayRate).asType(gradient.dtype)
    let squares = square(gradient) + eps.0
    if gradient.ndim < 2 {
      state.squares = [kept * state.squares[0] + (1 - kept) * squares]
      return gradient * rsqrt(state.squares[0])
    }
    let rows = kept * state.squares[0] + (1 - kept) * mean(squares, axis: -1)
    let columns = kept * state.squares[1] + (1 - kept) * mean(squares, axis: -2)
    state.squares = [rows, columns]
    let relative = rsqrt(rows / mean(rows, axis: -1, keepDims: true))
    return gradient
      * (expandedDimensions(relative, axis: -1) * expandedDimensions(rsqrt(columns), axis: -2))
  }

  override open func applySingle(
    gradient: NDArray, parameter: NDArray, state: State
  ) -> (NDArray, State) {
    var (state, parameter) = (state, parameter)
    state.step = state.step + 1
    let rate = rate(parameter, state.step)
    var update = normalized(gradient, &state)
    update = rate * (update / maximum(1, rootMeanSquare(update) / clipThreshold))
    if let beta1 {
      update = beta1 * (state.average ?? zeros(like: parameter)) + rest(beta1) * update
      state.average = update
    }
    if weightDecay != 0 { parameter = parameter * (1 - weightDecay * rate) }
    return (parameter - update, state)
  }
}

/// Of large arrays of 16-bit floats too: the sum is divided before it can overflow.
private func rootMeanSquare(_ x: NDArray) -> NDArray {
  sqrt(sum(square(x / Float(Double(max(x.size, 1)).squareRoot()))))
}
