// The functions of MLXRandom without its name.
import COlivine

/// Starts the global state anew.
public func seed(_ seed: UInt64) {
  MLXRandom.seed(seed)
}

/// A key for the functions below.
public func key(_ seed: UInt64) -> NDArray {
  MLXRandom.key(seed)
}

/// Keys that are independent of each other.
public func split(key: NDArray, into num: Int, stream: StreamOrDevice = .default) -> [NDArray] {
  MLXRandom.split(key: key, into: num, stream: stream)
}

/// Keys that are independent of each other.
public func split(key: NDArray, stream: StreamOrDevice = .default) -> (NDArray, NDArray) {
  MLXRandom.split(key: key, stream: stream)
}

/// Uniform values from low until before high.
public func uniform(
  _ range: Range<some HasDType>, _ shape: some Collection<Int> = [],
  type: (some HasDType & BinaryFloatingPoint).Type = Float.self,
  key: (some RandomStateOrKey)? = NDArray?.none, stream: StreamOrDevice = .default
) -> NDArray {
  MLXRandom.uniform(range, shape, type: type, key: key, stream: stream)
}

/// Uniform values from low until before high.
public func uniform(
  _ range: Range<Float> = 0..<1, _ shape: some Collection<Int> = [],
  type: (some HasDType & BinaryFloatingPoint).Type = Float.self,
  key: (some RandomStateOrKey)? = NDArray?.none, stream: StreamOrDevice = .default
) -> NDArray {
  MLXRandom.uniform(range)
}

/// Uniform values from low until before high.
public func uniform(
  low: some ScalarOrArray, high: some ScalarOrArray, _ shape: (some Collection<Int>)? = [Int]?.none,
  type: (some HasDType & BinaryFloatingPoint).Type = Float.self,
  key: (some RandomStateOrKey)? = NDArray?.none, stream: StreamOrDevice = .default
) -> NDArray {
  MLXRandom.uniform(low: low, high: high, shape, type: type, key: key, stream: stream)
}

/// Uniform values from low until before high.
public func uniform(
  low: some ScalarOrArray, high: some ScalarOrArray, _ shape: (some Collection<Int>)? = [Int]?.none,
  dtype: DType, key: (some RandomStateOrKey)? = NDArray?.none, stream: StreamOrDevice = .default
) -> NDArray {
  MLXRandom.uniform(low: low, high: high, shape, dtype: dtype, key: key, stream: stream)
}

/// Normal values.
public func normal(
  _ shape: some Collection<Int> = [], type: (some HasDType & BinaryFloatingPoint).Type = Float.self,
  loc: Float = 0, scale: Float = 1, key: (some RandomStateOrKey)? = NDArray?.none,
  stream: StreamOrDevice = .default
) -> NDArray {
  MLXRandom.normal(shape, type: type, loc: loc, scale: scale, key: key, stream: stream)
}

/// Normal values.
public func normal(
  _ shape: some Collection<Int> = [], dtype: DType, loc: Float = 0, scale: Float = 1,
  key: (some RandomStateOrKey)? = NDArray?.none, stream: StreamOrDevice = .default
) -> NDArray {
  MLXRandom.normal(shape, dtype: dtype, loc: loc, scale: scale, key: key, stream: stream)
}

/// Jointly normal vectors.
public func multivariateNormal(
  mean: NDArray, covariance: NDArray, shape: some Collection<Int> = [], dtype: DType,
  key: (some RandomStateOrKey)? = NDArray?.none, stream: StreamOrDevice = .default
) -> NDArray {
  MLXRandom.multivariateNormal(
    mean: mean, covariance: covariance, shape: shape, dtype: dtype, key: key, stream: stream)
}

/// Uniform integers from low until before high.
public func randInt(
  _ range: Range<some HasDType & BinaryInteger>, _ shape: some Collection<Int> = [],
  key: (some RandomStateOrKey)? = NDArray?.none, stream: StreamOrDevice = .default
) -> NDArray {
  MLXRandom.randInt(range, shape, key: key, stream: stream)
}

/// Uniform integers from low until before high.
public func randInt(
  low: some ScalarOrArray, high: some ScalarOrArray, _ shape: (some Collection<Int>)? = [Int]?.none,
  key: (some RandomStateOrKey)? = NDArray?.none, stream: StreamOrDevice = .default
) -> NDArray {
  MLXRandom.randInt(low: low, high: high, shape, key: key, stream: stream)
}

