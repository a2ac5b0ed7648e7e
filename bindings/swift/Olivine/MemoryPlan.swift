// What a call of a compiled function takes of memory, told before it runs.
import COlivine

/// Bytes of one call, as `Memory.peakMemory` counts them.
public struct MemoryPlan: CustomStringConvertible, Sendable {
  /// The most that is active at once.
  public let peak: Int
  /// All arguments.
  public let arguments: Int
  /// Of these, what the caller gives up.
  public let donated: Int
  /// Arrays that the function captured.
  public let constants: Int
  /// Results, beyond the memory that they take over from donated arguments.
  public let results: Int
  public let temporaries: Int
  /// The most that a kernel takes for itself.
  public let workspace: Int
  /// Steps that compute a value again to stay within the memory limit.
  public let recomputed: Int
  /// A table, with the largest values at the peak.
  public let description: String
  /// Memory over the steps.
  public let svg: String
}

/// The plan of `f`, compiled within `memoryLimit` bytes (0: any), for arguments of these shapes.
/// Nothing of the call is computed or allocated. `donated`: positions of arguments that the caller
/// keeps no reference to.
public func memoryPlan(
  memoryLimit: Int = 0, donated: [Int] = [], _ arguments: [NDArray],
  _ f: @escaping ([NDArray]) -> [NDArray]
) -> MemoryPlan {
  let closure = Closure(f)
  var compiled = olivine_closure()
  defer { olivine_closure_free(compiled) }
  let positions = donated.map { Int32($0) }
  checked(
    olivine_compile_within(
      &compiled, closure.ctx, false, memoryLimit, positions, positions.count))
  var totals = olivine_memory_totals()
  return withVector(arguments) { arguments in
    checked(olivine_memory_plan(&totals, compiled, arguments))
    return MemoryPlan(
      peak: totals.peak, arguments: totals.arguments, donated: totals.donated,
      constants: totals.constants, results: totals.results, temporaries: totals.temporaries,
      workspace: totals.workspace, recomputed: totals.recomputed,
      description: string { r in olivine_memory_plan_text(r, compiled, arguments) },
      svg: string { r in olivine_memory_plan_svg(r, compiled, arguments) })
  }
}
