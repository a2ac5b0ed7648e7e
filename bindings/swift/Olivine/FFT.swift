// Fourier transforms along several axes; those along one are generated.
import COlivine

/// Where 1 / n goes in Fourier transforms: to the inverse, as 1 / sqrt(n) to both, to the forward.
public enum FFTNorm: Hashable, Sendable {
  case backward, ortho, forward

  var code: olivine_fft_norm {
    switch self {
    case .backward: return OLIVINE_FFT_NORM_BACKWARD
    case .ortho: return OLIVINE_FFT_NORM_ORTHO
    case .forward: return OLIVINE_FFT_NORM_FORWARD
    }
  }
}

public enum MLXFFT {
  /// The transform along two axes, cut or padded to the sizes s.
  public static func fft2(
    _ array: NDArray, s: (some Collection<Int>)? = [Int]?.none,
    axes: (some Collection<Int>)? = [-2, -1], stream: StreamOrDevice = .default
  ) -> NDArray {
    fft2(array, s: s, axes: axes, norm: .backward, stream: stream)
  }

  /// The transform along two axes, cut or padded to the sizes s.
  public static func fft2(
    _ array: NDArray, s: (some Collection<Int>)? = [Int]?.none,
    axes: (some Collection<Int>)? = [-2, -1], norm: FFTNorm,
    stream: StreamOrDevice = .default
  ) -> NDArray {
    over(array, s, axes, real: false) { r, sizes, axes, n in
      olivine_fft_fft2(
        r, array.ctx, sizes, n, axes, n, norm.code, stream.ctx)
    }
  }

  /// The transform along axes, cut or padded to the sizes s.
  public static func fftn(
    _ array: NDArray, s: (some Collection<Int>)? = [Int]?.none,
    axes: (some Collection<Int>)? = [Int]?.none, stream: StreamOrDevice = .default
  ) -> NDArray {
    fftn(array, s: s, axes: axes, norm: .backward, stream: stream)
  }

  /// The transform along axes, cut or padded to the sizes s.
  public static func fftn(
    _ array: NDArray, s: (some Collection<Int>)? = [Int]?.none,
    axes: (some Collection<Int>)? = [Int]?.none, norm: FFTNorm,
    stream: StreamOrDevice = .default
  ) -> NDArray {
    over(array, s, axes, real: false) { r, sizes, axes, n in
      olivine_fft_fftn(
        r, array.ctx, sizes, n, axes, n, norm.code, stream.ctx)
    }
  }

  /// The inverse transform along two axes, cut or padded to the sizes s.
  public static func ifft2(
    _ array: NDArray, s: (some Collection<Int>)? = [Int]?.none,
    axes: (some Collection<Int>)? = [-2, -1], stream: StreamOrDevice = .default
  ) -> NDArray {
    ifft2(array, s: s, axes: axes, norm: .backward, stream: stream)
  }

  /// The inverse transform along two axes, cut or padded to the sizes s.
  public static func ifft2(
    _ array: NDArray, s: (some Collection<Int>)? = [Int]?.none,
    axes: (some Collection<Int>)? = [-2, -1], norm: FFTNorm,
    stream: StreamOrDevice = .default
  ) -> NDArray {
    over(array, s, axes, real: false) { r, sizes, axes, n in
      olivine_fft_ifft2(
        r, array.ctx, sizes, n, axes, n, norm.code, stream.ctx)
    }
  }

  /// The inverse transform along axes, cut or padded to the sizes s.
  public static func ifftn(
    _ array: NDArray, s: (some Collection<Int>)? = [Int]?.none,
    axes: (some Collection<Int>)? = [Int]?.none, stream: StreamOrDevice = .default
  ) -> NDArray {
    ifftn(array, s: s, axes: axes, norm: .backward, stream: stream)
  }

  /// The inverse transform along axes, cut or padded to the sizes s.
  public static func ifftn(
    _ array: NDArray, s: (some Collection<Int>)? = [Int]?.none,
    axes: (some Collection<Int>)? = [Int]?.none, norm: FFTNorm,
    stream: StreamOrDevice = .default
  ) -> NDArray {
    over(array, s, axes, real: false) { r, sizes, axes, n in
      olivine_fft_ifftn(
        r, array.ctx, sizes, n, axes, n, norm.code, stream.ctx)
    }
  }

