// Norms and singular values; the other functions of linear algebra are generated.
import COlivine

public enum MLXLinalg {
  public enum NormKind: String, Sendable {
    /// The root of the sum of squares.
    case fro
    /// The sum of the singular values.
    case nuc
  }

  /// A norm over axes: of vectors for one, of matrices for two.
  public static func norm(
    _ array: NDArray, ord: NormKind? = nil, axes: some Collection<Int>, keepDims: Bool = false,
    stream: StreamOrDevice = .default
  ) -> NDArray {
    made { r in
      axes.withInts { axes, n in
        if let ord {
          return olivine_linalg_norm_matrix(
            r, array.ctx, ord.rawValue, axes, n, keepDims, stream.ctx)
        }
        return olivine_linalg_norm_l2(r, array.ctx, axes, n, keepDims, stream.ctx)
      }
    }
  }

  /// A norm over axes: of vectors for one, of matrices for two.
  public static func norm(
    _ array: NDArray, ord: Double, axes: some Collection<Int>, keepDims: Bool = false,
    stream: StreamOrDevice = .default
  ) -> NDArray {
    made { r in
      axes.withInts { axes, n in
        olivine_linalg_norm(r, array.ctx, ord, axes, n, keepDims, stream.ctx)
      }
    }
  }

  /// A norm along an axis.
  public static func norm(
    _ array: NDArray, ord: NormKind? = nil, axis: Int, keepDims: Bool = false,
    stream: StreamOrDevice = .default
  ) -> NDArray {
    norm(array, ord: ord, axes: [axis], keepDims: keepDims, stream: stream)
  }

  /// A norm along an axis.
  public static func norm(
    _ array: NDArray, ord: Double, axis: Int, keepDims: Bool = false,
    stream: StreamOrDevice = .default
  ) -> NDArray {
    norm(array, ord: ord, axes: [axis], keepDims: keepDims, stream: stream)
  }

  /// A norm over axes; of all elements without them.
  public static func norm(
    _ array: NDArray, ord: NormKind? = nil, axis: IntOrArray? = nil, keepDims: Bool = false,
    stream: StreamOrDevice = .default
  ) -> NDArray {
    if let axis {
      return norm(array, ord: ord, axes: axis.asArray, keepDims: keepDims, stream: stream)
    }
    return made { r in
      if let ord {
        return olivine_linalg_norm_matrix(r, array.ctx, ord.rawValue, nil, 0, keepDims, stream.ctx)
      }
      return olivine_linalg_norm_l2(r, array.ctx, nil, 0, keepDims, stream.ctx)
    }
  }

  /// A norm over axes; of all elements without them.
  public static func norm(
    _ array: NDArray, ord: Double, axis: IntOrArray? = nil, keepDims: Bool = false,
    stream: StreamOrDevice = .default
  ) -> NDArray {
    if let axis {
      return norm(array, ord: ord, axes: axis.asArray, keepDims: keepDims, stream: stream)
    }
    return made { r in olivine_linalg_norm(r, array.ctx, ord, nil, 0, keepDims, stream.ctx) }
  }

  /// U, S and the adjoint of V, whose product is the matrix.
  public static func svd(
    _ array: NDArray, stream: StreamOrDevice = .default
  ) -> (NDArray, NDArray, NDArray) {
    unpacked3 { r in olivine_linalg_svd(r, array.ctx, true, stream.ctx) }
  }

  /// The singular values.
  public static func svd(_ array: NDArray, stream: StreamOrDevice = .default) -> NDArray {
    at(madeVector { r in olivine_linalg_svd(r, array.ctx, false, stream.ctx) }, 0)
  }
}

/// A norm over axes: of vectors for one, of matrices for two.
public func norm(
  _ array: NDArray, ord: MLXLinalg.NormKind? = nil, axes: some Collection<Int>,
  keepDims: Bool = false,
  stream: StreamOrDevice = .default
) -> NDArray {
  MLXLinalg.norm(array, ord: ord, axes: axes, keepDims: keepDims, stream: stream)
}

/// A norm over axes: of vectors for one, of matrices for two.
public func norm(
  _ array: NDArray, ord: Double, axes: some Collection<Int>, keepDims: Bool = false,
  stream: StreamOrDevice = .default
) -> NDArray {
  MLXLinalg.norm(array, ord: ord, axes: axes, keepDims: keepDims, stream: stream)
}

/// A norm along an axis.
public func norm(
  _ array: NDArray, ord: MLXLinalg.NormKind? = nil, axis: Int, keepDims: Bool = false,
  stream: StreamOrDevice = .default
) -> NDArray {
  MLXLinalg.norm(array, ord: ord, axes: [axis], keepDims: keepDims, stream: stream)
}

/// A norm along an axis.
public func norm(
  _ array: NDArray, ord: Double, axis: Int, keepDims: Bool = false,
  stream: StreamOrDevice = .default
) -> NDArray {
  MLXLinalg.norm(array, ord: ord, axes: [axis], keepDims: keepDims, stream: stream)
}

/// A norm over axes; of all elements without them.
public func norm(
  _ array: NDArray, ord: MLXLinalg.NormKind? = nil, axis: IntOrArray? = nil, keepDims: Bool = false,
  stream: StreamOrDevice = .default
) -> NDArray {
  MLXLinalg.norm(array, ord: ord, axis: axis, keepDims: keepDims, stream: stream)
}

/// A norm over axes; of all elements without them.
public func norm(
  _ array: NDArray, ord: Double, axis: IntOrArray? = nil, keepDims: Bool = false,
  stream: StreamOrDevice = .default
) -> NDArray {
  MLXLinalg.norm(array, ord: ord, axis: axis, keepDims: keepDims, stream: stream)
}

/// U, S and the adjoint of V, whose product is the matrix.
public func svd(
  _ array: NDArray, stream: StreamOrDevice = .default
) -> (NDArray, NDArray, NDArray) {
  MLXLinalg.svd(array, stream: stream)
}
