// Gradients of functions of a model with respect to its trainable parameters.
import Olivine

/// A function for the value of `f` and its gradient with respect to the parameters of the model.
public func valueAndGrad<Model: Module>(
  model: Model, _ f: @escaping (Model, NDArray, NDArray) -> NDArray
) -> (Model, NDArray, NDArray) -> (NDArray, ModuleParameters) {
  { model, x, y in
    let (values, gradients) = differentiate(model) { [f(model, x, y)] }
    return (values.first ?? .mlxNone, gradients)
  }
}

/// A function for the results of `f`, and the gradients of the first of them.
public func valueAndGrad<Model: Module>(
  model: Model, _ f: @escaping (Model, [NDArray]) -> [NDArray]
) -> (Model, [NDArray]) -> ([NDArray], ModuleParameters) {
  { model, arguments in differentiate(model) { f(model, arguments) } }
}

/// A function for the results of `f`, and the gradients of the first of them.
public func valueAndGrad<Model: Module, Arguments>(
  model: Model, _ f: @escaping (Model, Arguments) -> [NDArray]
) -> (Model, Arguments) -> ([NDArray], ModuleParameters) {
  { model, arguments in differentiate(model) { f(model, arguments) } }
}

private func differentiate(
  _ model: Module, _ body: @escaping () -> [NDArray]
) -> ([NDArray], ModuleParameters) {
  let parameters = model.trainableParameters()
  let kept = parameters.mapValues { (array: NDArray) in alias(of: array) }
  let function = valueAndGrad { (traced: ModuleParameters, _: Void) -> [NDArray] in
    model.update(parameters: traced)
    return body()
  }
  defer { model.update(parameters: kept) }
  return function(kept, ())
}

/// Another object for the same array.
func alias(of array: NDArray) -> NDArray {
  let result = NDArray.mlxNone
  result._updateInternal(array)
  return result
}
