// Convolution layers over inputs of shape `[batch, spatial axes, channels]`.
import Olivine

/// A weight uniform within `sqrt(1 / fan-in)`, of shape `[outputs, kernel, inputs / groups]`.
func initialKernel(
  _ name: String, _ inputChannels: Int, _ outputChannels: Int, _ kernel: [Int], _ groups: Int
) -> NDArray {
  guard groups > 0 && inputChannels % groups == 0 else {
    report(
      "[\(name)] expected inputChannels divisible by groups; got \(inputChannels) and \(groups)")
    return zeros([0])
  }
  let shape = [outputChannels] + kernel + [inputChannels / groups]
  return initialWeight(shape, inputs: shape.dropFirst().reduce(1, *))
}

/// What the descriptions of all convolutions show.
func describeConvolution(_ weight: NDArray, _ groups: Int, _ settings: String, _ bias: Bool)
  -> String
{
  let shape = weight.shape
  return
    "\(shape[shape.count - 1] * groups), \(shape[0]), "
    + "kernelSize=\(Array(shape[1..<shape.count - 1])), " + settings
    + ", groups=\(groups), bias=\(bias)"
}

func withBias(_ y: NDArray, _ bias: NDArray?) -> NDArray { bias.map { y + $0 } ?? y }

/// `x` of shape `[N, L, inputs]` correlated with a weight of shape `[outputs, K, inputs / groups]`.
/// The result has length `(L + 2 padding - dilation (K - 1) - 1) / stride + 1`.
open class Conv1d: Module, UnaryLayer {
  public let weight: NDArray
  public let bias: NDArray?
  public let padding: Int
  public let dilation: Int
  public let stride: Int
  public let groups: Int

  public init(
    inputChannels: Int, outputChannels: Int, kernelSize: Int, stride: Int = 1,
    padding: Int = 0, dilation: Int = 1, groups: Int = 1, bias: Bool = true
  ) {
    weight = initialKernel(
      "Conv1d", inputChannels, outputChannels, [kernelSize], groups)
    self.bias = bias ? zeros([outputChannels]) : nil
    self.padding = padding
    self.dilation = dilation
    self.stride = stride
    self.groups = groups
  }

  open override func describeExtra(_ indent: Int) -> String {
    describeConvolution(
      weight, groups, "stride=\(stride), padding=\(padding), dilation=\(dilation)", bias != nil)
  }

  open func callAsFunction(_ x: NDArray) -> NDArray {
    let y = conv1d(
      x, weight, stride: stride, padding: padding, dilation: dilation,
      groups: groups)
    return withBias(y, bias)
  }
}

/// As ``Conv1d`` for `[N, H, W, inputs]`; sizes are one for all axes or one for each.
open class Conv2d: Module, UnaryLayer {
  public let weight: NDArray
  public let bias: NDArray?
  public let padding: (Int, Int)
  public let dilation: (Int, Int)
  public let stride: (Int, Int)
  public let groups: Int

  public init(
    inputChannels: Int, outputChannels: Int, kernelSize: IntOrPair, stride: IntOrPair = 1,
    padding: IntOrPair = 0, dilation: IntOrPair = 1, groups: Int = 1, bias: Bool = true
  ) {
    weight = initialKernel(
      "Conv2d", inputChannels, outputChannels, [kernelSize.first, kernelSize.second], groups)
    self.bias = bias ? zeros([outputChannels]) : nil
    self.padding = padding.values
    self.dilation = dilation.values
    self.stride = stride.values
    self.groups = groups
  }

  open override func describeExtra(_ indent: Int) -> String {
    describeConvolution(
      weight, groups, "stride=\(stride), padding=\(padding), dilation=\(dilation)", bias != nil)
  }

  open func callAsFunction(_ x: NDArray) -> NDArray {
    let y = conv2d(
      x, weight, stride: IntOrPair(stride), padding: IntOrPair(padding),
      dilation: IntOrPair(dilation),
      groups: groups)
    return withBias(y, bias)
  }
}

/// As ``Conv1d`` for `[N, D, H, W, inputs]`; sizes are one for all axes or one for each.
open class Conv3d: Module, UnaryLayer {
  public let weight: NDArray
  public let bias: NDArray?
  public let padding: (Int, Int, Int)
  public let dilation: (Int, Int, Int)
  public let stride: (Int, Int, Int)
  public let groups: Int

  public init(
    inputChannels: Int, outputChannels: Int, kernelSize: IntOrTriple, stride: IntOrTriple = 1,
    padding: IntOrTriple = 0, dilation: IntOrTriple = 1, groups: Int = 1, bias: Bool = true
  ) {
    weight = initialKernel(
      "Conv3d", inputChannels, outputChannels,
      [kernelSize.first, kernelSize.second, kernelSize.third], groups)
    self.bias = bias ? zeros([outputChannels]) : nil
    self.padding = padding.values
    self.dilation = dilation.values
    self.stride = stride.values
    self.groups = groups
  }

  open override func describeExtra(_ indent: Int) -> String {
    describeConvolution(
      weight, groups, "stride=\(stride), padding=\(padding), dilation=\(dilation)", bias != nil)
  }

  open func callAsFunction(_ x: NDArray) -> NDArray {
    let y = conv3d(
      x, weight, stride: IntOrTriple(stride), padding: IntOrTriple(padding),
      dilation: IntOrTriple(dilation),
      groups: groups)
    return withBias(y, bias)
  }
}
