// Random arrays. Each function takes a key, or draws one from the state of the task or the program.
import COlivine

public enum MLXRandom {
  /// Starts the global state anew.
  public static func seed(_ seed: UInt64) {
    globalState.seed(seed)
  }

  /// A key for the functions below.
  public static func key(_ seed: UInt64) -> NDArray {
    made { r in olivine_random_key(r, seed) }
  }

  /// Keys that are independent of each other.
  public static func split(key: NDArray, into num: Int, stream: StreamOrDevice = .default)
    -> [NDArray]
  {
    let keys = made { r in olivine_random_split_num(r, key.ctx, num.c, stream.ctx) }
    return Array(keys)
  }

  /// Keys that are independent of each other.
  public static func split(key: NDArray, stream: StreamOrDevice = .default) -> (NDArray, NDArray) {
    made2 { r0, r1 in olivine_random_split(r0, r1, key.ctx, stream.ctx) }
  }

  /// Uniform values from low until before high.
  public static func uniform(
    _ range: Range<some HasDType>, _ shape: some Collection<Int> = [],
    type: (some HasDType & BinaryFloatingPoint).Type = Float.self,
    key: (some RandomStateOrKey)? = NDArray?.none, stream: StreamOrDevice = .default
  ) -> NDArray {
    drawnUniform(
      range.lowerBound.asMLXArray(dtype: type.dtype),
      range.upperBound.asMLXArray(dtype: type.dtype), Array(shape), type.dtype, key,
      stream)
  }

  /// Uniform values from low until before high.
  public static func uniform(
    _ range: Range<Float> = 0..<1, _ shape: some Collection<Int> = [],
    type: (some HasDType & BinaryFloatingPoint).Type = Float.self,
    key: (some RandomStateOrKey)? = NDArray?.none, stream: StreamOrDevice = .default
  ) -> NDArray {
    drawnUniform(
      range.lowerBound.asMLXArray(dtype: type.dtype),
      range.upperBound.asMLXArray(dtype: type.dtype), Array(shape), type.dtype, key,
      stream)
  }

  /// Uniform values from low until before high.
  public static func uniform(
    low: some ScalarOrArray, high: some ScalarOrArray,
    _ shape: (some Collection<Int>)? = [Int]?.none,
    type: (some HasDType & BinaryFloatingPoint).Type = Float.self,
    key: (some RandomStateOrKey)? = NDArray?.none, stream: StreamOrDevice = .default
  ) -> NDArray {
    drawnUniform(
      low.asMLXArray(dtype: type.dtype), high.asMLXArray(dtype: type.dtype),
      shape.map { Array($0) }, type.dtype, key, stream)
  }

  /// Uniform values from low until before high.
  public static func uniform(
    low: some ScalarOrArray, high: some ScalarOrArray,
    _ shape: (some Collection<Int>)? = [Int]?.none,
    dtype: DType, key: (some RandomStateOrKey)? = NDArray?.none, stream: StreamOrDevice = .default
  ) -> NDArray {
    drawnUniform(
      low.asMLXArray(dtype: dtype), high.asMLXArray(dtype: dtype), shape.map { Array($0) }, dtype,
      key, stream)
  }

  /// Normal values.
  public static func normal(
    _ shape: some Collection<Int> = [],
    type: (some HasDType & BinaryFloatingPoint).Type = Float.self,
    loc: Float = 0, scale: Float = 1, key: (some RandomStateOrKey)? = NDArray?.none,
    stream: StreamOrDevice = .default
  ) -> NDArray {
    let key = resolve(key: key)
    return made { r in
      shape.withInts {
        olivine_random_normal(r, $0, $1, type.dtype.cmlxDtype, loc, scale, key.ctx, stream.ctx)
      }
    }
  }

  /// Normal values.
  public static func normal(
    _ shape: some Collection<Int> = [], dtype: DType, loc: Float = 0, scale: Float = 1,
    key: (some RandomStateOrKey)? = NDArray?.none, stream: StreamOrDevice = .default
  ) -> NDArray {
    let key = resolve(key: key)
    return made { r in
      shape.withInts {
        olivine_random_normal(r, $0, $1, dtype.cmlxDtype, loc, scale, key.ctx, stream.ctx)
      }
    }
  }

  /// Jointly normal vectors.
  public static func multivariateNormal(
    mean: NDArray, covariance: NDArray, shape: some Collection<Int> = [], dtype: DType,
    key: (some RandomStateOrKey)? = NDArray?.none, stream: StreamOrDevice = .default
  ) -> NDArray {
    let key = resolve(key: key)
    return made { r in
      shape.withInts {
        olivine_random_multivariate_normal(
          r, mean.ctx, covariance.ctx, $0, $1, dtype.cmlxDtype, key.ctx, stream.ctx)
      }
    }
  }

