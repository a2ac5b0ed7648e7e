// The state that random functions draw their keys from.
import COlivine
import Foundation

/// A key, or a state that gives keys.
public protocol RandomStateOrKey {
  func asRandomKey() -> NDArray
}

extension NDArray: RandomStateOrKey {
  public func asRandomKey() -> NDArray { self }
}

extension MLXRandom {
  /// A key that is split for each use. It can be an input and output of a compiled function.
  public class RandomState: RandomStateOrKey, Updatable, Evaluatable, @unchecked (Sendable) {
    private let lock = NSLock()
    private let state: NDArray

    /// A state of the time.
    public init() {
      state = MLXRandom.key(UInt64(Date().timeIntervalSince1970 * 1e6))
    }
    public init(seed: UInt64) { state = MLXRandom.key(seed) }

    public func innerState() -> [NDArray] { [state] }

    /// A new key.
    public func next() -> NDArray {
      lock.withLock {
        let (rest, key) = MLXRandom.split(key: state)
        state._updateInternal(rest)
        return key
      }
    }
    public func seed(_ seed: UInt64) {
      let key = MLXRandom.key(seed)
      lock.withLock { state._updateInternal(key) }
    }
    public func asRandomKey() -> NDArray { next() }
  }

  public static let globalState = RandomState()
}

private enum RandomTask {
  @TaskLocal static var state: MLXRandom.RandomState?
}

/// The key given, or one of the state of the task or of the program.
public func resolve(key: (some RandomStateOrKey)? = MLXArray?.none) -> NDArray {
  key?.asRandomKey() ?? (RandomTask.state ?? MLXRandom.globalState).asRandomKey()
}

/// Draws the keys of `body` from a state.
public func withRandomState<R>(
  _ state: MLXRandom.RandomState, body: () throws -> R
) rethrows -> R {
  try RandomTask.$state.withValue(state, operation: body)
}

/// Draws the keys of `body` from a state.
nonisolated(nonsending) public func withRandomState<R>(
  _ state: MLXRandom.RandomState, body: () async throws -> R
) async rethrows -> R {
  try await RandomTask.$state.withValue(state, operation: body)
}
