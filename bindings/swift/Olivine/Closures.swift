// Swift functions as closures of the C library.
import COlivine

typealias ArrayFunction = ([NDArray]) -> [NDArray]

/// A C closure, freed with the object.
final class Closure {
  var ctx: olivine_closure

  init(_ ctx: olivine_closure) { self.ctx = ctx }
  /// A closure that calls `f`, and keeps what it captures.
  init(_ f: @escaping ArrayFunction) {
    let payload = Unmanaged.passRetained(Box(f)).toOpaque()
    ctx = olivine_closure_new_func_payload(
      { result, inputs, payload in
        let box = Unmanaged<Box<ArrayFunction>>.fromOpaque(payload!).takeUnretainedValue()
        return store(box.value(arrays(of: inputs)), result!)
      }, payload, { Unmanaged<Box<ArrayFunction>>.fromOpaque($0!).release() })
  }
  deinit { olivine_closure_free(ctx) }

  func callAsFunction(_ inputs: [NDArray]) -> [NDArray] {
    withVector(inputs) { inputs in madeVector { r in olivine_closure_apply(r, ctx, inputs) } }
  }
}

final class Box<T> {
  let value: T
  init(_ value: T) { self.value = value }
}

/// Puts arrays into a vector that C has; not 0 if one of them is empty, after an error.
func store(_ arrays: [NDArray], _ result: UnsafeMutablePointer<olivine_vector_array>) -> Int32 {
  let vector = newVector(arrays)
  defer { olivine_vector_array_free(vector) }
  if vector.ctx == nil { return 1 }
  return olivine_vector_array_set(result, vector)
}

/// Two vectors that a C function makes.
func madeVectors(
  _ body: (UnsafeMutablePointer<olivine_vector_array>, UnsafeMutablePointer<olivine_vector_array>)
    -> Int32
) -> ([NDArray], [NDArray]) {
  var first = olivine_vector_array()
  var second = olivine_vector_array()
  let status = body(&first, &second)
  if status != 0 {
    reportFailure(status)
    return ([], [])
  }
  defer {
    olivine_vector_array_free(first)
    olivine_vector_array_free(second)
  }
  return (arrays(of: first), arrays(of: second))
}
