// Optimizers in general: the protocol, the base class that walks the trees, a combination of
// several, and gradient clipping.
import Olivine
import OlivineNN

/// Changes the parameters of a model by gradients.
public protocol Optimizer: Updatable, Evaluatable {
  func update(model: Module, gradients: ModuleParameters)
}

/// Several optimizers, each for the parameters that its filter picks first by path and gradient;
/// the last has no filter and takes the rest.
open class MultiOptimizer: Optimizer {
  public let optimizers: [Optimizer]
  private let filters: [(String, NDArray) -> Bool]

  public init(optimizers: [Optimizer], filters: [(String, NDArray) -> Bool] = []) {
    if filters.count != optimizers.count - 1 {
      report("[MultiOptimizer] expected \(optimizers.count - 1) filters; got \(filters.count)")
    }
    self.optimizers = optimizers
    self.filters = filters
  }

  public func update(model: Module, gradients: ModuleParameters) {
    var parts: [[(String, NDArray)]] = Array(repeating: [], count: optimizers.count)
    for (path, gradient) in gradients.flattened() {
      let first = filters.firstIndex { $0(path, gradient) } ?? optimizers.count - 1
      if parts.indices.contains(first) { parts[first].append((path, gradient)) }
    }
    for (optimizer, part) in zip(optimizers, parts) where !part.isEmpty {
      optimizer.update(model: model, gradients: ModuleParameters.unflattened(part))
    }
  }

  public func innerState() -> [NDArray] { optimizers.flatMap { $0.innerState() } }
}

/// An optimizer that keeps a state for each parameter: subclasses say which, and what a step does.
open class OptimizerBase<State: Updatable>: Optimizer {
  /// By the paths of parameters.
  private var states: [String: State] = [:]

  public init() {}

  /// What the optimizer remembers of a parameter before its first step.
  open func newState(parameter: NDArray) -> State {
    fatalError("[\(type(of: self))] expected newState(parameter:) to be overridden")
  }

  /// The arrays of all states.
  open func innerState() -> [NDArray] {
    states.sorted { $0.key < $1.key }.flatMap { $0.value.innerState() }
  }

  /// Replaces the parameters of `model` by those one step on.
  public final func update(model: Module, gradients: ModuleParameters) {
    let parameters = Dictionary(
      model.parameters().flattened(), uniquingKeysWith: { first, _ in first })
    var changed: [(NDArray, NDArray)] = []
    for (path, gradient) in gradients.flattened() {
      guard let parameter = parameters[path] else {
        report("[\(type(of: self))] expected gradients of the model's parameters; got \(path)")
        continue
      }
      let state = states[path] ?? newState(parameter: parameter)
      let (new, newState) = applySingle(gradient: gradient, parameter: parameter, state: state)
      changed.append((parameter, new))
      states[path] = newState
    }
    // The arrays are the model's own, so this is its update without another walk.
    for (parameter, new) in changed { parameter._updateInternal(new) }
  }

  /// The new value of one parameter, and what the optimizer remembers of it.
  open func applySingle(
    gradient: NDArray, parameter: NDArray, state: State
  ) -> (NDArray, State) {
    fatalError("[\(type(of: self))] expected applySingle to be overridden")
  }
}

/// An optimizer whose state for a parameter is an array of its shape.
open class OptimizerBaseArrayState: OptimizerBase<NDArray> {
  override open func newState(parameter: NDArray) -> NDArray { zeros(like: parameter) }
}

/// A state of two arrays.
public struct TupleState: Updatable {
  let first: NDArray
  let second: NDArray

  init(_ first: NDArray, _ second: NDArray) {
    self.first = first
    self.second = second
  }
  init(zeros array: NDArray) {
    self.init(Olivine.zeros(like: array), Olivine.zeros(like: array))
  }

  public func innerState() -> [NDArray] { [first, second] }
}

/// `1 - x` of the number that was written, and not of the nearest Float to it.
func rest(_ x: Float) -> Float { Float(1 - exact(x)) }

/// Reports a setting that is out of bounds.
func check(_ optimizer: String, _ name: String, _ value: Float, _ valid: Bool, _ bound: String) {
  if !valid { report("[\(optimizer)] expected \(name) \(bound); got \(value)") }
}

/// Gradients scaled so that their norm as one vector is at most `maxNorm`, and the norm before.
public func clipGradNorm(
  gradients: some Collection<NDArray>, maxNorm: Float
) -> ([NDArray], NDArray) {
  let squares = gradients.reduce(NDArray(Float(0))) { $0 + sum(square($1)) }
  let norm = sqrt(squares)
  let scale = minimum(maxNorm / (norm + 1e-6), 1)
  return (gradients.map { $0 * scale }, norm)
}

/// Gradients scaled so that their norm as one vector is at most `maxNorm`, and the norm before.
public func clipGradNorm(
  gradients: ModuleParameters, maxNorm: Float
) -> (ModuleParameters, NDArray) {
  let (clipped, norm) = clipGradNorm(gradients: gradients.flattenedValues(), maxNorm: maxNorm)
  return (gradients.replacingValues(with: clipped), norm)
}
