// Functions with a derivative of their own.
import COlivine

public enum MLXCustomFunctionComponent {
  case forward(([NDArray]) -> [NDArray])
  /// From the arguments and the cotangents of the results to the cotangents of the arguments.
  case vjp(([NDArray], [NDArray]) -> [NDArray])
  /// From the arguments, and the tangents of those that the numbers name, to those of the results.
  case jvp(([NDArray], [NDArray], [Int]) -> [NDArray])
  /// From arguments and their batch axes to results and theirs; nil where there is none.
  case vmap(([NDArray], [Int?]) -> ([NDArray], [Int?]))
}

public func Forward(_ f: @escaping ([NDArray]) -> [NDArray]) -> MLXCustomFunctionComponent {
  .forward(f)
}
public func VJP(_ f: @escaping ([NDArray], [NDArray]) -> [NDArray]) -> MLXCustomFunctionComponent {
  .vjp(f)
}
public func JVP(
  _ f: @escaping ([NDArray], [NDArray], [Int]) -> [NDArray]
) -> MLXCustomFunctionComponent {
  .jvp(f)
}
public func VMap(
  _ f: @escaping ([NDArray], [Int?]) -> ([NDArray], [Int?])
) -> MLXCustomFunctionComponent {
  .vmap(f)
}

public enum MLXCustomFunctionBuilder {
  @resultBuilder public struct Builder {
    public static func buildBlock(
      _ components: MLXCustomFunctionComponent...
    ) -> ([NDArray]) -> [NDArray] {
      var forward: ArrayFunction?
      var rules = Rules()
      for component in components {
        switch component {
        case .forward(let f): forward = f
        case .vjp(let f): rules.vjp = f
        case .jvp(let f): rules.jvp = f
        case .vmap(let f): rules.vmap = f
        }
      }
      guard let forward else {
        report("[CustomFunction] expected a Forward; got none")
        return { $0 }
      }
      return rules.applied(to: forward)
    }
  }
}

/// A function made of a `Forward` and rules of its own: a `VJP`, a `JVP`, a `VMap`.
public func CustomFunction(
  @MLXCustomFunctionBuilder.Builder _ build: () -> ([NDArray]) -> [NDArray]
) -> ([NDArray]) -> [NDArray] {
  build()
}

private typealias VJPRule = ([NDArray], [NDArray]) -> [NDArray]
private typealias JVPRule = ([NDArray], [NDArray], [Int]) -> [NDArray]
private typealias VMapRule = ([NDArray], [Int?]) -> ([NDArray], [Int?])

private struct Rules {
  var vjp: VJPRule?
  var jvp: JVPRule?
  var vmap: VMapRule?

  func applied(to forward: @escaping ArrayFunction) -> ArrayFunction {
    if vjp == nil && jvp == nil && vmap == nil { return forward }
    let vjp = vjp.map(closure(of:)) ?? olivine_closure_custom()
    let jvp = jvp.map(closure(of:)) ?? olivine_closure_custom_jvp()
    let vmap = vmap.map(closure(of:)) ?? olivine_closure_custom_vmap()
    defer {
      olivine_closure_custom_free(vjp)
      olivine_closure_custom_jvp_free(jvp)
      olivine_closure_custom_vmap_free(vmap)
    }
    let closure = Closure(forward)
    var handle = olivine_closure()
    checked(olivine_custom_function(&handle, closure.ctx, vjp, jvp, vmap))
    let function = Closure(handle)
    return { function($0) }
  }
}

private func retained<T>(_ value: T) -> UnsafeMutableRawPointer {
  Unmanaged.passRetained(Box(value)).toOpaque()
}

private func closure(of vjp: @escaping VJPRule) -> olivine_closure_custom {
  // C passes the arguments, the cotangents and the results.
  olivine_closure_custom_new_func_payload(
    { result, primals, cotangents, _, payload in
      let box = Unmanaged<Box<VJPRule>>.fromOpaque(payload!).takeUnretainedValue()
      return store(box.value(arrays(of: primals), arrays(of: cotangents)), result!)
    }, retained(vjp), { Unmanaged<Box<VJPRule>>.fromOpaque($0!).release() })
}

private func closure(of jvp: @escaping JVPRule) -> olivine_closure_custom_jvp {
  olivine_closure_custom_jvp_new_func_payload(
    { result, primals, tangents, numbers, count, payload in
      let box = Unmanaged<Box<JVPRule>>.fromOpaque(payload!).takeUnretainedValue()
      let numbers = UnsafeBufferPointer(start: numbers, count: count).map { Int($0) }
      return store(box.value(arrays(of: primals), arrays(of: tangents), numbers), result!)
    }, retained(jvp), { Unmanaged<Box<JVPRule>>.fromOpaque($0!).release() })
}

private func closure(of vmap: @escaping VMapRule) -> olivine_closure_custom_vmap {
  olivine_closure_custom_vmap_new_func_payload(
    { result, resultAxes, inputs, axes, count, payload in
      let box = Unmanaged<Box<VMapRule>>.fromOpaque(payload!).takeUnretainedValue()
      let axes = UnsafeBufferPointer(start: axes, count: count).map { $0 < 0 ? nil : Int($0) }
      let (outputs, outputAxes) = box.value(arrays(of: inputs), axes)
      var places = outputAxes.map { ($0 ?? -1).c }
      let status = olivine_vector_int_set_data(resultAxes, &places, places.count)
      return status == 0 ? store(outputs, result!) : status
    }, retained(vmap), { Unmanaged<Box<VMapRule>>.fromOpaque($0!).release() })
}
