// Matrices of first and second derivatives.
import COlivine

/// A function for the derivatives of each result of `f` by some of its arguments: an array of the
/// result's shape followed by the argument's, for each result a list with one for each argument.
public func jacobian(
  _ f: @escaping ([NDArray]) -> [NDArray], argumentNumbers: some Collection<Int> = [0]
) -> ([NDArray]) -> [[NDArray]] {
  let closure = Closure(f)
  let numbers = Array(argumentNumbers)
  return { inputs in
    withVector(inputs) { inputs in
      var values = olivine_vector_array()
      defer { olivine_vector_array_free(values) }
      return matrices { result in
        numbers.withInts { numbers, count in
          olivine_jacobian(&values, result, closure.ctx, inputs, numbers, count)
        }
      }
    }
  }
}

/// A function for the derivatives of `f`: an array of the result's shape followed by the
/// argument's.
public func jacobian(_ f: @escaping (NDArray) -> NDArray) -> (NDArray) -> NDArray {
  let function = jacobian({ (x: [NDArray]) -> [NDArray] in [f(at(x, 0))] })
  return { at(function([$0]).first ?? [], 0) }
}

/// A function for the second derivatives of `f`, which returns a scalar, by each pair of some of
/// its arguments.
public func hessian(
  _ f: @escaping ([NDArray]) -> NDArray, argumentNumbers: some Collection<Int> = [0]
) -> ([NDArray]) -> [[NDArray]] {
  let closure = Closure { [f($0)] }
  let numbers = Array(argumentNumbers)
  return { inputs in
    withVector(inputs) { inputs in
      matrices { result in
        numbers.withInts { numbers, count in
          olivine_hessian(result, closure.ctx, inputs, numbers, count)
        }
      }
    }
  }
}

/// A function for the second derivatives of `f`, which returns a scalar.
public func hessian(_ f: @escaping (NDArray) -> NDArray) -> (NDArray) -> NDArray {
  let function = hessian({ (x: [NDArray]) -> NDArray in f(at(x, 0)) })
  return { at(function([$0]).first ?? [], 0) }
}

private func matrices(
  _ body: (UnsafeMutablePointer<olivine_vector_vector_array>) -> Int32
) -> [[NDArray]] {
  var rows = olivine_vector_vector_array()
  let status = body(&rows)
  if status != 0 {
    reportFailure(status)
    return []
  }
  defer { olivine_vector_vector_array_free(rows) }
  return (0..<olivine_vector_vector_array_size(rows)).map { i in
    madeVector { r in olivine_vector_vector_array_get(r, rows, i) }
  }
}