  /// A random order.
  public static func permutation(
    _ max: Int, key: (some RandomStateOrKey)? = NDArray?.none, stream: StreamOrDevice = .default
  ) -> NDArray {
    let key = resolve(key: key)
    return made { r in olivine_random_permutation_arange(r, max.c, key.ctx, stream.ctx) }
  }

  /// A random order.
  public static func permutation(
    _ array: NDArray, axis: Int = 0, key: (some RandomStateOrKey)? = NDArray?.none,
    stream: StreamOrDevice = .default
  ) -> NDArray {
    let key = resolve(key: key)
    return made { r in olivine_random_permutation(r, array.ctx, axis.c, key.ctx, stream.ctx) }
  }

  /// Uniform integers from low until before high.
  public static func randInt<T>(
    _ range: Range<T>, _ shape: some Collection<Int> = [],
    key: (some RandomStateOrKey)? = NDArray?.none, stream: StreamOrDevice = .default
  ) -> NDArray where T: HasDType, T: BinaryInteger {
    drawnIntegers(
      scalarArray(range.lowerBound, dtype: T.dtype), scalarArray(range.upperBound, dtype: T.dtype),
      Array(shape),
      integerType(T.dtype), key, stream)
  }

  /// Uniform integers from low until before high.
  public static func randInt(
    low: some ScalarOrArray, high: some ScalarOrArray,
    _ shape: (some Collection<Int>)? = [Int]?.none,
    key: (some RandomStateOrKey)? = NDArray?.none, stream: StreamOrDevice = .default
  ) -> NDArray {
    let (low, high) = toArrays(low, high)
    let type = low.dtype == high.dtype ? low.dtype : add(low, high).dtype
    return drawnIntegers(low, high, shape.map { Array($0) }, type, key, stream)
  }

  /// Uniform integers from low until before high.
  public static func randInt(
    low: some ScalarOrArray, high: some ScalarOrArray,
    _ shape: (some Collection<Int>)? = [Int]?.none,
    type: (some HasDType & BinaryInteger).Type, key: (some RandomStateOrKey)? = NDArray?.none,
    stream: StreamOrDevice = .default
  ) -> NDArray {
    drawnIntegers(
      low.asMLXArray(dtype: nil), high.asMLXArray(dtype: nil), shape.map { Array($0) },
      type.dtype, key, stream)
  }

  /// True with probability p.
  public static func bernoulli(
    _ shape: some Collection<Int> = [], key: (some RandomStateOrKey)? = NDArray?.none,
    stream: StreamOrDevice = .default
  ) -> NDArray {
    bernoulli(NDArray(0.5 as Float), shape, key: key, stream: stream)
  }

  /// True with probability p.
  public static func bernoulli(
    _ p: some ScalarOrArray, _ shape: (some Collection<Int>)? = [Int]?.none,
    key: (some RandomStateOrKey)? = NDArray?.none, stream: StreamOrDevice = .default
  ) -> NDArray {
    let p = p.asMLXArray(dtype: .float32)
    let shape = shape.map { Array($0) } ?? p.shape
    let key = resolve(key: key)
    return made { r in
      shape.withInts { olivine_random_bernoulli(r, p.ctx, $0, $1, key.ctx, stream.ctx) }
    }
  }

  /// Normal values between limits.
  public static func truncatedNormal(
    _ range: Range<some HasDType>, _ shape: some Collection<Int> = [],
    type: (some HasDType & BinaryFloatingPoint).Type = Float.self,
    key: (some RandomStateOrKey)? = NDArray?.none, stream: StreamOrDevice = .default
  ) -> NDArray {
    drawnTruncated(
      range.lowerBound.asMLXArray(dtype: type.dtype),
      range.upperBound.asMLXArray(dtype: type.dtype), Array(shape), type.dtype, key,
      stream)
  }

  /// Normal values between limits.
  public static func truncatedNormal(
    _ range: Range<Float>, _ shape: some Collection<Int> = [],
    type: (some HasDType & BinaryFloatingPoint).Type = Float.self,
    key: (some RandomStateOrKey)? = NDArray?.none, stream: StreamOrDevice = .default
  ) -> NDArray {
    drawnTruncated(
      range.lowerBound.asMLXArray(dtype: type.dtype),
      range.upperBound.asMLXArray(dtype: type.dtype), Array(shape), type.dtype, key,
      stream)
  }

  /// Normal values between limits.
  public static func truncatedNormal(
    low: some ScalarOrArray, high: some ScalarOrArray,
    _ shape: (some Collection<Int>)? = [Int]?.none,
    type: (some HasDType & BinaryFloatingPoint).Type = Float.self,
    key: (some RandomStateOrKey)? = NDArray?.none, stream: StreamOrDevice = .default
  ) -> NDArray {
    drawnTruncated(
      low.asMLXArray(dtype: type.dtype), high.asMLXArray(dtype: type.dtype),
      shape.map { Array($0) }, type.dtype, key, stream)
  }