  /// The transform of real values along two axes, cut or padded to the sizes s.
  public static func rfft2(
    _ array: NDArray, s: (some Collection<Int>)? = [Int]?.none,
    axes: (some Collection<Int>)? = [-2, -1], stream: StreamOrDevice = .default
  ) -> NDArray {
    rfft2(array, s: s, axes: axes, norm: .backward, stream: stream)
  }

  /// The transform of real values along two axes, cut or padded to the sizes s.
  public static func rfft2(
    _ array: NDArray, s: (some Collection<Int>)? = [Int]?.none,
    axes: (some Collection<Int>)? = [-2, -1], norm: FFTNorm,
    stream: StreamOrDevice = .default
  ) -> NDArray {
    over(array, s, axes, real: false) { r, sizes, axes, n in
      olivine_fft_rfft2(
        r, array.ctx, sizes, n, axes, n, norm.code, stream.ctx)
    }
  }

  /// The transform of real values along axes, cut or padded to the sizes s.
  public static func rfftn(
    _ array: NDArray, s: (some Collection<Int>)? = [Int]?.none,
    axes: (some Collection<Int>)? = [Int]?.none, stream: StreamOrDevice = .default
  ) -> NDArray {
    rfftn(array, s: s, axes: axes, norm: .backward, stream: stream)
  }

  /// The transform of real values along axes, cut or padded to the sizes s.
  public static func rfftn(
    _ array: NDArray, s: (some Collection<Int>)? = [Int]?.none,
    axes: (some Collection<Int>)? = [Int]?.none, norm: FFTNorm,
    stream: StreamOrDevice = .default
  ) -> NDArray {
    over(array, s, axes, real: false) { r, sizes, axes, n in
      olivine_fft_rfftn(
        r, array.ctx, sizes, n, axes, n, norm.code, stream.ctx)
    }
  }

  /// The inverse of the transform of real values along two axes, cut or padded to the sizes s.
  public static func irfft2(
    _ array: NDArray, s: (some Collection<Int>)? = [Int]?.none,
    axes: (some Collection<Int>)? = [-2, -1], stream: StreamOrDevice = .default
  ) -> NDArray {
    irfft2(array, s: s, axes: axes, norm: .backward, stream: stream)
  }

  /// The inverse of the transform of real values along two axes, cut or padded to the sizes s.
  public static func irfft2(
    _ array: NDArray, s: (some Collection<Int>)? = [Int]?.none,
    axes: (some Collection<Int>)? = [-2, -1], norm: FFTNorm,
    stream: StreamOrDevice = .default
  ) -> NDArray {
    over(array, s, axes, real: true) { r, sizes, axes, n in
      olivine_fft_irfft2(
        r, array.ctx, sizes, n, axes, n, norm.code, stream.ctx)
    }
  }

  /// The inverse of the transform of real values along axes, cut or padded to the sizes s.
  public static func irfftn(
    _ array: NDArray, s: (some Collection<Int>)? = [Int]?.none,
    axes: (some Collection<Int>)? = [Int]?.none, stream: StreamOrDevice = .default
  ) -> NDArray {
    irfftn(array, s: s, axes: axes, norm: .backward, stream: stream)
  }

  /// The inverse of the transform of real values along axes, cut or padded to the sizes s.
  public static func irfftn(
    _ array: NDArray, s: (some Collection<Int>)? = [Int]?.none,
    axes: (some Collection<Int>)? = [Int]?.none, norm: FFTNorm,
    stream: StreamOrDevice = .default
  ) -> NDArray {
    over(array, s, axes, real: true) { r, sizes, axes, n in
      olivine_fft_irfftn(
        r, array.ctx, sizes, n, axes, n, norm.code, stream.ctx)
    }
  }

  /// Frequency zero moved to the centre of the axes; of all without axes.
  public static func fftshift(
    _ array: NDArray, axes: [Int]? = nil, stream: StreamOrDevice = .default
  ) -> NDArray {
    let axes = axes ?? Array(0..<array.ndim)
    return made { r in axes.withInts { olivine_fft_fftshift(r, array.ctx, $0, $1, stream.ctx) } }
  }

