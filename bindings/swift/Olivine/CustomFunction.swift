// Functions with a derivative of their own.
import COlivine

public enum MLXCustomFunctionComponent {
  case forward(([NDArray]) -> [NDArray])
  /// From the arguments and the cotangents of the results to the cotangents of the arguments.
  case vjp(([NDArray], [NDArray]) -> [NDArray])
}

public func Forward(_ f: @escaping ([NDArray]) -> [NDArray]) -> MLXCustomFunctionComponent {
  .forward(f)
}
public func VJP(_ f: @escaping ([NDArray], [NDArray]) -> [NDArray]) -> MLXCustomFunctionComponent {
  .vjp(f)
}

public enum MLXCustomFunctionBuilder {
  @resultBuilder public struct Builder {
    public static func buildBlock(
      _ components: MLXCustomFunctionComponent...
    ) -> ([NDArray]) -> [NDArray] {
      var forward: ArrayFunction?
      var vjp: (([NDArray], [NDArray]) -> [NDArray])?
      for component in components {
        switch component {
        case .forward(let f): forward = f
        case .vjp(let f): vjp = f
        }
      }
      guard let forward else {
        report("[CustomFunction] expected a Forward; got none")
        return { $0 }
      }
      guard let vjp else { return forward }
      return withDerivative(forward, vjp)
    }
  }
}

/// A function made of a `Forward` and a `VJP`.
public func CustomFunction(
  @MLXCustomFunctionBuilder.Builder _ build: () -> ([NDArray]) -> [NDArray]
) -> ([NDArray]) -> [NDArray] {
  build()
}

private typealias Derivative = ([NDArray], [NDArray]) -> [NDArray]

private func withDerivative(
  _ forward: @escaping ArrayFunction, _ vjp: @escaping ([NDArray], [NDArray]) -> [NDArray]
) -> ArrayFunction {
  let payload = Unmanaged.passRetained(Box<Derivative>(vjp)).toOpaque()
  // C passes the arguments, the cotangents and the results.
  let derivative = olivine_closure_custom_new_func_payload(
    { result, primals, cotangents, _, payload in
      let box = Unmanaged<Box<Derivative>>.fromOpaque(payload!).takeUnretainedValue()
      return store(box.value(arrays(of: primals), arrays(of: cotangents)), result!)
    }, payload, { Unmanaged<Box<Derivative>>.fromOpaque($0!).release() })
  defer { olivine_closure_custom_free(derivative) }
  let closure = Closure(forward)
  var handle = olivine_closure()
  checked(olivine_custom_vjp(&handle, closure.ctx, derivative))
  let function = Closure(handle)
  return { function($0) }
}
