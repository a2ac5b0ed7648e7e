// Resampling of the spatial axes of `[batch, spatial axes, channels]` by a factor. Every method is
// separable: along one axis, output `i` is a weighted sum of a few inputs (its taps), with indices
// and weights that depend on the sizes alone.
import Foundation
import Olivine

/// Resamples the spatial axes of `[N, spatial axes, C]` by `scaleFactor`, one for all or each; an
/// axis of `n` elements gets `floor(n * scale)`.
open class Upsample: Module, UnaryLayer {
  public enum Mode: Sendable {
    /// Each output takes one input along every axis.
    case nearest
    /// Linear interpolation; with `alignCorners` the ends of outputs and inputs coincide, otherwise
    /// their centres.
    case linear(alignCorners: Bool = false)
    /// Cubic convolution of slope -0.75. Source: Keys (1981).
    case cubic(alignCorners: Bool = false)
  }
  public let scaleFactor: FloatOrArray
  public let mode: Mode

  public init(scaleFactor: FloatOrArray, mode: Mode = .nearest) {
    self.scaleFactor = scaleFactor
    self.mode = mode
    if !scaleFactor.asArray.allSatisfy({ $0.isFinite && $0 > 0 }) {
      report("[Upsample] expected scaleFactor > 0; got \(scaleFactor.asArray)")
    }
  }

  open override func describeExtra(_ indent: Int) -> String {
    "scaleFactor=\(scaleFactor.asArray), mode=\(mode)"
  }

  open func callAsFunction(_ x: NDArray) -> NDArray {
    let axes = x.ndim - 2
    let scales = scaleFactor.asArray
    guard axes >= 1 && (scales.count == 1 || scales.count == axes) else {
      report(
        "[Upsample] expected [batch, spatial axes, channels] and a scale for each axis; "
          + "got shape \(x.shape) and scales \(scales)")
      return x
    }
    var y = x
    for axis in 1...axes {
      let scale = scales.count == 1 ? scales[0] : scales[axis - 1]
      y = resampled(y, axis, exact(scale))
    }
    return y
  }

  private func resampled(_ x: NDArray, _ axis: Int, _ scale: Double) -> NDArray {
    let size = x.dim(axis)
    guard size > 0 else { return x }
    switch mode {
    case .nearest where scale == scale.rounded():
      return repeated(x, count: Int(scale), axis: axis)
    case .nearest: return take(x, NDArray(nearest(size, Int(Double(size) * scale))), axis: axis)
    case .linear(let alignCorners):
      let positions = positions(size, scale, alignCorners).map { min(max($0, 0), Double(size - 1)) }
      return interpolated(x, axis, positions, 1) { max(1 - Swift.abs($0), 0) }
    case .cubic(let alignCorners):
      return interpolated(x, axis, positions(size, scale, alignCorners), 2) { cubic($0, -0.75) }
    }
  }
}

/// The input that each of `count` outputs takes; in Float, which decides ties as in MLX.
private func nearest(_ size: Int, _ count: Int) -> [Int32] {
  let ratio = Float(Double(size) / Double(max(count, 1)))
  return (0..<count).map { i in
    let i = Float(i)
    let at =
      count > size
      ? ((i + 0.5) * ratio - 0.5).rounded(.toNearestOrEven) : (i * ratio).rounded(.down)
    return Int32(min(max(at, 0), Float(size - 1)))
  }
}

/// Where the outputs lie, in units of the input's indices.
private func positions(_ size: Int, _ scale: Double, _ alignCorners: Bool) -> [Double] {
  let count = Int(Double(size) * scale)
  return (0..<count).map { i in
    if alignCorners {
      return count > 1 ? Double(i) * (Double(size - 1) / Double(count - 1)) : Double(i)
    }
    return Double(size - 1) / 2 + (Double(i) - Double(count - 1) / 2) / scale
  }
}

/// Keys' convolution kernel (1981) with slope `a` at 1.
private func cubic(_ x: Double, _ a: Double) -> Double {
  let x = Swift.abs(x)
  if x <= 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
  return x < 2 ? a * (((x - 5) * x + 8) * x - 4) : 0
}

/// The sum of the `2 radius` taps of each position; indices beyond the ends mean the ends.
private func interpolated(
  _ x: NDArray, _ axis: Int, _ positions: [Double], _ radius: Int, _ kernel: (Double) -> Double
) -> NDArray {
  let last = Double(x.dim(axis) - 1)
  let shape = [positions.count] + Array(repeating: 1, count: x.ndim - axis - 1)
  let taps = (1 - radius...radius).map { offset in
    let places = positions.map { $0.rounded(.down) + Double(offset) }
    let weights = zip(positions, places).map { Float(kernel($0 - $1)) }
    let indices = places.map { Int32(Swift.min(Swift.max($0, 0), last)) }
    return take(x, NDArray(indices), axis: axis) * NDArray(weights, shape).asType(x.dtype)
  }
  return taps.dropFirst().reduce(taps[0]) { $0 + $1 }
}
