// Normalization layers: over the features (layer, RMS), groups, instances or the batch.
import Olivine

private func affine(_ x: NDArray, _ weight: NDArray?, _ bias: NDArray?) -> NDArray {
  guard let weight, let bias else { return x }
  return weight * x + bias
}

/// Normalizes every channel of every example of `[batch, spatial axes, dimensions]` over its
/// spatial axes. Source: Ulyanov et al., "Instance Normalization" (2016).
open class InstanceNorm: Module, UnaryLayer {
  public let dimensions: Int
  public let eps: Float
  public let weight: NDArray?
  public let bias: NDArray?

  public init(dimensions: Int, eps: Float = 1e-5, affine: Bool = false) {
    self.dimensions = dimensions
    self.eps = eps
    weight = affine ? ones([dimensions]) : nil
    bias = affine ? zeros([dimensions]) : nil
  }

  open override func describeExtra(_ indent: Int) -> String {
    "\(dimensions), eps=\(eps), affine=\(weight != nil)"
  }

  open func callAsFunction(_ x: NDArray) -> NDArray {
    guard x.ndim > 2 else {
      report("[InstanceNorm] expected at least 3 dimensions; got shape \(x.shape)")
      return x
    }
    let axes = Array(1..<x.ndim - 1)
    let mean = mean(x, axes: axes, keepDims: true)
    let variance = variance(x, axes: axes, keepDims: true)
    return affine((x - mean) * rsqrt(variance + eps), weight, bias)
  }
}

/// Normalizes the last axis to mean 0 and variance 1, then scales and shifts it. Source: Ba et al.,
/// "Layer Normalization" (2016).
open class LayerNorm: Module, UnaryLayer {
  public let dimensions: Int
  public let eps: Float
  public let weight: NDArray?
  public let bias: NDArray?

  public init(dimensions: Int, eps: Float = 1e-5, affine: Bool = true, bias: Bool = true) {
    self.dimensions = dimensions
    self.eps = eps
    weight = affine ? ones([dimensions]) : nil
    self.bias = affine && bias ? zeros([dimensions]) : nil
  }

  open override func describeExtra(_ indent: Int) -> String {
    "\(dimensions), eps=\(eps), affine=\(weight != nil)"
  }

  open func callAsFunction(_ x: NDArray) -> NDArray {
    MLXFast.layerNorm(x, weight: weight, bias: bias, eps: eps)
  }
}

/// Divides the last axis by its root mean square, then scales it. Source: Zhang and Sennrich, "Root
/// Mean Square Layer Normalization" (2019).
open class RMSNorm: Module, UnaryLayer {
  public let weight: NDArray
  public let eps: Float

  public init(dimensions: Int, eps: Float = 1e-5) {
    weight = ones([dimensions])
    self.eps = eps
  }

  public override func describeExtra(_ indent: Int) -> String { "\(weight.dim(0)), eps=\(eps)" }

  open func callAsFunction(_ x: NDArray) -> NDArray { MLXFast.rmsNorm(x, weight: weight, eps: eps) }
}

/// Normalizes groups of channels of every example of `[batch, spatial axes, dimensions]`. With
/// `pytorchCompatible`, a group is `dimensions / groupCount` neighbouring channels, as in the
/// paper; otherwise channel `c` is in group `c % groupCount`. Source: Wu and He (2018).
open class GroupNorm: Module, UnaryLayer {
  public let groupCount: Int
  public let dimensions: Int
  public let eps: Float
  public let pytorchCompatible: Bool
  public let weight: NDArray?
  public let bias: NDArray?

  public init(
    groupCount: Int, dimensions: Int, eps: Float = 1e-5, affine: Bool = true,
    pytorchCompatible: Bool = false
  ) {
    if groupCount < 1 || dimensions % groupCount != 0 {
      report(
        "[GroupNorm] expected dimensions divisible by groupCount; "
          + "got \(dimensions) and \(groupCount)"
      )
    }
    self.groupCount = groupCount
    self.dimensions = dimensions
    self.eps = eps
    self.pytorchCompatible = pytorchCompatible
    weight = affine ? ones([dimensions]) : nil
    bias = affine ? zeros([dimensions]) : nil
  }

