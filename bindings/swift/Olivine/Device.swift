// Devices, and the one that work goes to.
import COlivine

public enum DeviceType: String, Hashable, Sendable {
  case cpu
  case gpu
}

public final class Device: @unchecked Sendable, Equatable {
  let ctx: olivine_device

  init(handle: olivine_device) { ctx = handle }
  public init(_ deviceType: DeviceType, index: Int32 = 0) {
    ctx = olivine_device_new_type(deviceType == .cpu ? OLIVINE_CPU : OLIVINE_GPU, index)
  }
  /// The default device.
  @available(*, deprecated, message: "Use Device.defaultDevice().")
  public convenience init() { self.init(handle: currentDevice()) }
  deinit { olivine_device_free(ctx) }

  public static let cpu: Device = Device(.cpu)
  public static let gpu: Device = Device(.gpu)

  public var deviceType: DeviceType? {
    var type = OLIVINE_CPU
    guard olivine_device_get_type(&type, ctx) == 0 else { return nil }
    return type == OLIVINE_CPU ? .cpu : .gpu
  }

  /// The device of ``withDefaultDevice(_:_:)-(_,()->R)`` or else that of the program.
  public static func defaultDevice() -> Device {
    if let stream = StreamState.stream { return stream.device }
    return Device(handle: currentDevice())
  }

  /// Sends the work of `body` that names no stream to a device.
  public static func withDefaultDevice<R>(_ device: Device, _ body: () throws -> R) rethrows -> R {
    try StreamState.$stream.withValue(Stream.defaultStream(device), operation: body)
  }

  /// Sends the work of `body` that names no stream to a device.
  nonisolated(nonsending) public static func withDefaultDevice<R>(
    _ device: Device, _ body: () async throws -> R
  ) async rethrows -> R {
    try await StreamState.$stream.withValue(Stream.defaultStream(device), operation: body)
  }

  /// Sets the device of the program; nil for the one it starts with.
  @available(*, deprecated, message: "Use withDefaultDevice.")
  public static func setDefault(device: Device?) {
    if let device {
      checked(olivine_set_default_device(device.ctx))
    } else {
      checked(olivine_set_default_device(startingDevice.ctx))
    }
  }

  /// Whether this build and this machine have the device.
  public var isAvailable: Bool {
    var available = false
    checked(olivine_device_is_available(&available, ctx))
    return available
  }

  /// How many devices of a type there are.
  public static func count(of type: DeviceType) -> Int {
    var count: Int32 = 0
    checked(olivine_device_count(&count, type == .cpu ? OLIVINE_CPU : OLIVINE_GPU))
    return Int(count)
  }

  public static func == (lhs: Device, rhs: Device) -> Bool {
    olivine_device_equal(lhs.ctx, rhs.ctx)
  }
}

private func currentDevice() -> olivine_device {
  var handle = olivine_device()
  checked(olivine_get_default_device(&handle))
  return handle
}

private let startingDevice: Device = Device.gpu.isAvailable ? .gpu : .cpu

extension Device: CustomStringConvertible {
  public var description: String { string { r in olivine_device_tostring(r, ctx) } }
}

@available(*, deprecated, message: "Use Device.withDefaultDevice.")
public func using<R>(device: Device, fn: () throws -> R) rethrows -> R {
  try Device.withDefaultDevice(device, fn)
}
