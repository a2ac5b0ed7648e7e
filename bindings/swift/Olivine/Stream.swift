// Streams: queues of work on a device.
import COlivine

/// Where an operation runs: a stream, or the default stream of a device.
public struct StreamOrDevice: Sendable, CustomStringConvertible, Equatable {
  public let stream: Stream

  init(_ stream: Stream) { self.stream = stream }

  /// The stream of the task, or the default one of the default device.
  public static var `default`: StreamOrDevice {
    StreamOrDevice(StreamState.stream ?? StreamState.unset)
  }
  public static func device(_ device: Device) -> StreamOrDevice {
    StreamOrDevice(Stream.defaultStream(device))
  }
  public static let cpu = device(.cpu)
  public static let gpu = device(.gpu)
  public static func stream(_ stream: Stream) -> StreamOrDevice { StreamOrDevice(stream) }

  public var ctx: olivine_stream { stream.ctx }
  public var description: String { stream.description }
}

public final class Stream: @unchecked Sendable, Equatable {
  let ctx: olivine_stream

  init(_ ctx: olivine_stream) { self.ctx = ctx }
  deinit { olivine_stream_free(ctx) }

  public static let gpu = Stream(olivine_default_gpu_stream_new())
  public static let cpu = Stream(olivine_default_cpu_stream_new())

  /// Sends the work of `body` that names no stream to a new one.
  public static func withNewDefaultStream<R>(
    device: Device? = nil, _ body: () throws -> R
  ) rethrows -> R {
    let stream = Stream(device ?? Device.defaultDevice())
    return try StreamState.$stream.withValue(stream, operation: body)
  }

  /// Sends the work of `body` that names no stream to a new one.
  nonisolated(nonsending) public static func withNewDefaultStream<R>(
    device: Device? = nil, _ body: () async throws -> R
  ) async rethrows -> R {
    let stream = Stream(device ?? Device.defaultDevice())
    return try await StreamState.$stream.withValue(stream, operation: body)
  }

  /// A new stream of the default device.
  public convenience init() { self.init(Device.defaultDevice()) }
  @available(*, deprecated, message: "Use init(_ device:).")
  public convenience init(index: Int32, _ device: Device) { self.init(device) }
  /// A new stream of a device.
  public init(_ device: Device) { ctx = olivine_stream_new_device(device.ctx) }

  /// Waits until the work sent so far is done.
  public func synchronize() {
    let stream = resolved
    checked(olivine_synchronize(stream.ctx))
  }

  /// Waits until the work of all streams is done.
  public static func clearStreams() { checked(olivine_clear_streams()) }

  public static func defaultStream(_ device: Device) -> Stream {
    var handle = olivine_stream()
    checked(olivine_get_default_stream(&handle, device.ctx))
    return Stream(handle)
  }

  public static func == (lhs: Stream, rhs: Stream) -> Bool {
    let (left, right) = (lhs.resolved, rhs.resolved)
    return olivine_stream_equal(left.ctx, right.ctx)
  }

  var device: Device {
    let stream = resolved
    var handle = olivine_device()
    checked(olivine_stream_get_device(&handle, stream.ctx))
    return Device(handle: handle)
  }

  /// An empty handle means the default stream of the moment.
  fileprivate var resolved: Stream { ctx.ctx == nil ? StreamState.programDefault() : self }
}

extension Stream: CustomStringConvertible {
  public var description: String {
    let stream = resolved
    return string { r in olivine_stream_tostring(r, stream.ctx) }
  }
}

enum StreamState {
  @TaskLocal static var stream: Stream?
  /// Leaves the choice to C.
  static let unset = Stream(olivine_stream())

  static func programDefault() -> Stream {
    var device = olivine_device()
    checked(olivine_get_default_device(&device))
    return Stream.defaultStream(Device(handle: device))
  }
}
