// Arrays of given values: zeros, ones, ranges, identity.
import COlivine

extension NDArray {
  /// An array of zeros.
  public static func zeros(
    _ shape: some Collection<Int>, type: (some HasDType).Type = Float.self,
    stream: StreamOrDevice = .default
  ) -> NDArray {
    zeros(shape, dtype: type.dtype, stream: stream)
  }

  /// An array of zeros.
  public static func zeros(
    _ shape: some Collection<Int>, dtype: DType, stream: StreamOrDevice = .default
  ) -> NDArray {
    made { r in shape.withInts { olivine_zeros(r, $0, $1, dtype.cmlxDtype, stream.ctx) } }
  }

  /// An array of zeros of the shape and dtype of another.
  public static func zeros(like array: NDArray, stream: StreamOrDevice = .default) -> NDArray {
    made { r in olivine_zeros_like(r, array.ctx, stream.ctx) }
  }

  /// An array of ones.
  public static func ones(
    _ shape: some Collection<Int>, type: (some HasDType).Type = Float.self,
    stream: StreamOrDevice = .default
  ) -> NDArray {
    ones(shape, dtype: type.dtype, stream: stream)
  }

  /// An array of ones.
  public static func ones(
    _ shape: some Collection<Int>, dtype: DType, stream: StreamOrDevice = .default
  ) -> NDArray {
    made { r in shape.withInts { olivine_ones(r, $0, $1, dtype.cmlxDtype, stream.ctx) } }
  }

  /// An array of ones of the shape and dtype of another.
  public static func ones(like array: NDArray, stream: StreamOrDevice = .default) -> NDArray {
    made { r in olivine_ones_like(r, array.ctx, stream.ctx) }
  }

  /// An n by m matrix with ones on its k-th diagonal.
  public static func eye(
    _ n: Int, m: Int? = nil, k: Int = 0, type: (some HasDType).Type = Float.self,
    stream: StreamOrDevice = .default
  ) -> NDArray {
    eye(n, m: m, k: k, dtype: type.dtype, stream: stream)
  }

  /// An n by m matrix with ones on its k-th diagonal.
  public static func eye(
    _ n: Int, m: Int? = nil, k: Int = 0, dtype: DType, stream: StreamOrDevice = .default
  ) -> NDArray {
    made { r in olivine_eye(r, n.c, (m ?? n).c, k.c, dtype.cmlxDtype, stream.ctx) }
  }

  /// An array of values that broadcast to its shape.
  public static func full(
    _ shape: some Collection<Int>, values: NDArray, type: (some HasDType).Type = Float.self,
    stream: StreamOrDevice = .default
  ) -> NDArray {
    full(shape, values: values, dtype: type.dtype, stream: stream)
  }

  /// An array of values that broadcast to its shape.
  public static func full(
    _ shape: some Collection<Int>, values: NDArray, dtype: DType, stream: StreamOrDevice = .default
  ) -> NDArray {
    made { r in
      shape.withInts { olivine_full(r, $0, $1, values.ctx, dtype.cmlxDtype, stream.ctx) }
    }
  }

  /// An array of values that broadcast to its shape.
  public static func full(
    _ shape: some Collection<Int>, values: NDArray, stream: StreamOrDevice = .default
  ) -> NDArray {
    full(shape, values: values, dtype: values.dtype, stream: stream)
  }

  /// The n by n identity matrix.
  public static func identity(
    _ n: Int, type: (some HasDType).Type = Float.self, stream: StreamOrDevice = .default
  ) -> NDArray {
    identity(n, dtype: type.dtype, stream: stream)
  }

  /// The n by n identity matrix.
  public static func identity(_ n: Int, dtype: DType, stream: StreamOrDevice = .default) -> NDArray
  {
    made { r in olivine_identity(r, n.c, dtype.cmlxDtype, stream.ctx) }
  }

  /// Evenly spaced values from start to stop, both among them.
  public static func linspace<T: HasDType>(
    _ start: T, _ stop: T, count: Int = 50, stream: StreamOrDevice = .default
  ) -> NDArray
  where T: BinaryInteger {
    made { r in
      olivine_linspace(r, Double(start), Double(stop), count.c, OLIVINE_FLOAT32, stream.ctx)
    }
  }

  /// Evenly spaced values from start to stop, both among them.
  public static func linspace<T: HasDType>(
    _ start: T, _ stop: T, count: Int = 50, stream: StreamOrDevice = .default
  ) -> NDArray
  where T: BinaryFloatingPoint {
    made { r in
      olivine_linspace(
        r, Double(start), Double(stop), count.c, spacedType(T.dtype).cmlxDtype, stream.ctx)
    }
  }

  /// 0, 1, … before stop.
  public static func arange(_ stop: Int, stream: StreamOrDevice = .default) -> NDArray {
    arange(0, stop, dtype: .int32, stream: stream)
  }

  /// start, start + step, … before stop.
  public static func arange(
    _ start: Int, _ stop: Int, step: Int = 1, stream: StreamOrDevice = .default
  ) -> NDArray {
    arange(start, stop, step: step, dtype: .int32, stream: stream)
  }

