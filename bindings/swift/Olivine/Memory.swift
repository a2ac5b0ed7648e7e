// How much memory arrays take, and limits on it.
import COlivine

public enum Memory {
  public struct Snapshot: CustomStringConvertible, Codable, Sendable {
    /// Bytes of the arrays that exist.
    public var activeMemory: Int
    /// Bytes that are kept for arrays to come.
    public var cacheMemory: Int
    /// The largest activeMemory so far.
    public var peakMemory: Int

    /// What has changed until another snapshot.
    public func delta(_ other: Snapshot) -> Snapshot {
      Snapshot(
        activeMemory: other.activeMemory - activeMemory,
        cacheMemory: other.cacheMemory - cacheMemory, peakMemory: other.peakMemory - peakMemory)
    }

    public var description: String {
      let rows = [("active", activeMemory), ("cache", cacheMemory), ("peak", peakMemory)]
      return rows.map { name, bytes in "\(name): \(bytes / 1024) KiB" }.joined(separator: ", ")
    }
  }

  public static var activeMemory: Int { read(olivine_get_active_memory) }
  public static var cacheMemory: Int { read(olivine_get_cache_memory) }
  /// Setting it, to whatever value, makes the peak start over.
  public static var peakMemory: Int {
    get { read(olivine_get_peak_memory) }
    set { checked(olivine_reset_peak_memory()) }
  }
  /// Bytes of the buffers below these arrays, each counted once; computes the arrays.
  public static func bufferSize(of arrays: some Collection<NDArray>) -> Int {
    withVector(arrays) { arrays in read { r in olivine_get_array_buffer_size(r, arrays) } }
  }

  public static func snapshot() -> Snapshot {
    Snapshot(activeMemory: activeMemory, cacheMemory: cacheMemory, peakMemory: peakMemory)
  }

  /// Bytes that may be kept for arrays to come.
  public static var cacheLimit: Int {
    get {
      // C tells the limit when it sets one.
      let limit = exchange(0, olivine_set_cache_limit)
      _ = exchange(limit, olivine_set_cache_limit)
      return limit
    }
    set { _ = exchange(newValue, olivine_set_cache_limit) }
  }
  public static var memoryLimit: Int {
    get { read(olivine_get_memory_limit) }
    set { _ = exchange(newValue, olivine_set_memory_limit) }
  }

  /// Runs `body` with a limit on wired memory, where the device has such memory.
  @available(*, deprecated, message: "Use WiredMemoryTicket.withWiredLimit.")
  public static func withWiredLimit<R>(_ limit: Int, _ body: () throws -> R) rethrows -> R {
    let old = exchange(limit, olivine_set_wired_limit)
    defer { _ = exchange(old, olivine_set_wired_limit) }
    return try body()
  }

  /// Runs `body` with a limit on wired memory, where the device has such memory.
  @available(*, deprecated, message: "Use WiredMemoryTicket.withWiredLimit.")
  nonisolated(nonsending) public static func withWiredLimit<R>(
    _ limit: Int, _ body: () async throws -> R
  ) async rethrows -> R {
    let old = exchange(limit, olivine_set_wired_limit)
    defer { _ = exchange(old, olivine_set_wired_limit) }
    return try await body()
  }

  /// Gives back what is kept for arrays to come.
  public static func clearCache() { checked(olivine_clear_cache()) }

  static func read(_ get: (UnsafeMutablePointer<Int>) -> Int32) -> Int {
    var bytes = 0
    checked(get(&bytes))
    return bytes
  }

  /// Sets a limit and returns the one before.
  static func exchange(_ limit: Int, _ set: (UnsafeMutablePointer<Int>, Int) -> Int32) -> Int {
    var old = 0
    checked(set(&old, limit))
    return old
  }
}
