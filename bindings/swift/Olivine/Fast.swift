// Attention, and kernels from source; the other fused operations are generated.
import COlivine

public enum MLXFast {
  public enum ScaledDotProductAttentionMaskMode {
    case none
    case array(NDArray)
    @available(*, deprecated, message: "Use .array.")
    case arrays([NDArray])
    case causal

    public var mask: NDArray? {
      switch self {
      case .array(let mask): return mask
      case .arrays(let masks): return masks.first
      case .none, .causal: return nil
      }
    }
    /// As C names it.
    public var mode: String {
      switch self {
      case .causal: return "causal"
      case .none: return ""
      case .array, .arrays: return "array"
      }
    }
  }

  /// `softmax(queries keys^T scale + mask) values`, head by head.
  public static func scaledDotProductAttention(
    queries: NDArray, keys: NDArray, values: NDArray, scale: Float, mask: NDArray?,
    sinks: NDArray? = nil, memoryEfficientThreshold: Int? = nil, stream: StreamOrDevice = .default
  ) -> NDArray {
    let mode = mask.map { ScaledDotProductAttentionMaskMode.array($0) } ?? .none
    return scaledDotProductAttention(
      queries: queries, keys: keys, values: values, scale: scale, mask: mode, sinks: sinks,
      stream: stream)
  }

  /// `softmax(queries keys^T scale + mask) values`, head by head.
  public static func scaledDotProductAttention(
    queries: NDArray, keys: NDArray, values: NDArray, scale: Float,
    mask: ScaledDotProductAttentionMaskMode, sinks: NDArray? = nil,
    stream: StreamOrDevice = .default
  ) -> NDArray {
    made { r in
      olivine_fast_scaled_dot_product_attention(
        r, queries.ctx, keys.ctx, values.ctx, scale, mask.mode, mask.mask.handle, sinks.handle,
        stream.ctx)
    }
  }
}

/// `softmax(queries keys^T scale + mask) values`, head by head.
public func scaledDotProductAttention(
  queries: NDArray, keys: NDArray, values: NDArray, scale: Float, mask: NDArray?,
  memoryEfficientThreshold: Int? = nil, stream: StreamOrDevice = .default
) -> NDArray {
  MLXFast.scaledDotProductAttention(
    queries: queries, keys: keys, values: values, scale: scale, mask: mask,
    memoryEfficientThreshold: memoryEfficientThreshold, stream: stream)
}