  /// Normal values between limits.
  public static func truncatedNormal(
    low: some ScalarOrArray, high: some ScalarOrArray,
    _ shape: (some Collection<Int>)? = [Int]?.none,
    dtype: DType, key: (some RandomStateOrKey)? = NDArray?.none, stream: StreamOrDevice = .default
  ) -> NDArray {
    drawnTruncated(
      low.asMLXArray(dtype: dtype), high.asMLXArray(dtype: dtype), shape.map { Array($0) }, dtype,
      key, stream)
  }

  /// Standard Gumbel values.
  public static func gumbel(
    _ shape: some Collection<Int> = [],
    type: (some HasDType & BinaryFloatingPoint).Type = Float.self,
    key: (some RandomStateOrKey)? = NDArray?.none, stream: StreamOrDevice = .default
  ) -> NDArray {
    let key = resolve(key: key)
    return made { r in
      shape.withInts { olivine_random_gumbel(r, $0, $1, type.dtype.cmlxDtype, key.ctx, stream.ctx) }
    }
  }

  /// Standard Gumbel values.
  public static func gumbel(
    _ shape: some Collection<Int> = [], dtype: DType, key: (some RandomStateOrKey)? = NDArray?.none,
    stream: StreamOrDevice = .default
  ) -> NDArray {
    let key = resolve(key: key)
    return made { r in
      shape.withInts { olivine_random_gumbel(r, $0, $1, dtype.cmlxDtype, key.ctx, stream.ctx) }
    }
  }

  /// Positions along an axis of unnormalized log-probabilities.
  public static func categorical(
    _ logits: NDArray, axis: Int = -1, shape: (some Collection<Int>)? = [Int]?.none,
    key: (some RandomStateOrKey)? = NDArray?.none, stream: StreamOrDevice = .default
  ) -> NDArray {
    let key = resolve(key: key)
    return made { r in
      guard let shape else {
        return olivine_random_categorical(r, logits.ctx, axis.c, key.ctx, stream.ctx)
      }
      return shape.withInts {
        olivine_random_categorical_shape(r, logits.ctx, axis.c, $0, $1, key.ctx, stream.ctx)
      }
    }
  }

  /// Positions along an axis of unnormalized log-probabilities.
  public static func categorical(
    _ logits: NDArray, axis: Int = -1, count: Int, key: (some RandomStateOrKey)? = NDArray?.none,
    stream: StreamOrDevice = .default
  ) -> NDArray {
    let key = resolve(key: key)
    return made { r in
      olivine_random_categorical_num_samples(
        r, logits.ctx, axis.c, count.c, key.ctx, stream.ctx)
    }
  }

  /// Laplace values.
  public static func laplace(
    _ shape: some Collection<Int> = [], dtype: DType, loc: Float = 0, scale: Float = 1,
    key: (some RandomStateOrKey)? = NDArray?.none, stream: StreamOrDevice = .default
  ) -> NDArray {
    let key = resolve(key: key)
    return made { r in
      shape.withInts {
        olivine_random_laplace(r, $0, $1, dtype.cmlxDtype, loc, scale, key.ctx, stream.ctx)
      }
    }
  }
}

/// The integers that C can draw in a dtype; Ints are int32 as elsewhere.
private func integerType(_ dtype: DType) -> DType { dtype == .int64 ? .int32 : dtype }

private func drawnUniform(
  _ low: NDArray, _ high: NDArray, _ shape: [Int]?, _ dtype: DType, _ key: (some RandomStateOrKey)?,
  _ stream: StreamOrDevice
) -> NDArray {
  let shape = shape ?? add(low, high).shape
  let key = resolve(key: key)
  return made { r in
    shape.withInts {
      olivine_random_uniform(r, low.ctx, high.ctx, $0, $1, dtype.cmlxDtype, key.ctx, stream.ctx)
    }
  }
}

private func drawnTruncated(
  _ low: NDArray, _ high: NDArray, _ shape: [Int]?, _ dtype: DType, _ key: (some RandomStateOrKey)?,
  _ stream: StreamOrDevice
) -> NDArray {
  let shape = shape ?? add(low, high).shape
  let key = resolve(key: key)
  return made { r in
    shape.withInts {
      olivine_random_truncated_normal(
        r, low.ctx, high.ctx, $0, $1, dtype.cmlxDtype, key.ctx, stream.ctx)
    }
  }
}

private func drawnIntegers(
  _ low: NDArray, _ high: NDArray, _ shape: [Int]?, _ dtype: DType, _ key: (some RandomStateOrKey)?,
  _ stream: StreamOrDevice
) -> NDArray {
  let shape = shape ?? add(low, high).shape
  let key = resolve(key: key)
  return made { r in
    shape.withInts {
      olivine_random_randint(r, low.ctx, high.ctx, $0, $1, dtype.cmlxDtype, key.ctx, stream.ctx)
    }
  }
}
