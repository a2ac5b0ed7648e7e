// The functions that MLXFFT has in Olivine, as a module of their own for programs that import it.
@_exported import Olivine

@available(*, deprecated, message: "Import Olivine alone.")
public let deprecationWarning: Void = ()

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func fft(
  _ array: NDArray, n: Int? = nil, axis: Int = -1, stream: StreamOrDevice = .default
) -> NDArray {
  MLXFFT.fft(array, n: n, axis: axis, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func ifft(
  _ array: NDArray, n: Int? = nil, axis: Int = -1, stream: StreamOrDevice = .default
) -> NDArray {
  MLXFFT.ifft(array, n: n, axis: axis, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func fft2(
  _ array: NDArray, s: [Int]? = nil, axes: [Int]? = [-2, -1], stream: StreamOrDevice = .default
) -> NDArray {
  MLXFFT.fft2(array, s: s, axes: axes, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func ifft2(
  _ array: NDArray, s: [Int]? = nil, axes: [Int]? = [-2, -1], stream: StreamOrDevice = .default
) -> NDArray {
  MLXFFT.ifft2(array, s: s, axes: axes, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func fftn(
  _ array: NDArray, s: [Int]? = nil, axes: [Int]? = nil, stream: StreamOrDevice = .default
) -> NDArray {
  MLXFFT.fftn(array, s: s, axes: axes, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func ifftn(
  _ array: NDArray, s: [Int]? = nil, axes: [Int]? = nil, stream: StreamOrDevice = .default
) -> NDArray {
  MLXFFT.ifftn(array, s: s, axes: axes, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func rfft(
  _ array: NDArray, n: Int? = nil, axis: Int = -1, stream: StreamOrDevice = .default
) -> NDArray {
  MLXFFT.rfft(array, n: n, axis: axis, stream: stream)
}

@_disfavoredOverload
public func irfft(
  _ array: NDArray, n: Int? = nil, axis: Int = -1, stream: StreamOrDevice = .default
) -> NDArray {
  MLXFFT.irfft(array, n: n, axis: axis, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func rfft2(
  _ array: NDArray, s: [Int]? = nil, axes: [Int]? = [-2, -1], stream: StreamOrDevice = .default
) -> NDArray {
  MLXFFT.rfft2(array, s: s, axes: axes, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func irfft2(
  _ array: NDArray, s: [Int]? = nil, axes: [Int]? = [-2, -1], stream: StreamOrDevice = .default
) -> NDArray {
  MLXFFT.irfft2(array, s: s, axes: axes, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func rfftn(
  _ array: NDArray, s: [Int]? = nil, axes: [Int]? = nil, stream: StreamOrDevice = .default
) -> NDArray {
  MLXFFT.rfftn(array, s: s, axes: axes, stream: stream)
}

@available(*, deprecated, message: "Import Olivine alone.")
@_disfavoredOverload
public func irfftn(
  _ array: NDArray, s: [Int]? = nil, axes: [Int]? = nil, stream: StreamOrDevice = .default
) -> NDArray {
  MLXFFT.irfftn(array, s: s, axes: axes, stream: stream)
}
