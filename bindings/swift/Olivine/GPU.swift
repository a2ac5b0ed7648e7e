// What mlx-swift programs ask of the GPU; its memory functions are those of Memory.
import COlivine
import Foundation

public enum GPU {
  public typealias Snapshot = Memory.Snapshot

  @available(*, deprecated, renamed: "Memory.activeMemory")
  public static var activeMemory: Int { Memory.activeMemory }
  @available(*, deprecated, renamed: "Memory.cacheMemory")
  public static var cacheMemory: Int { Memory.cacheMemory }
  @available(*, deprecated, renamed: "Memory.peakMemory")
  public static var peakMemory: Int { Memory.peakMemory }
  @available(*, deprecated, renamed: "Memory.snapshot")
  public static func snapshot() -> Snapshot { Memory.snapshot() }
  @available(*, deprecated, renamed: "Memory.cacheLimit")
  public static var cacheLimit: Int { Memory.cacheLimit }
  @available(*, deprecated, renamed: "Memory.cacheLimit")
  public static func set(cacheLimit: Int) { Memory.cacheLimit = cacheLimit }
  @available(*, deprecated, renamed: "Memory.memoryLimit")
  public static var memoryLimit: Int { Memory.memoryLimit }
  @available(*, deprecated, renamed: "Memory.memoryLimit")
  public static func set(memoryLimit: Int, relaxed: Bool = true) {
    Memory.memoryLimit = memoryLimit
  }

  @available(*, deprecated, message: "Use WiredMemoryTicket.withWiredLimit.")
  public static func withWiredLimit<R>(_ limit: Int, _ body: () throws -> R) rethrows -> R {
    try Memory.withWiredLimit(limit, body)
  }
  @available(*, deprecated, message: "Use WiredMemoryTicket.withWiredLimit.")
  nonisolated(nonsending) public static func withWiredLimit<R>(
    _ limit: Int, _ body: () async throws -> R
  ) async rethrows -> R {
    try await Memory.withWiredLimit(limit, body)
  }
  @available(*, deprecated, renamed: "Memory.clearCache")
  public static func clearCache() { Memory.clearCache() }

  /// Records what Metal does; an error on machines without Metal.
  public static func startCapture(url: URL) { checked(olivine_metal_start_capture(url.path)) }
  public static func stopCapture(url: URL) { checked(olivine_metal_stop_capture()) }
  public static func resetPeakMemory() { Memory.peakMemory = 0 }

  public struct DeviceInfo: Sendable {
    public let architecture: String
    public let maxBufferSize: Int
    public let maxRecommendedWorkingSetSize: UInt64
    public let memorySize: Int
  }

  /// Bytes that a program should use at most on the GPU; nil without one.
  public static func maxRecommendedWorkingSetBytes() -> Int? {
    guard Device.gpu.isAvailable else { return nil }
    let info = deviceInfo()
    return info.maxRecommendedWorkingSetSize > 0
      ? Int(info.maxRecommendedWorkingSetSize) : info.memorySize
  }

  /// About the default device.
  public static func deviceInfo() -> DeviceInfo {
    let device = Device.defaultDevice()
    var info = olivine_device_info()
    checked(olivine_device_info_get(&info, device.ctx))
    defer { olivine_device_info_free(info) }
    let memory = size(info, ["memory_size", "total_memory"])
    let total = memory > 0 ? memory : Int(ProcessInfo.processInfo.physicalMemory)
    let working = size(info, ["max_recommended_working_set_size"])
    let buffer = size(info, ["max_buffer_length"])
    return DeviceInfo(
      architecture: text(info, ["architecture", "device_name", "name"]),
      maxBufferSize: buffer > 0 ? buffer : total,
      maxRecommendedWorkingSetSize: UInt64(working > 0 ? working : total), memorySize: total)
  }

  private static func has(_ info: olivine_device_info, _ key: String) -> Bool {
    var exists = false
    return olivine_device_info_has_key(&exists, info, key) == 0 && exists
  }
  private static func size(_ info: olivine_device_info, _ keys: [String]) -> Int {
    for key in keys where has(info, key) {
      var value = 0
      if olivine_device_info_get_size(&value, info, key) == 0 { return value }
    }
    return 0
  }
  private static func text(_ info: olivine_device_info, _ keys: [String]) -> String {
    for key in keys where has(info, key) {
      var value: UnsafePointer<CChar>?
      if olivine_device_info_get_string(&value, info, key) == 0, let value {
        return String(cString: value)
      }
    }
    return "unknown"
  }
}

public enum CUDA {
  /// Whether work can run by CUDA, which builds for CPUs do not have.
  public static var isAvailable: Bool {
    var available = false
    checked(olivine_cuda_is_available(&available))
    return available
  }
}
