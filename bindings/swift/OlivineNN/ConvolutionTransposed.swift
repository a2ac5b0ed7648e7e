// Transposed convolution layers: what the gradient of a convolution does to its input.
import Olivine

/// `x` of shape `[N, L, inputs]`, weight of shape `[outputs, K, inputs / groups]`. The result has
/// length `(L - 1) stride - 2 padding + dilation (K - 1) + outputPadding + 1`.
open class ConvTransposed1d: Module, UnaryLayer {
  public let weight: NDArray
  public let bias: NDArray?
  public let padding: Int
  public let dilation: Int
  public let outputPadding: Int
  public let stride: Int
  public let groups: Int

  public init(
    inputChannels: Int, outputChannels: Int, kernelSize: Int, stride: Int = 1,
    padding: Int = 0, outputPadding: Int = 0, dilation: Int = 1, groups: Int = 1, bias: Bool = true
  ) {
    weight = initialKernel(
      "ConvTransposed1d", inputChannels, outputChannels, [kernelSize], groups)
    self.bias = bias ? zeros([outputChannels]) : nil
    self.padding = padding
    self.dilation = dilation
    self.outputPadding = outputPadding
    self.stride = stride
    self.groups = groups
  }

  open override func describeExtra(_ indent: Int) -> String {
    describeConvolution(
      weight, groups,
      "stride=\(stride), padding=\(padding), dilation=\(dilation), outputPadding=\(outputPadding)",
      bias != nil)
  }

  open func callAsFunction(_ x: NDArray) -> NDArray {
    let y = convTransposed1d(
      x, weight, stride: stride, padding: padding, dilation: dilation,
      outputPadding: outputPadding,
      groups: groups)
    return withBias(y, bias)
  }
}

/// As ``ConvTransposed1d`` for `[N, H, W, inputs]`; sizes are one for all axes or one for each.
open class ConvTransposed2d: Module, UnaryLayer {
  public let weight: NDArray
  public let bias: NDArray?
  public let padding: (Int, Int)
  public let dilation: (Int, Int)
  public let outputPadding: (Int, Int)
  public let stride: (Int, Int)
  public let groups: Int

  public init(
    inputChannels: Int, outputChannels: Int, kernelSize: IntOrPair, stride: IntOrPair = 1,
    padding: IntOrPair = 0, outputPadding: IntOrPair = 0, dilation: IntOrPair = 1, groups: Int = 1,
    bias: Bool = true
  ) {
    weight = initialKernel(
      "ConvTransposed2d", inputChannels, outputChannels, [kernelSize.first, kernelSize.second],
      groups)
    self.bias = bias ? zeros([outputChannels]) : nil
    self.padding = padding.values
    self.dilation = dilation.values
    self.outputPadding = outputPadding.values
    self.stride = stride.values
    self.groups = groups
  }

  open override func describeExtra(_ indent: Int) -> String {
    describeConvolution(
      weight, groups,
      "stride=\(stride), padding=\(padding), dilation=\(dilation), outputPadding=\(outputPadding)",
      bias != nil)
  }

  open func callAsFunction(_ x: NDArray) -> NDArray {
    let y = convTransposed2d(
      x, weight, stride: IntOrPair(stride), padding: IntOrPair(padding),
      dilation: IntOrPair(dilation),
      outputPadding: IntOrPair(outputPadding),
      groups: groups)
    return withBias(y, bias)
  }
}

/// As ``ConvTransposed1d`` for `[N, D, H, W, inputs]`; sizes are one for all axes or one for each.
open class ConvTransposed3d: Module, UnaryLayer {
  public let weight: NDArray
  public let bias: NDArray?
  public let padding: (Int, Int, Int)
  public let dilation: (Int, Int, Int)
  public let outputPadding: (Int, Int, Int)
  public let stride: (Int, Int, Int)
  public let groups: Int

  public init(
    inputChannels: Int, outputChannels: Int, kernelSize: IntOrTriple, stride: IntOrTriple = 1,
    padding: IntOrTriple = 0, outputPadding: IntOrTriple = 0, dilation: IntOrTriple = 1,
    groups: Int = 1, bias: Bool = true
  ) {
    weight = initialKernel(
      "ConvTransposed3d", inputChannels, outputChannels,
      [kernelSize.first, kernelSize.second, kernelSize.third], groups)
    self.bias = bias ? zeros([outputChannels]) : nil
    self.padding = padding.values
    self.dilation = dilation.values
    self.outputPadding = outputPadding.values
    self.stride = stride.values
    self.groups = groups
  }

  open override func describeExtra(_ indent: Int) -> String {
    describeConvolution(
      weight, groups,
      "stride=\(stride), padding=\(padding), dilation=\(dilation), outputPadding=\(outputPadding)",
      bias != nil)
  }

  open func callAsFunction(_ x: NDArray) -> NDArray {
    let y = convTransposed3d(
      x, weight, stride: IntOrTriple(stride), padding: IntOrTriple(padding),
      dilation: IntOrTriple(dilation),
      outputPadding: IntOrTriple(outputPadding),
      groups: groups)
    return withBias(y, bias)
  }
}
