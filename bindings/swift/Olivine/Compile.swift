// Functions whose graph is made once and then run.
import COlivine
import Foundation

/// A compiled function with the state that it reads and writes beside its arguments.
final class CompiledFunction: @unchecked Sendable {
  private let f: ArrayFunction
  private let inputs: [any Updatable]
  private let outputs: [any Updatable]
  private let lock = NSRecursiveLock()
  private var compiled = olivine_closure()

  init(
    inputs: [any Updatable], outputs: [any Updatable], shapeless: Bool, memoryLimit: Int = 0,
    _ f: @escaping ArrayFunction
  ) {
    self.f = f
    self.inputs = inputs
    self.outputs = outputs
    let closure = Closure { [unowned self] in self.traced($0) }
    checked(olivine_compile_within(&compiled, closure.ctx, shapeless, memoryLimit, nil, 0))
  }
  deinit { olivine_closure_free(compiled) }

  func callAsFunction(_ arguments: [NDArray]) -> [NDArray] {
    lock.withLock {
      let all = arguments + inputs.flatMap { $0.innerState() }
      let results = withVector(all) { all in
        madeVector { r in olivine_closure_apply(r, compiled, all) }
      }
      if results.isEmpty { return [] }
      let state = outputs.flatMap { $0.innerState() }
      for (array, new) in zip(state, results.suffix(state.count)) { array._updateInternal(new) }
      return Array(results.dropLast(state.count))
    }
  }

  /// `f` with the arrays of the state replaced by the arguments that stand for them. What they are
  /// afterwards are further results; the state itself is left as it was.
  private func traced(_ all: [NDArray]) -> [NDArray] {
    let state = inputs.flatMap { $0.innerState() }
    let kept = (state + outputs.flatMap { $0.innerState() }).map { ($0, copy($0)) }
    for (array, tracer) in zip(state, all.suffix(state.count)) { array._updateInternal(tracer) }
    let results = f(Array(all.dropLast(state.count)))
    let written = outputs.flatMap { $0.innerState() }.map { copy($0) }
    for (array, value) in kept { array._updateInternal(value) }
    return results + written
  }

  private func copy(_ array: NDArray) -> NDArray { made { r in olivine_array_set(r, array.ctx) } }
}

/// `f`, compiled: its graph is made at the first call for given shapes and dtypes (only dtypes and
/// dimensions if `shapeless`). State that it reads or changes must be in `inputs` or `outputs`.
public func compile(
  inputs: [any Updatable] = [], outputs: [any Updatable] = [], shapeless: Bool = false,
  _ f: @escaping ([NDArray]) -> [NDArray]
) -> @Sendable ([NDArray]) -> [NDArray] {
  compile(memoryLimit: 0, inputs: inputs, outputs: outputs, shapeless: shapeless, f)
}

/// The same within `memoryLimit`: most bytes that may be active while it runs, as `MemoryPlan.peak`
/// counts them; 0 for any. Values are computed again where keeping them would take more, with the
/// same results.
public func compile(
  memoryLimit: Int, inputs: [any Updatable] = [], outputs: [any Updatable] = [],
  shapeless: Bool = false, _ f: @escaping ([NDArray]) -> [NDArray]
) -> @Sendable ([NDArray]) -> [NDArray] {
  let function = CompiledFunction(
    inputs: inputs, outputs: outputs, shapeless: shapeless, memoryLimit: memoryLimit, f)
  return { function($0) }
}

/// `f`, compiled.
public func compile(
  inputs: [any Updatable] = [], outputs: [any Updatable] = [], shapeless: Bool = false,
  _ f: @escaping (NDArray) -> NDArray
) -> @Sendable (NDArray) -> NDArray {
  let function = CompiledFunction(inputs: inputs, outputs: outputs, shapeless: shapeless) {
    [f(at($0, 0))]
  }
  return { at(function([$0]), 0) }
}

/// `f`, compiled.
public func compile(
  inputs: [any Updatable] = [], outputs: [any Updatable] = [], shapeless: Bool = false,
  _ f: @escaping (NDArray, NDArray) -> NDArray
) -> @Sendable (NDArray, NDArray) -> NDArray {
  let function = CompiledFunction(inputs: inputs, outputs: outputs, shapeless: shapeless) {
    [f(at($0, 0), at($0, 1))]
  }
  return { at(function([$0, $1]), 0) }
}

/// `f`, compiled.
public func compile(
  inputs: [any Updatable] = [], outputs: [any Updatable] = [], shapeless: Bool = false,
  _ f: @Sendable @escaping (NDArray, NDArray, NDArray) -> NDArray
) -> @Sendable (NDArray, NDArray, NDArray) -> NDArray {
  let function = CompiledFunction(inputs: inputs, outputs: outputs, shapeless: shapeless) {
    [f(at($0, 0), at($0, 1), at($0, 2))]
  }
  return { at(function([$0, $1, $2]), 0) }
}

/// Whether compiled functions are; if not, they run as they are written.
public func compile(enable: Bool = true) {
  checked(enable ? olivine_enable_compile() : olivine_disable_compile())
}
