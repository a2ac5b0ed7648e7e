// What happens when C reports an error: a handler of the task, one of the program, or the end.
import COlivine
import Foundation

public enum MLXError: LocalizedError, Sendable, Equatable {
  case caught(String)

  public var errorDescription: String? {
    switch self {
    case .caught(let message): return message
    }
  }
}

/// The first error of a ``withError(_:)-(_)`` block.
public final class ErrorBox: @unchecked Sendable {
  private let lock = NSLock()
  private var first: Error?

  init() {}

  public internal(set) var firstError: Error? {
    get { lock.withLock { first } }
    set { lock.withLock { first = newValue } }
  }

  /// Throws the first error, if there was one; the block goes on as if it had not happened.
  public func check() throws {
    let error = lock.withLock {
      let error = first
      first = nil
      return error
    }
    if let error { throw error }
  }

  func record(_ message: String) {
    lock.withLock { first = first ?? MLXError.caught(message) }
  }
}

public typealias CErrorHandler =
  @convention(c) (UnsafePointer<CChar>?, UnsafeMutableRawPointer?) -> Void

/// Prints the message and ends the program: what happens unless a handler is set.
@available(
  *, deprecated, message: "Errors end the program by default; use withError to catch them."
)
public let fatalErrorHandler:
  @convention(c) (UnsafePointer<CChar>?, UnsafeMutableRawPointer?) -> Void = {
    message, _ in
    fatalError(message.map { String(cString: $0) } ?? "unknown error")
  }

private final class ProgramHandler: @unchecked Sendable {
  private let lock = NSLock()
  private var handler: CErrorHandler?
  private var data: UnsafeMutableRawPointer?
  private var dtor: (@convention(c) (UnsafeMutableRawPointer?) -> Void)?

  func set(
    _ handler: CErrorHandler?, _ data: UnsafeMutableRawPointer?,
    _ dtor: (@convention(c) (UnsafeMutableRawPointer?) -> Void)?
  ) {
    let old = lock.withLock {
      let old = (self.dtor, self.data)
      self.handler = handler
      self.data = data
      self.dtor = dtor
      return old
    }
    old.0?(old.1)
  }

  /// False without a handler.
  func call(_ message: String) -> Bool {
    let (handler, data) = lock.withLock { (self.handler, self.data) }
    guard let handler else { return false }
    message.withCString { handler($0, data) }
    return true
  }
}

private let programHandler = ProgramHandler()

private final class TaskHandler: Sendable {
  let call: @Sendable (String) -> Void
  init(_ call: @escaping @Sendable (String) -> Void) { self.call = call }
}

private enum ErrorState {
  // An object: optimized code of Swift 6.3 fails to bind an optional function.
  @TaskLocal static var handler: TaskHandler?
}

/// Sets what is called with every error outside of ``withError(_:)-(_)``; nil for a fatal error.
@available(*, deprecated, message: "Use withErrorHandler or withError.")
public func setErrorHandler(
  _ handler: (@convention(c) (UnsafePointer<CChar>?, UnsafeMutableRawPointer?) -> Void)?,
  data: UnsafeMutableRawPointer? = nil,
  dtor: (@convention(c) (UnsafeMutableRawPointer?) -> Void)? = nil
) {
  programHandler.set(handler, data, dtor)
}

/// Calls `handler` with the errors of `body`.
public func withErrorHandler<R>(
  _ handler: @escaping @Sendable (String) -> Void, _ body: () throws -> R
) rethrows -> R {
  try ErrorState.$handler.withValue(TaskHandler(handler), operation: body)
}

/// Calls `handler` with the errors of `body`.
nonisolated(nonsending) public func withErrorHandler<R>(
  _ handler: @escaping @Sendable (String) -> Void, _ body: () async throws -> R
) async rethrows -> R {
  try await ErrorState.$handler.withValue(TaskHandler(handler), operation: body)
}

/// Throws the first error of `body`, at its end.
public func withError<R>(_ body: (ErrorBox) throws -> R) throws -> R {
  let box = ErrorBox()
  let result = try withErrorHandler({ box.record($0) }, { try body(box) })
  try box.check()
  return result
}

/// Throws the first error of `body`, at its end.
public func withError<R>(_ body: () throws -> R) throws -> R {
  try withError { (_: ErrorBox) in try body() }
}

/// Throws the first error of `body`, at its end.
nonisolated(nonsending) public func withError<R>(_ body: (ErrorBox) async throws -> R) async throws
  -> R
{
  let box = ErrorBox()
  let result = try await withErrorHandler({ box.record($0) }, { try await body(box) })
  try box.check()
  return result
}

/// Throws the first error of `body`, at its end.
nonisolated(nonsending) public func withError<R>(_ body: () async throws -> R) async throws -> R {
  try await withError { (_: ErrorBox) in try await body() }
}

/// Hands an error to whoever handles it.
@inline(never)
package func report(_ message: String) {
  if let handler = ErrorState.handler {
    handler.call(message)
  } else if !programHandler.call(message) {
    fatalError(message)
  }
}

/// After a C function has returned a status that is not zero.
@inline(never)
func reportFailure(_ status: Int32) {
  if status != alreadyReported { report(lastError) }
}

var lastError: String { String(cString: olivine_last_error()) }
