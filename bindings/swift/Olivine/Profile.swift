// Where a program's time and memory go.
import COlivine
import Foundation

/// What was recorded of all threads of the process. Printed, it is a table.
public final class Profile: CustomStringConvertible {
  /// What a table adds up; a fused region is one op.
  public enum Rows: String, Sendable {
    case op, kernel, shape, line, layer, stream
  }

  private var ctx = olivine_profile()
  private var totals = olivine_profile_totals()

  fileprivate init() {
    checked(olivine_profile_stop(&ctx))
    if ctx.ctx != nil { checked(olivine_profile_get_totals(&totals, ctx)) }
  }
  deinit { olivine_profile_free(ctx) }

  /// Seconds from begin to end.
  public var wall: Double { totals.wall }
  /// The share of them whose cause is known.
  public var attributed: Double { totals.attributed }
  /// Floating-point operations of all steps, by formulas of their shapes.
  public var flops: Double { totals.flops }
  /// Bytes that all steps read and wrote, each operand once.
  public var bytes: Double { totals.bytes }
  /// The most bytes of live arrays.
  public var peakMemory: Int { totals.peak_memory }
  /// Events beyond the limit, which are missing in tables and traces.
  public var dropped: Int { totals.dropped }

  /// Phases of the thread that began, then the longest rows with their rates and the share of what
  /// the machine can do, which is measured when it is first asked for.
  public func table(by rows: Rows = .op, count: Int = 15) -> String {
    string { r in olivine_profile_table(r, ctx, rows.rawValue, count) }
  }
  public var description: String { table() }
  /// All figures and all rows.
  public var json: String { string { r in olivine_profile_json(r, ctx) } }
  /// Writes a trace for https://ui.perfetto.dev and chrome://tracing.
  public func saveTrace(to url: URL) throws {
    try withError { checked(olivine_profile_save_trace(ctx, url.path)) }
  }
}

/// Begins to record, until ``stopProfile()``. One profile runs at a time.
///
/// What comes after `maxEvents` events, of 48 bytes each, is counted alone.
public func startProfile(maxEvents: Int = 10_000_000) {
  checked(olivine_profile_start(maxEvents))
}

/// Ends what ``startProfile(maxEvents:)`` began.
public func stopProfile() -> Profile { Profile() }

/// What `body` does, and what it returns.
public func profile<R>(
  maxEvents: Int = 10_000_000, _ body: () throws -> R
) rethrows -> (R, Profile) {
  startProfile(maxEvents: maxEvents)
  do {
    let result = try body()
    return (result, stopProfile())
  } catch {
    _ = stopProfile()
    throw error
  }
}