  /// 0, 1, … before stop.
  public static func arange(_ stop: Int, dtype: DType, stream: StreamOrDevice = .default) -> NDArray
  {
    arange(0, stop, dtype: dtype, stream: stream)
  }

  /// start, start + step, … before stop.
  public static func arange(
    _ start: Int, _ stop: Int, step: Int = 1, dtype: DType, stream: StreamOrDevice = .default
  ) -> NDArray {
    made { r in
      olivine_arange(r, Double(start), Double(stop), Double(step), dtype.cmlxDtype, stream.ctx)
    }
  }

  /// 0, 1, … before stop.
  public static func arange(
    _ stop: Double, dtype: DType = .float32, stream: StreamOrDevice = .default
  ) -> NDArray {
    arange(0, stop, dtype: dtype, stream: stream)
  }

  /// start, start + step, … before stop.
  public static func arange(
    _ start: Double, _ stop: Double, step: Double = 1.0, dtype: DType = .float32,
    stream: StreamOrDevice = .default
  ) -> NDArray {
    made { r in
      olivine_arange(r, start, stop, step, dtype.cmlxDtype, stream.ctx)
    }
  }

  /// Each element of an axis several times.
  @available(*, deprecated, renamed: "repeated")
  public static func `repeat`(
    _ array: NDArray, count: Int, axis: Int, stream: StreamOrDevice = .default
  ) -> NDArray {
    repeated(array, count: count, axis: axis, stream: stream)
  }

  /// Each element of the flattened array several times.
  @available(*, deprecated, renamed: "repeated")
  public static func `repeat`(_ array: NDArray, count: Int, stream: StreamOrDevice = .default)
    -> NDArray
  {
    repeated(array, count: count, stream: stream)
  }

  /// Each element of an axis several times.
  public static func repeated(
    _ array: NDArray, count: Int, axis: Int, stream: StreamOrDevice = .default
  ) -> NDArray {
    made { r in olivine_repeat_axis(r, array.ctx, count.c, axis.c, stream.ctx) }
  }

  /// Each element of the flattened array several times.
  public static func repeated(_ array: NDArray, count: Int, stream: StreamOrDevice = .default)
    -> NDArray
  {
    made { r in olivine_repeat(r, array.ctx, count.c, stream.ctx) }
  }

  /// An n by m matrix with ones on and below its k-th diagonal.
  public static func tri(
    _ n: Int, m: Int? = nil, k: Int = 0, type: (some HasDType).Type = Float.self,
    stream: StreamOrDevice = .default
  ) -> NDArray {
    tri(n, m: m, k: k, dtype: type.dtype, stream: stream)
  }

  /// An n by m matrix with ones on and below its k-th diagonal.
  public static func tri(
    _ n: Int, m: Int? = nil, k: Int = 0, dtype: DType, stream: StreamOrDevice = .default
  ) -> NDArray {
    made { r in olivine_tri(r, n.c, (m ?? n).c, k.c, dtype.cmlxDtype, stream.ctx) }
  }
}

// Doubles give float32, which is what arithmetic expects.
private func spacedType(_ dtype: DType) -> DType { dtype == .float64 ? .float32 : dtype }

/// An array of zeros.
public func zeros(
  _ shape: some Collection<Int>, type: (some HasDType).Type = Float.self,
  stream: StreamOrDevice = .default
) -> NDArray {
  NDArray.zeros(shape, type: type, stream: stream)
}

/// An array of zeros.
public func zeros(_ shape: some Collection<Int>, dtype: DType, stream: StreamOrDevice = .default)
  -> NDArray
{
  NDArray.zeros(shape, dtype: dtype, stream: stream)
}

/// An array of zeros of the shape and dtype of another.
public func zeros(like array: NDArray, stream: StreamOrDevice = .default) -> NDArray {
  NDArray.zeros(like: array, stream: stream)
}

/// An array of ones.
public func ones(
  _ shape: some Collection<Int>, type: (some HasDType).Type = Float.self,
  stream: StreamOrDevice = .default
) -> NDArray {
  NDArray.ones(shape, type: type, stream: stream)
}

/// An array of ones.
public func ones(_ shape: some Collection<Int>, dtype: DType, stream: StreamOrDevice = .default)
  -> NDArray
{
  NDArray.ones(shape, dtype: dtype, stream: stream)
}

/// An array of ones of the shape and dtype of another.
public func ones(like array: NDArray, stream: StreamOrDevice = .default) -> NDArray {
  NDArray.ones(like: array, stream: stream)
}

/// An n by m matrix with ones on its k-th diagonal.
public func eye(
  _ n: Int, m: Int? = nil, k: Int = 0, type: (some HasDType).Type = Float.self,
  stream: StreamOrDevice = .default
) -> NDArray {
  NDArray.eye(n, m: m, k: k, type: type, stream: stream)
}

/// An n by m matrix with ones on its k-th diagonal.
public func eye(
  _ n: Int, m: Int? = nil, k: Int = 0, dtype: DType, stream: StreamOrDevice = .default
) -> NDArray {
  NDArray.eye(n, m: m, k: k, dtype: dtype, stream: stream)
}