  /// What undoes `fftshift`.
  public static func ifftshift(
    _ array: NDArray, axes: [Int]? = nil, stream: StreamOrDevice = .default
  ) -> NDArray {
    let axes = axes ?? Array(0..<array.ndim)
    return made { r in axes.withInts { olivine_fft_ifftshift(r, array.ctx, $0, $1, stream.ctx) } }
  }
}

/// The length of a transform: the one given, or that of the axis.
func length(_ n: Int?, _ array: NDArray, _ axis: Int) -> Int32 { (n ?? array.dim(axis)).c }

/// The length of the real result whose transform the axis holds one half of.
func realLength(_ n: Int?, _ array: NDArray, _ axis: Int) -> Int32 {
  (n ?? 2 * (array.dim(axis) - 1)).c
}

private func over(
  _ array: NDArray, _ s: (some Collection<Int>)?, _ axes: (some Collection<Int>)?, real: Bool,
  _ body: (UnsafeMutablePointer<olivine_array>, UnsafePointer<Int32>, UnsafePointer<Int32>, Int) ->
    Int32
) -> NDArray {
  let last = s?.count ?? array.ndim
  let axes = axes.map { Array($0) } ?? Array(-last..<0)
  var sizes = s.map { Array($0) } ?? axes.map { array.dim($0) }
  if real, s == nil, let half = sizes.last { sizes[sizes.count - 1] = 2 * (half - 1) }
  guard sizes.count == axes.count else {
    report("[fft] expected as many sizes as axes; got \(sizes.count) and \(axes.count)")
    return NDArray(olivine_array())
  }
  return made { r in
    sizes.withInts { sizes, n in axes.withInts { axes, _ in body(r, sizes, axes, n) } }
  }
}

/// The transform along two axes, cut or padded to the sizes s.
public func fft2(
  _ array: NDArray, s: (some Collection<Int>)? = [Int]?.none,
  axes: (some Collection<Int>)? = [-2, -1], stream: StreamOrDevice = .default
) -> NDArray {
  MLXFFT.fft2(array, s: s, axes: axes, stream: stream)
}

/// The transform along two axes, cut or padded to the sizes s.
public func fft2(
  _ array: NDArray, s: (some Collection<Int>)? = [Int]?.none,
  axes: (some Collection<Int>)? = [-2, -1], norm: FFTNorm,
  stream: StreamOrDevice = .default
) -> NDArray {
  MLXFFT.fft2(array, s: s, axes: axes, norm: norm, stream: stream)
}

/// The transform along axes, cut or padded to the sizes s.
public func fftn(
  _ array: NDArray, s: (some Collection<Int>)? = [Int]?.none,
  axes: (some Collection<Int>)? = [Int]?.none, stream: StreamOrDevice = .default
) -> NDArray {
  MLXFFT.fftn(array, s: s, axes: axes, stream: stream)
}

/// The transform along axes, cut or padded to the sizes s.
public func fftn(
  _ array: NDArray, s: (some Collection<Int>)? = [Int]?.none,
  axes: (some Collection<Int>)? = [Int]?.none, norm: FFTNorm,
  stream: StreamOrDevice = .default
) -> NDArray {
  MLXFFT.fftn(array, s: s, axes: axes, norm: norm, stream: stream)
}

/// The inverse transform along two axes, cut or padded to the sizes s.
public func ifft2(
  _ array: NDArray, s: (some Collection<Int>)? = [Int]?.none,
  axes: (some Collection<Int>)? = [-2, -1], stream: StreamOrDevice = .default
) -> NDArray {
  MLXFFT.ifft2(array, s: s, axes: axes, stream: stream)
}

/// The inverse transform along two axes, cut or padded to the sizes s.
public func ifft2(
  _ array: NDArray, s: (some Collection<Int>)? = [Int]?.none,
  axes: (some Collection<Int>)? = [-2, -1], norm: FFTNorm,
  stream: StreamOrDevice = .default
) -> NDArray {
  MLXFFT.ifft2(array, s: s, axes: axes, norm: norm, stream: stream)
}

/// The inverse transform along axes, cut or padded to the sizes s.
public func ifftn(
  _ array: NDArray, s: (some Collection<Int>)? = [Int]?.none,
  axes: (some Collection<Int>)? = [Int]?.none, stream: StreamOrDevice = .default
) -> NDArray {
  MLXFFT.ifftn(array, s: s, axes: axes, stream: stream)
}

