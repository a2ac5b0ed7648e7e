// Derivatives of functions of arrays.
import COlivine

/// The values and the derivative of `f` at `primals` along `tangents`.
public func jvp(
  _ f: @escaping ([NDArray]) -> [NDArray], primals: some Collection<NDArray>,
  tangents: some Collection<NDArray>
) -> ([NDArray], [NDArray]) {
  let closure = Closure(f)
  return withVector(primals) { primals in
    withVector(tangents) { tangents in
      madeVectors { r0, r1 in olivine_jvp(r0, r1, closure.ctx, primals, tangents) }
    }
  }
}

/// The values of `f` at `primals`, and the products of `cotangents` and its derivative.
public func vjp(
  _ f: @escaping ([NDArray]) -> [NDArray], primals: some Collection<NDArray>,
  cotangents: some Collection<NDArray>
) -> ([NDArray], [NDArray]) {
  let closure = Closure(f)
  return withVector(primals) { primals in
    withVector(cotangents) { cotangents in
      madeVectors { r0, r1 in olivine_vjp(r0, r1, closure.ctx, primals, cotangents) }
    }
  }
}

/// The values of `f`, and the gradients of the first of them, as one function.
private final class ValueAndGrad {
  private var ctx = olivine_closure_value_and_grad()

  init(_ f: @escaping ArrayFunction, _ argumentNumbers: some Collection<Int>) {
    let closure = Closure(f)
    let status = argumentNumbers.withInts { numbers, count in
      olivine_value_and_grad(&ctx, closure.ctx, numbers, count)
    }
    checked(status)
  }
  deinit { olivine_closure_value_and_grad_free(ctx) }

  func callAsFunction(_ inputs: [NDArray]) -> ([NDArray], [NDArray]) {
    withVector(inputs) { inputs in
      madeVectors { r0, r1 in olivine_closure_value_and_grad_apply(r0, r1, ctx, inputs) }
    }
  }
}

/// A function for the gradients of the first result of `f` with respect to some arguments.
public func grad(
  _ f: @escaping ([NDArray]) -> [NDArray], argumentNumbers: some Collection<Int> = [0]
) -> ([NDArray]) -> [NDArray] {
  let function = ValueAndGrad(f, argumentNumbers)
  return { function($0).1 }
}

/// A function for the gradient of `f` with respect to one argument.
public func grad(
  _ f: @escaping ([NDArray]) -> NDArray, argumentNumbers: some Collection<Int> = [0]
) -> ([NDArray]) -> NDArray {
  let function = ValueAndGrad({ [f($0)] }, argumentNumbers)
  return { at(function($0).1, 0) }
}

/// A function for the gradient of the first result of `f`.
public func grad(_ f: @escaping (NDArray) -> [NDArray]) -> (NDArray) -> [NDArray] {
  let function = ValueAndGrad({ f(at($0, 0)) }, [0])
  return { function([$0]).1 }
}

/// A function for the gradient of `f`.
public func grad(_ f: @escaping (NDArray) -> NDArray) -> (NDArray) -> NDArray {
  let function = ValueAndGrad({ [f(at($0, 0))] }, [0])
  return { at(function([$0]).1, 0) }
}

/// A function for the results of `f`, and the gradients of the first with respect to arguments.
public func valueAndGrad(
  _ f: @escaping ([NDArray]) -> [NDArray], argumentNumbers: some Collection<Int> = [0]
) -> ([NDArray]) -> ([NDArray], [NDArray]) {
  let function = ValueAndGrad(f, argumentNumbers)
  return { function($0) }
}

/// A function for the results of `f`, and the gradients of the first with respect to parameters.
public func valueAndGrad<T>(
  _ f: @escaping (NestedDictionary<String, NDArray>, T) -> [NDArray]
) -> (NestedDictionary<String, NDArray>, T) -> ([NDArray], NestedDictionary<String, NDArray>) {
  { parameters, rest in
    let values = parameters.flattenedValues()
    let inner: ArrayFunction = { f(parameters.replacingValues(with: $0), rest) }
    let (results, gradients) = ValueAndGrad(inner, 0..<values.count)(values)
    guard gradients.count == values.count else { return (results, parameters) }
    return (results, parameters.replacingValues(with: gradients))
  }
}

/// `f`, whose inner results are computed again for its derivative instead of kept.
public func checkpoint(_ f: @escaping ([NDArray]) -> [NDArray]) -> ([NDArray]) -> [NDArray] {
  let closure = Closure(f)
  var handle = olivine_closure()
  checked(olivine_checkpoint(&handle, closure.ctx))
  let result = Closure(handle)
  return { result($0) }
}