/// An array of values that broadcast to its shape.
public func full(
  _ shape: some Collection<Int>, values: NDArray, dtype: DType, stream: StreamOrDevice = .default
) -> NDArray {
  NDArray.full(shape, values: values, dtype: dtype, stream: stream)
}

/// An array of values that broadcast to its shape.
public func full(
  _ shape: some Collection<Int>, values: some ScalarOrArray, type: (some HasDType).Type,
  stream: StreamOrDevice = .default
) -> NDArray {
  NDArray.full(
    shape, values: values.asMLXArray(dtype: type.dtype), dtype: type.dtype, stream: stream)
}

/// An array of values that broadcast to its shape.
public func full(
  _ shape: some Collection<Int>, values: some ScalarOrArray, stream: StreamOrDevice = .default
) -> NDArray {
  NDArray.full(shape, values: values.asMLXArray(dtype: nil), stream: stream)
}

/// The n by n identity matrix.
public func identity(
  _ n: Int, type: (some HasDType).Type = Float.self, stream: StreamOrDevice = .default
) -> NDArray {
  NDArray.identity(n, type: type, stream: stream)
}

/// The n by n identity matrix.
public func identity(_ n: Int, dtype: DType, stream: StreamOrDevice = .default) -> NDArray {
  NDArray.identity(n, dtype: dtype, stream: stream)
}

/// Evenly spaced values from start to stop, both among them.
public func linspace<T: HasDType>(
  _ start: T, _ stop: T, count: Int = 50, stream: StreamOrDevice = .default
) -> NDArray
where T: BinaryInteger {
  NDArray.linspace(start, stop, count: count, stream: stream)
}

/// Evenly spaced values from start to stop, both among them.
public func linspace<T: HasDType>(
  _ start: T, _ stop: T, count: Int = 50, stream: StreamOrDevice = .default
) -> NDArray
where T: BinaryFloatingPoint {
  NDArray.linspace(start, stop, count: count, stream: stream)
}

/// 0, 1, … before stop.
public func arange(_ stop: Int, stream: StreamOrDevice = .default) -> NDArray {
  NDArray.arange(stop, stream: stream)
}

/// start, start + step, … before stop.
public func arange(_ start: Int, _ stop: Int, step: Int = 1, stream: StreamOrDevice = .default)
  -> NDArray
{
  NDArray.arange(start, stop, step: step, stream: stream)
}

/// 0, 1, … before stop.
public func arange(_ stop: Int, dtype: DType, stream: StreamOrDevice = .default) -> NDArray {
  NDArray.arange(stop, dtype: dtype, stream: stream)
}

/// start, start + step, … before stop.
public func arange(
  _ start: Int, _ stop: Int, step: Int = 1, dtype: DType, stream: StreamOrDevice = .default
) -> NDArray {
  NDArray.arange(start, stop, step: step, dtype: dtype, stream: stream)
}

/// 0, 1, … before stop.
public func arange(_ stop: Double, dtype: DType = .float32, stream: StreamOrDevice = .default)
  -> NDArray
{
  NDArray.arange(stop, dtype: dtype, stream: stream)
}

/// start, start + step, … before stop.
public func arange(
  _ start: Double, _ stop: Double, step: Double = 1.0, dtype: DType = .float32,
  stream: StreamOrDevice = .default
) -> NDArray {
  NDArray.arange(start, stop, step: step, dtype: dtype, stream: stream)
}

/// Each element of an axis several times.
@available(*, deprecated, renamed: "repeated")
public func `repeat`(_ array: NDArray, count: Int, axis: Int, stream: StreamOrDevice = .default)
  -> NDArray
{
  NDArray.repeated(array, count: count, axis: axis, stream: stream)
}

/// Each element of the flattened array several times.
@available(*, deprecated, renamed: "repeated")
public func `repeat`(_ array: NDArray, count: Int, stream: StreamOrDevice = .default) -> NDArray {
  NDArray.repeated(array, count: count, stream: stream)
}

/// Each element of an axis several times.
public func repeated(_ array: NDArray, count: Int, axis: Int, stream: StreamOrDevice = .default)
  -> NDArray
{
  NDArray.repeated(array, count: count, axis: axis, stream: stream)
}

/// Each element of the flattened array several times.
public func repeated(_ array: NDArray, count: Int, stream: StreamOrDevice = .default) -> NDArray {
  NDArray.repeated(array, count: count, stream: stream)
}

/// An n by m matrix with ones on and below its k-th diagonal.
public func tri(
  _ n: Int, m: Int? = nil, k: Int = 0, type: (some HasDType).Type = Float.self,
  stream: StreamOrDevice = .default
) -> NDArray {
  NDArray.tri(n, m: m, k: k, type: type, stream: stream)
}

/// An n by m matrix with ones on and below its k-th diagonal.
public func tri(
  _ n: Int, m: Int? = nil, k: Int = 0, dtype: DType, stream: StreamOrDevice = .default
) -> NDArray {
  NDArray.tri(n, m: m, k: k, dtype: dtype, stream: stream)
}
