// Pooling layers over inputs of shape `[batch, spatial axes, channels]`.
import Olivine

/// Reduces windows along the spatial axes; subclasses name the reduction.
open class Pool: Module, UnaryLayer {
  public let kernelSize: [Int]
  public let stride: [Int]
  public let padding: [Int]
  public let paddingValue: Float
  /// The axes of the elements of a window, in an array of windows.
  public let axes: [Int]
  public let poolingOp: (NDArray, [Int]) -> NDArray

  init(
    _ kernelSize: [Int], _ stride: [Int], _ padding: [Int], _ paddingValue: Float,
    _ poolingOp: @escaping (NDArray, [Int]) -> NDArray
  ) {
    self.kernelSize = kernelSize
    self.stride = stride
    self.padding = padding
    self.paddingValue = paddingValue
    self.poolingOp = poolingOp
    axes = Array(-kernelSize.count - 1 ..< -1)
    super.init()
    if (kernelSize + stride).contains(where: { $0 < 1 }) || padding.contains(where: { $0 < 0 }) {
      report(
        "[\(name(of: self))] expected kernelSize and stride >= 1 and padding >= 0; "
          + "got \(kernelSize), \(stride) and \(padding)")
    }
  }

  open override func describeExtra(_ indent: Int) -> String {
    "kernelSize=\(kernelSize), stride=\(stride), padding=\(padding)"
  }

  open func callAsFunction(_ x: NDArray) -> NDArray {
    guard x.ndim == kernelSize.count + 2 else {
      report(
        "[\(name(of: self))] expected \(kernelSize.count + 2) dimensions, batch first and channels "
          + "last; got shape \(x.shape)")
      return x
    }
    var x = x
    if padding.contains(where: { $0 > 0 }) {
      let widths = [IntOrPair(0)] + padding.map { IntOrPair($0) } + [IntOrPair(0)]
      x = padded(x, widths: widths, value: NDArray(paddingValue).asType(x.dtype))
    }
    let spatial = x.shape[1...kernelSize.count]
    if kernelSize == stride && zip(spatial, kernelSize).allSatisfy({ $0 % $1 == 0 }) {
      return poolingOp(tiles(x), axes)
    }
    return poolingOp(windows(x), axes)
  }

  /// Windows that share no element: a reshape and a transpose, whose gradient is cheap.
  private func tiles(_ x: NDArray) -> NDArray {
    let n = kernelSize.count
    let pairs = (0..<n).flatMap { [x.dim($0 + 1) / kernelSize[$0], kernelSize[$0]] }
    let order = [0] + (0..<n).map { 2 * $0 + 1 } + (1...n).map { 2 * $0 } + [2 * n + 1]
    return x.reshaped([x.dim(0)] + pairs + [x.dim(-1)]).transposed(axes: order)
  }

  /// Windows as a view of shape `[N, positions, sizes, C]`; those beyond an edge are left out.
  private func windows(_ x: NDArray) -> NDArray {
    let n = kernelSize.count
    let spatial = Array(x.shape[1...n])
    let counts = (0..<n).map { i in
      spatial[i] < kernelSize[i] ? 0 : (spatial[i] - kernelSize[i]) / stride[i] + 1
    }
    var steps = [x.dim(-1)]
    for size in spatial.reversed() { steps.insert(steps[0] * size, at: 0) }
    let strides = [steps[0]] + (0..<n).map { steps[$0 + 1] * stride[$0] } + steps[1...] + [1]
    return asStrided(
      contiguous(x), [x.dim(0)] + counts + kernelSize + [x.dim(-1)], strides: strides)
  }
}

private func largest(_ x: NDArray, _ axes: [Int]) -> NDArray { max(x, axes: axes) }
private func average(_ x: NDArray, _ axes: [Int]) -> NDArray { mean(x, axes: axes) }

/// The largest value of every window of `[N, L, C]`; both ends are padded with -inf.
open class MaxPool1d: Pool {
  public init(kernelSize: Int, stride: Int, padding: Int = 0) {
    super.init(
      [kernelSize], [stride], [padding], -.infinity, largest)
  }
}

/// The largest value of every window of `[N, H, W, C]`; both ends are padded with -inf.
open class MaxPool2d: Pool {
  public init(kernelSize: IntOrPair, stride: IntOrPair, padding: IntOrPair = 0) {
    super.init(
      [kernelSize.first, kernelSize.second],
      [stride.first, stride.second],
      [padding.first, padding.second], -.infinity, largest)
  }
}

/// The largest value of every window of `[N, D, H, W, C]`; both ends are padded with -inf.
open class MaxPool3d: Pool {
  public init(kernelSize: IntOrTriple, stride: IntOrTriple, padding: IntOrTriple = 0) {
    super.init(
      [kernelSize.first, kernelSize.second, kernelSize.third],
      [stride.first, stride.second, stride.third],
      [padding.first, padding.second, padding.third], -.infinity, largest)
  }
}

/// The mean of every window of `[N, L, C]`; both ends are padded with 0, which counts.
open class AvgPool1d: Pool {
  public init(kernelSize: Int, stride: Int, padding: Int = 0) {
    super.init(
      [kernelSize], [stride], [padding], 0, average)
  }
}

/// The mean of every window of `[N, H, W, C]`; both ends are padded with 0, which counts.
open class AvgPool2d: Pool {
  public init(kernelSize: IntOrPair, stride: IntOrPair, padding: IntOrPair = 0) {
    super.init(
      [kernelSize.first, kernelSize.second],
      [stride.first, stride.second],
      [padding.first, padding.second], 0, average)
  }
}

/// The mean of every window of `[N, D, H, W, C]`; both ends are padded with 0, which counts.
open class AvgPool3d: Pool {
  public init(kernelSize: IntOrTriple, stride: IntOrTriple, padding: IntOrTriple = 0) {
    super.init(
      [kernelSize.first, kernelSize.second, kernelSize.third],
      [stride.first, stride.second, stride.third],
      [padding.first, padding.second, padding.third], 0, average)
  }
}
