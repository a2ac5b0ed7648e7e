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
  // The arrays of the model stand for others while `body` runs: no further walks over the model.
  let parameters = model.trainableParameters()
  let arrays = parameters.flattenedValues()
  let kept = arrays.map { alias(of: $0) }
  let function = valueAndGrad(
    { (traced: [NDArray]) -> [NDArray] in
      replace(arrays, by: traced)
      return body()
    }, argumentNumbers: 0..<arrays.count)
  defer { replace(arrays, by: kept) }
  let (values, gradients) = function(kept)
  // After an error, which has been reported, there are none.
  guard gradients.count == arrays.count else { return (values, ModuleParameters()) }
  return (values, parameters.replacingValues(with: gradients))
}

private func replace(_ arrays: [NDArray], by values: [NDArray]) {
  for (array, value) in zip(arrays, values) { array._updateInternal(value) }
}

/// Another object for the same array.
func alias(of array: NDArray) -> NDArray {
  let result = NDArray.mlxNone
  result._updateInternal(array)
  return result
}
