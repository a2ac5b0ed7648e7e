// The functions that MLXFast has in Olivine, as a module of their own for programs that import it.
@_exported import Olivine

@available(*, deprecated, message: "Import Olivine alone.")
public let deprecationWarning: Void = ()

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func RoPE(
  _ array: NDArray, dimensions: Int, traditional: Bool, base: Float?, scale: Float, offset: Int,
  freqs: NDArray? = nil, stream: StreamOrDevice = .default
) -> NDArray {
  MLXFast.RoPE(
    array, dimensions: dimensions, traditional: traditional, base: base, scale: scale,
    offset: offset, freqs: freqs, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func scaledDotProductAttention(
  queries: NDArray, keys: NDArray, values: NDArray, scale: Float, mask: NDArray?,
  memoryEfficientThreshold: Int? = nil, stream: StreamOrDevice = .default
) -> NDArray {
  MLXFast.scaledDotProductAttention(
    queries: queries, keys: keys, values: values, scale: scale, mask: mask,
    memoryEfficientThreshold: memoryEfficientThreshold, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func rmsNorm(_ x: NDArray, weight: NDArray, eps: Float, stream: StreamOrDevice = .default)
  -> NDArray
{
  MLXFast.rmsNorm(x, weight: weight, eps: eps, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func layerNorm(
  _ x: NDArray, weight: NDArray? = nil, bias: NDArray? = nil, eps: Float,
  stream: StreamOrDevice = .default
) -> NDArray {
  MLXFast.layerNorm(x, weight: weight, bias: bias, eps: eps, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
public typealias MLXFastKernel = MLXFast.MLXFastKernel

@_disfavoredOverload
public func metalKernel(
  name: String, inputNames: [String], outputNames: [String], source: String, header: String = "",
  ensureRowContiguous: Bool = true, atomicOutputs: Bool = false
) -> MLXFast.MLXFastKernel {
  MLXFast.metalKernel(
    name: name, inputNames: inputNames, outputNames: outputNames, source: source, header: header,
    ensureRowContiguous: ensureRowContiguous, atomicOutputs: atomicOutputs)
}
