// The functions that MLXRandom has in Olivine, as a module of their own for programs that import
// it.
@_exported import Olivine

@available(*, deprecated, message: "Import Olivine alone.")
public let deprecationWarning: Void = ()

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func seed(_ seed: UInt64) {
  MLXRandom.seed(seed)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func key(_ seed: UInt64) -> NDArray {
  MLXRandom.key(seed)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func split(key: NDArray, into num: Int, stream: StreamOrDevice = .default) -> [NDArray] {
  MLXRandom.split(key: key, into: num, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func split(key: NDArray, stream: StreamOrDevice = .default) -> (NDArray, NDArray) {
  MLXRandom.split(key: key, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func uniform<R: HasDType, T>(
  _ range: Range<R>, _ shape: [Int] = [], type: T.Type = Float.self, key: NDArray? = nil,
  stream: StreamOrDevice = .default
) -> NDArray where T: HasDType, T: BinaryFloatingPoint {
  MLXRandom.uniform(range, shape, type: type, key: key, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func uniform<T>(
  _ range: Range<Float> = 0..<1, _ shape: [Int] = [], type: T.Type = Float.self,
  key: NDArray? = nil, stream: StreamOrDevice = .default
) -> NDArray where T: HasDType, T: BinaryFloatingPoint {
  MLXRandom.uniform(range)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func uniform<T>(
  low: any ScalarOrArray, high: any ScalarOrArray, _ shape: [Int]? = nil, type: T.Type = Float.self,
  key: NDArray? = nil, stream: StreamOrDevice = .default
) -> NDArray where T: HasDType, T: BinaryFloatingPoint {
  MLXRandom.uniform(low: low, high: high, shape, type: type, key: key, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func uniform(
  low: any ScalarOrArray, high: any ScalarOrArray, _ shape: [Int]? = nil, dtype: DType = .float32,
  key: NDArray? = nil, stream: StreamOrDevice = .default
) -> NDArray {
  MLXRandom.uniform(low: low, high: high, shape, dtype: dtype, key: key, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func normal<T>(
  _ shape: [Int] = [], type: T.Type = Float.self, loc: Float = 0, scale: Float = 1,
  key: NDArray? = nil, stream: StreamOrDevice = .default
) -> NDArray where T: HasDType, T: BinaryFloatingPoint {
  MLXRandom.normal(shape, type: type, loc: loc, scale: scale, key: key, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func normal(
  _ shape: [Int] = [], dtype: DType = .float32, loc: Float = 0, scale: Float = 1,
  key: NDArray? = nil,
  stream: StreamOrDevice = .default
) -> NDArray {
  MLXRandom.normal(shape, dtype: dtype, loc: loc, scale: scale, key: key, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func multivariateNormal(
  mean: NDArray, covariance: NDArray, shape: [Int] = [], dtype: DType = .float32,
  key: NDArray? = nil,
  stream: StreamOrDevice = .default
) -> NDArray {
  MLXRandom.multivariateNormal(
    mean: mean, covariance: covariance, shape: shape, dtype: dtype, key: key, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func randInt<T>(
  _ range: Range<T>, _ shape: [Int] = [], key: NDArray? = nil, stream: StreamOrDevice = .default
) -> NDArray where T: HasDType, T: BinaryInteger {
  MLXRandom.randInt(range, shape, key: key, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func randInt(
  low: any ScalarOrArray, high: any ScalarOrArray, _ shape: [Int]? = nil, key: NDArray? = nil,
  stream: StreamOrDevice = .default
) -> NDArray {
  MLXRandom.randInt(low: low, high: high, shape, key: key, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func randInt<T>(
  low: any ScalarOrArray, high: any ScalarOrArray, _ shape: [Int]? = nil, type: T.Type,
  key: NDArray? = nil, stream: StreamOrDevice = .default
) -> NDArray where T: HasDType, T: BinaryInteger {
  MLXRandom.randInt(low: low, high: high, shape, type: type, key: key, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func bernoulli(
  _ shape: [Int] = [], key: NDArray? = nil, stream: StreamOrDevice = .default
) -> NDArray {
  MLXRandom.bernoulli(shape, key: key, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func bernoulli(
  _ p: any ScalarOrArray, _ shape: [Int]? = nil, key: NDArray? = nil,
  stream: StreamOrDevice = .default
) -> NDArray {
  MLXRandom.bernoulli(p, shape, key: key, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func truncatedNormal<R: HasDType, T>(
  _ range: Range<R>, _ shape: [Int] = [], type: T.Type = Float.self, key: NDArray? = nil,
  stream: StreamOrDevice = .default
) -> NDArray where T: HasDType, T: BinaryFloatingPoint {
  MLXRandom.truncatedNormal(range, shape, type: type, key: key, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func truncatedNormal<T>(
  _ range: Range<Float>, _ shape: [Int] = [], type: T.Type = Float.self, key: NDArray? = nil,
  stream: StreamOrDevice = .default
) -> NDArray where T: HasDType, T: BinaryFloatingPoint {
  MLXRandom.truncatedNormal(range, shape, type: type, key: key, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func truncatedNormal<T>(
  low: any ScalarOrArray, high: any ScalarOrArray, _ shape: [Int]? = nil, type: T.Type = Float.self,
  key: NDArray? = nil, stream: StreamOrDevice = .default
) -> NDArray where T: HasDType, T: BinaryFloatingPoint {
  MLXRandom.truncatedNormal(low: low, high: high, shape, type: type, key: key, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func truncatedNormal(
  low: any ScalarOrArray, high: any ScalarOrArray, _ shape: [Int]? = nil, dtype: DType = .float32,
  key: NDArray? = nil, stream: StreamOrDevice = .default
) -> NDArray {
  MLXRandom.truncatedNormal(low: low, high: high, shape, dtype: dtype, key: key, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func gumbel<T>(
  _ shape: [Int] = [], type: T.Type = Float.self, key: NDArray? = nil,
  stream: StreamOrDevice = .default
) -> NDArray where T: HasDType, T: BinaryFloatingPoint {
  MLXRandom.gumbel(shape, type: type, key: key, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func gumbel(
  _ shape: [Int] = [], dtype: DType = .float32, key: NDArray? = nil,
  stream: StreamOrDevice = .default
) -> NDArray {
  MLXRandom.gumbel(shape, dtype: dtype, key: key, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func categorical(
  _ logits: NDArray, axis: Int = -1, shape: [Int]? = nil, key: NDArray? = nil,
  stream: StreamOrDevice = .default
) -> NDArray {
  MLXRandom.categorical(logits, axis: axis, shape: shape, key: key, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func categorical(
  _ logits: NDArray, axis: Int = -1, count: Int, key: NDArray? = nil,
  stream: StreamOrDevice = .default
) -> NDArray {
  MLXRandom.categorical(logits, axis: axis, count: count, key: key, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func laplace(
  _ shape: [Int] = [], dtype: DType = .float32, loc: Float = 0, scale: Float = 1,
  key: NDArray? = nil,
  stream: StreamOrDevice = .default
) -> NDArray {
  MLXRandom.laplace(shape, dtype: dtype, loc: loc, scale: scale, key: key, stream: stream)
}