  open override func describeExtra(_ indent: Int) -> String {
    "\(groupCount), \(dimensions), eps=\(eps), affine=\(weight != nil), "
      + "pytorchCompatible=\(pytorchCompatible)"
  }

  open func callAsFunction(_ x: NDArray) -> NDArray {
    affine(pytorchCompatible ? normalizeNeighbours(x) : normalizeStrided(x), weight, bias)
  }

  private func normalizeNeighbours(_ x: NDArray) -> NDArray {
    let (batch, size) = (x.dim(0), dimensions / groupCount)
    var y = x.reshaped(batch, -1, groupCount, size).transposed(0, 2, 1, 3)
    y = MLXFast.layerNorm(y.reshaped(batch, groupCount, -1), eps: eps)
    y = y.reshaped(batch, groupCount, -1, size).transposed(0, 2, 1, 3)
    return y.reshaped(x.shape)
  }

  private func normalizeStrided(_ x: NDArray) -> NDArray {
    let y = x.reshaped(x.dim(0), -1, groupCount)
    let mean = mean(y, axis: 1, keepDims: true)
    let variance = variance(y, axis: 1, keepDims: true)
    return ((y - mean) * rsqrt(variance + eps)).reshaped(x.shape)
  }
}

/// Normalizes every channel of `[N, C]`, `[N, L, C]` or `[N, H, W, C]` over the batch and the
/// spatial axes. Training uses the batch's own statistics and updates the running ones, which
/// evaluation uses. Source: Ioffe and Szegedy, "Batch Normalization" (2015).
open class BatchNorm: Module, UnaryLayer {
  public let featureCount: Int
  public let eps: Float
  public let momentum: Float
  public let weight: NDArray?
  public let bias: NDArray?
  @ParameterInfo(key: "running_mean") var runningMean: NDArray?
  @ParameterInfo(key: "running_var") var runningVar: NDArray?

  public init(
    featureCount: Int, eps: Float = 1e-5, momentum: Float = 0.1, affine: Bool = true,
    trackRunningStats: Bool = true
  ) {
    self.featureCount = featureCount
    self.eps = eps
    self.momentum = momentum
    weight = affine ? ones([featureCount]) : nil
    bias = affine ? zeros([featureCount]) : nil
    super.init()
    if trackRunningStats {
      runningMean = zeros([featureCount])
      runningVar = ones([featureCount])
      freezeStatistics()
    }
  }

  private func freezeStatistics() {
    if runningMean != nil { freeze(recursive: false, keys: ["running_mean", "running_var"]) }
  }

  /// As in ``Module``, but the running statistics never become trainable.
  public override func unfreeze(
    recursive: Bool = true, keys: [String]? = nil, strict: Bool = false
  ) throws {
    try super.unfreeze(recursive: recursive, keys: keys, strict: strict)
    freezeStatistics()
  }

  open override func describeExtra(_ indent: Int) -> String {
    "\(featureCount), eps=\(eps), momentum=\(momentum), affine=\(weight != nil), "
      + "trackRunningStats=\(runningMean != nil)"
  }

  private func updateStatistics(_ x: NDArray, _ mean: NDArray, _ variance: NDArray) {
    guard let runningMean, let runningVar else { return }
    let count = Double(x.size / Swift.max(x.dim(-1), 1))
    // The running variance is the unbiased estimate, the one used for normalizing is not.
    let unbiased = variance * Float(count / Swift.max(count - 1, 1))
    let kept = Float(1 - exact(momentum))
    runningMean._updateInternal(kept * runningMean + momentum * mean)
    runningVar._updateInternal(kept * runningVar + momentum * unbiased)
  }

  open func callAsFunction(_ x: NDArray) -> NDArray {
    guard (2...4).contains(x.ndim) else {
      report("[BatchNorm] expected 2 to 4 dimensions; got shape \(x.shape)")
      return x
    }
    let mean: NDArray
    let variance: NDArray
    if !training, let runningMean, let runningVar {
      (mean, variance) = (runningMean, runningVar)
    } else {
      let axes = Array(0..<x.ndim - 1)
      mean = Olivine.mean(x, axes: axes)
      variance = Olivine.variance(x, axes: axes)
      if training { updateStatistics(x, mean, variance) }
    }
    return affine((x - mean) * rsqrt(variance + eps), weight, bias)
  }
}