/// Uniform integers from low until before high.
public func randInt(
  low: some ScalarOrArray, high: some ScalarOrArray, _ shape: (some Collection<Int>)? = [Int]?.none,
  type: (some HasDType & BinaryInteger).Type, key: (some RandomStateOrKey)? = NDArray?.none,
  stream: StreamOrDevice = .default
) -> NDArray {
  MLXRandom.randInt(low: low, high: high, shape, type: type, key: key, stream: stream)
}

/// True with probability p.
public func bernoulli(
  _ shape: some Collection<Int> = [], key: (some RandomStateOrKey)? = NDArray?.none,
  stream: StreamOrDevice = .default
) -> NDArray {
  MLXRandom.bernoulli(shape, key: key, stream: stream)
}

/// True with probability p.
public func bernoulli(
  _ p: some ScalarOrArray, _ shape: (some Collection<Int>)? = [Int]?.none,
  key: (some RandomStateOrKey)? = NDArray?.none, stream: StreamOrDevice = .default
) -> NDArray {
  MLXRandom.bernoulli(p, shape, key: key, stream: stream)
}

/// Normal values between limits.
public func truncatedNormal(
  _ range: Range<some HasDType>, _ shape: some Collection<Int> = [],
  type: (some HasDType & BinaryFloatingPoint).Type = Float.self,
  key: (some RandomStateOrKey)? = NDArray?.none, stream: StreamOrDevice = .default
) -> NDArray {
  MLXRandom.truncatedNormal(range, shape, type: type, key: key, stream: stream)
}

/// Normal values between limits.
public func truncatedNormal(
  _ range: Range<Float>, _ shape: some Collection<Int> = [],
  type: (some HasDType & BinaryFloatingPoint).Type = Float.self,
  key: (some RandomStateOrKey)? = NDArray?.none, stream: StreamOrDevice = .default
) -> NDArray {
  MLXRandom.truncatedNormal(range, shape, type: type, key: key, stream: stream)
}

/// Normal values between limits.
public func truncatedNormal(
  low: some ScalarOrArray, high: some ScalarOrArray, _ shape: (some Collection<Int>)? = [Int]?.none,
  type: (some HasDType & BinaryFloatingPoint).Type = Float.self,
  key: (some RandomStateOrKey)? = NDArray?.none, stream: StreamOrDevice = .default
) -> NDArray {
  MLXRandom.truncatedNormal(low: low, high: high, shape, type: type, key: key, stream: stream)
}

/// Normal values between limits.
public func truncatedNormal(
  low: some ScalarOrArray, high: some ScalarOrArray, _ shape: (some Collection<Int>)? = [Int]?.none,
  dtype: DType, key: (some RandomStateOrKey)? = NDArray?.none, stream: StreamOrDevice = .default
) -> NDArray {
  MLXRandom.truncatedNormal(low: low, high: high, shape, dtype: dtype, key: key, stream: stream)
}

/// Standard Gumbel values.
public func gumbel(
  _ shape: some Collection<Int> = [], type: (some HasDType & BinaryFloatingPoint).Type = Float.self,
  key: (some RandomStateOrKey)? = NDArray?.none, stream: StreamOrDevice = .default
) -> NDArray {
  MLXRandom.gumbel(shape, type: type, key: key, stream: stream)
}

/// Standard Gumbel values.
public func gumbel(
  _ shape: some Collection<Int> = [], dtype: DType, key: (some RandomStateOrKey)? = NDArray?.none,
  stream: StreamOrDevice = .default
) -> NDArray {
  MLXRandom.gumbel(shape, dtype: dtype, key: key, stream: stream)
}

/// Positions along an axis of unnormalized log-probabilities.
public func categorical(
  _ logits: NDArray, axis: Int = -1, shape: (some Collection<Int>)? = [Int]?.none,
  key: (some RandomStateOrKey)? = NDArray?.none, stream: StreamOrDevice = .default
) -> NDArray {
  MLXRandom.categorical(logits, axis: axis, shape: shape, key: key, stream: stream)
}

/// Positions along an axis of unnormalized log-probabilities.
public func categorical(
  _ logits: NDArray, axis: Int = -1, count: Int, key: (some RandomStateOrKey)? = NDArray?.none,
  stream: StreamOrDevice = .default
) -> NDArray {
  MLXRandom.categorical(logits, axis: axis, count: count, key: key, stream: stream)
}

/// Laplace values.
public func laplace(
  _ shape: some Collection<Int> = [], dtype: DType, loc: Float = 0, scale: Float = 1,
  key: (some RandomStateOrKey)? = NDArray?.none, stream: StreamOrDevice = .default
) -> NDArray {
  MLXRandom.laplace(shape, dtype: dtype, loc: loc, scale: scale, key: key, stream: stream)
}
