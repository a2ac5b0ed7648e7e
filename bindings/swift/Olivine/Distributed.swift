// Operations among processes that work together.
import COlivine
import Foundation

/// Processes that work together.
public final class DistributedGroup: @unchecked Sendable {
  let ctx: olivine_distributed_group

  private init(_ ctx: olivine_distributed_group) { self.ctx = ctx }
  deinit { olivine_distributed_group_free(ctx) }

  /// All processes that were started together: without a transport a group of one, or, if `strict`,
  /// an error.
  public convenience init(strict: Bool = false, backend: String = "any") {
    var handle = olivine_distributed_group()
    checked(olivine_distributed_init(&handle, strict, backend))
    self.init(handle)
  }

  public var rank: Int { Int(olivine_distributed_group_rank(ctx)) }
  public var size: Int { Int(olivine_distributed_group_size(ctx)) }

  /// The part of the group that gives the same color, ordered by key.
  public func split(color: Int, key: Int = -1) -> DistributedGroup {
    var handle = olivine_distributed_group()
    checked(olivine_distributed_group_split(&handle, ctx, color.c, key.c))
    return DistributedGroup(handle)
  }
}

/// Without a group they are among all processes that were started together.
public enum Distributed {
  public static func isAvailable(backend: String = "any") -> Bool {
    olivine_distributed_is_available(backend)
  }

  /// The elementwise sum over the group.
  public static func allSum(
    _ x: NDArray, group: DistributedGroup? = nil, stream: StreamOrDevice = .default
  ) -> NDArray {
    made { r in olivine_distributed_all_sum(r, x.ctx, group.handle, stream.ctx) }
  }

  /// The elementwise maximum over the group.
  public static func allMax(
    _ x: NDArray, group: DistributedGroup? = nil, stream: StreamOrDevice = .default
  ) -> NDArray {
    made { r in olivine_distributed_all_max(r, x.ctx, group.handle, stream.ctx) }
  }

  /// The elementwise minimum over the group.
  public static func allMin(
    _ x: NDArray, group: DistributedGroup? = nil, stream: StreamOrDevice = .default
  ) -> NDArray {
    made { r in olivine_distributed_all_min(r, x.ctx, group.handle, stream.ctx) }
  }

  /// Everybody's array, joined along the first axis.
  public static func allGather(
    _ x: NDArray, group: DistributedGroup? = nil, stream: StreamOrDevice = .default
  ) -> NDArray {
    made { r in olivine_distributed_all_gather(r, x.ctx, group.handle, stream.ctx) }
  }

  /// The sum over the group, of which each process gets one equal part of the first axis.
  public static func sumScatter(
    _ x: NDArray, group: DistributedGroup? = nil, stream: StreamOrDevice = .default
  ) -> NDArray {
    made { r in olivine_distributed_sum_scatter(r, x.ctx, group.handle, stream.ctx) }
  }

  /// Sends an array to another process of the group, and gives it back.
  public static func send(
    _ x: NDArray, to destination: Int, group: DistributedGroup? = nil,
    stream: StreamOrDevice = .default
  ) -> NDArray {
    made { r in olivine_distributed_send(r, x.ctx, destination.c, group.handle, stream.ctx) }
  }

  /// The array that another process of the group sends.
  public static func receive(
    shape: some Collection<Int>, dtype: DType, from source: Int, group: DistributedGroup? = nil,
    stream: StreamOrDevice = .default
  ) -> NDArray {
    made { r in
      shape.withInts { shape, count in
        olivine_distributed_recv(
          r, shape, count, dtype.cmlxDtype, source.c, group.handle, stream.ctx)
      }
    }
  }

  /// The array, like another one, that another process of the group sends.
  public static func receive(
    like x: NDArray, from source: Int, group: DistributedGroup? = nil,
    stream: StreamOrDevice = .default
  ) -> NDArray {
    made { r in olivine_distributed_recv_like(r, x.ctx, source.c, group.handle, stream.ctx) }
  }
}

extension Optional where Wrapped == DistributedGroup {
  fileprivate var handle: olivine_distributed_group { self?.ctx ?? olivine_distributed_group() }
}