/// The inverse transform along axes, cut or padded to the sizes s.
public func ifftn(
  _ array: NDArray, s: (some Collection<Int>)? = [Int]?.none,
  axes: (some Collection<Int>)? = [Int]?.none, norm: FFTNorm,
  stream: StreamOrDevice = .default
) -> NDArray {
  MLXFFT.ifftn(array, s: s, axes: axes, norm: norm, stream: stream)
}

/// The transform of real values along two axes, cut or padded to the sizes s.
public func rfft2(
  _ array: NDArray, s: (some Collection<Int>)? = [Int]?.none,
  axes: (some Collection<Int>)? = [-2, -1], stream: StreamOrDevice = .default
) -> NDArray {
  MLXFFT.rfft2(array, s: s, axes: axes, stream: stream)
}

/// The transform of real values along two axes, cut or padded to the sizes s.
public func rfft2(
  _ array: NDArray, s: (some Collection<Int>)? = [Int]?.none,
  axes: (some Collection<Int>)? = [-2, -1], norm: FFTNorm,
  stream: StreamOrDevice = .default
) -> NDArray {
  MLXFFT.rfft2(array, s: s, axes: axes, norm: norm, stream: stream)
}

/// The transform of real values along axes, cut or padded to the sizes s.
public func rfftn(
  _ array: NDArray, s: (some Collection<Int>)? = [Int]?.none,
  axes: (some Collection<Int>)? = [Int]?.none, stream: StreamOrDevice = .default
) -> NDArray {
  MLXFFT.rfftn(array, s: s, axes: axes, stream: stream)
}

/// The transform of real values along axes, cut or padded to the sizes s.
public func rfftn(
  _ array: NDArray, s: (some Collection<Int>)? = [Int]?.none,
  axes: (some Collection<Int>)? = [Int]?.none, norm: FFTNorm,
  stream: StreamOrDevice = .default
) -> NDArray {
  MLXFFT.rfftn(array, s: s, axes: axes, norm: norm, stream: stream)
}

/// The inverse of the transform of real values along two axes, cut or padded to the sizes s.
public func irfft2(
  _ array: NDArray, s: (some Collection<Int>)? = [Int]?.none,
  axes: (some Collection<Int>)? = [-2, -1], stream: StreamOrDevice = .default
) -> NDArray {
  MLXFFT.irfft2(array, s: s, axes: axes, stream: stream)
}

/// The inverse of the transform of real values along two axes, cut or padded to the sizes s.
public func irfft2(
  _ array: NDArray, s: (some Collection<Int>)? = [Int]?.none,
  axes: (some Collection<Int>)? = [-2, -1], norm: FFTNorm,
  stream: StreamOrDevice = .default
) -> NDArray {
  MLXFFT.irfft2(array, s: s, axes: axes, norm: norm, stream: stream)
}

/// The inverse of the transform of real values along axes, cut or padded to the sizes s.
public func irfftn(
  _ array: NDArray, s: (some Collection<Int>)? = [Int]?.none,
  axes: (some Collection<Int>)? = [Int]?.none, stream: StreamOrDevice = .default
) -> NDArray {
  MLXFFT.irfftn(array, s: s, axes: axes, stream: stream)
}

/// The inverse of the transform of real values along axes, cut or padded to the sizes s.
public func irfftn(
  _ array: NDArray, s: (some Collection<Int>)? = [Int]?.none,
  axes: (some Collection<Int>)? = [Int]?.none, norm: FFTNorm,
  stream: StreamOrDevice = .default
) -> NDArray {
  MLXFFT.irfftn(array, s: s, axes: axes, norm: norm, stream: stream)
}

/// Frequency zero moved to the centre of the axes; of all without axes.
public func fftshift(_ array: NDArray, axes: [Int]? = nil, stream: StreamOrDevice = .default)
  -> NDArray
{
  MLXFFT.fftshift(array, axes: axes, stream: stream)
}

/// What undoes `fftshift`.
public func ifftshift(_ array: NDArray, axes: [Int]? = nil, stream: StreamOrDevice = .default)
  -> NDArray
{
  MLXFFT.ifftshift(array, axes: axes, stream: stream)
}
