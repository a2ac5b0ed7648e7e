// The functions that MLXLinalg has in Olivine, as a module of their own for programs that import
// it.
@_exported import Olivine

@available(*, deprecated, message: "Import Olivine alone.")
public let deprecationWarning: Void = ()

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func norm(
  _ array: NDArray, ord: MLXLinalg.NormKind? = nil, axes: [Int], keepDims: Bool = false,
  stream: StreamOrDevice = .default
) -> NDArray {
  MLXLinalg.norm(array, ord: ord, axes: axes, keepDims: keepDims, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func norm(
  _ array: NDArray, ord: Double, axes: [Int], keepDims: Bool = false,
  stream: StreamOrDevice = .default
) -> NDArray {
  MLXLinalg.norm(array, ord: ord, axes: axes, keepDims: keepDims, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func norm(
  _ array: NDArray, ord: MLXLinalg.NormKind? = nil, axis: Int, keepDims: Bool = false,
  stream: StreamOrDevice = .default
) -> NDArray {
  MLXLinalg.norm(array, ord: ord, axis: axis, keepDims: keepDims, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func norm(
  _ array: NDArray, ord: Double, axis: Int, keepDims: Bool = false,
  stream: StreamOrDevice = .default
) -> NDArray {
  MLXLinalg.norm(array, ord: ord, axis: axis, keepDims: keepDims, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func norm(
  _ array: NDArray, ord: MLXLinalg.NormKind? = nil, axis: IntOrArray? = nil, keepDims: Bool = false,
  stream: StreamOrDevice = .default
) -> NDArray {
  MLXLinalg.norm(array, ord: ord, axis: axis, keepDims: keepDims, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func norm(
  _ array: NDArray, ord: Double, axis: IntOrArray? = nil, keepDims: Bool = false,
  stream: StreamOrDevice = .default
) -> NDArray {
  MLXLinalg.norm(array, ord: ord, axis: axis, keepDims: keepDims, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func qr(_ array: NDArray, stream: StreamOrDevice = .default) -> (NDArray, NDArray) {
  MLXLinalg.qr(array, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func svd(_ array: NDArray, stream: StreamOrDevice = .default) -> (NDArray, NDArray, NDArray)
{
  MLXLinalg.svd(array, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func inv(_ array: NDArray, stream: StreamOrDevice = .default) -> NDArray {
  MLXLinalg.inv(array, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func triInv(_ array: NDArray, upper: Bool = false, stream: StreamOrDevice = .default)
  -> NDArray
{
  MLXLinalg.triInv(array, upper: upper, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func cholesky(_ array: NDArray, upper: Bool = false, stream: StreamOrDevice = .default)
  -> NDArray
{
  MLXLinalg.cholesky(array, upper: upper, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func choleskyInv(_ array: NDArray, upper: Bool = false, stream: StreamOrDevice = .default)
  -> NDArray
{
  MLXLinalg.choleskyInv(array, upper: upper, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func cross(_ a: NDArray, _ b: NDArray, axis: Int = -1, stream: StreamOrDevice = .default)
  -> NDArray
{
  MLXLinalg.cross(a, b, axis: axis, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func lu(_ a: NDArray, stream: StreamOrDevice = .default) -> (NDArray, NDArray, NDArray) {
  MLXLinalg.lu(a, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func lu_factor(_ a: NDArray, stream: StreamOrDevice = .default) -> (NDArray, NDArray) {
  MLXLinalg.lu_factor(a, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func solve(_ a: NDArray, _ b: NDArray, stream: StreamOrDevice = .default) -> NDArray {
  MLXLinalg.solve(a, b, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func solveTriangular(
  _ a: NDArray, _ b: NDArray, upper: Bool = false, stream: StreamOrDevice = .default
) -> NDArray {
  MLXLinalg.solveTriangular(a, b, upper: upper, stream: stream)
}
