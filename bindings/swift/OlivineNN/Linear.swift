// Linear layers: affine maps of the last axis, the identity, and the bilinear form.
import Olivine

/// Returns its input.
public class Identity: Module, UnaryLayer {
  public func callAsFunction(_ x: NDArray) -> NDArray { x }
}

/// An array of values within `sqrt(1 / inputs)`, where many weights start.
func initialWeight(_ shape: [Int], inputs: Int) -> NDArray {
  guard inputs > 0 && shape.allSatisfy({ $0 >= 0 }) else {
    report("[Module] expected positive dimensions; got \(inputs) inputs and shape \(shape)")
    return zeros([0])
  }
  let bound = Float((1 / Double(inputs)).squareRoot())
  return MLXRandom.uniform(low: -bound, high: bound, shape)
}

/// `x.matmul(weight.T) + bias`, with `weight` of shape `[outputDimensions, inputDimensions]`.
open class Linear: Module, UnaryLayer, Quantizable {
  public let weight: NDArray
  public let bias: NDArray?

  open var shape: (Int, Int) { weight.shape2 }

  public init(_ inputDimensions: Int, _ outputDimensions: Int, bias: Bool = true) {
    weight = initialWeight([outputDimensions, inputDimensions], inputs: inputDimensions)
    self.bias = bias ? initialWeight([outputDimensions], inputs: inputDimensions) : nil
  }
  public convenience init(inputDimensions: Int, outputDimensions: Int, bias: Bool = true) {
    self.init(inputDimensions, outputDimensions, bias: bias)
  }
  public init(weight: NDArray, bias: NDArray? = nil) {
    self.weight = weight
    self.bias = bias
  }

  open override func describeExtra(_ indent: Int) -> String {
    "inputDimensions=\(shape.1), outputDimensions=\(shape.0), bias=\(bias != nil)"
  }

  open func callAsFunction(_ x: NDArray) -> NDArray {
    if let bias { return addMM(bias, x, weight.T) }
    return matmul(x, weight.T)
  }

  /// A ``QuantizedLinear`` with this weight.
  public func toQuantized(groupSize: Int, bits: Int, mode: QuantizationMode) -> Module {
    QuantizedLinear(self, groupSize: groupSize, bits: bits, mode: mode)
  }
}

/// `y[k] = sum_ij x1[i] weight[k, j, i] x2[j] + bias[k]` over the last axes of the inputs.
open class Bilinear: Module {
  public let weight: NDArray
  public let bias: NDArray?

  public init(
    _ inputDimensions1: Int, _ inputDimensions2: Int, _ outputDimensions: Int, bias: Bool = true
  ) {
    weight = initialWeight(
      [outputDimensions, inputDimensions2, inputDimensions1], inputs: inputDimensions1)
    self.bias = bias ? initialWeight([outputDimensions], inputs: inputDimensions1) : nil
  }

  public override func describeExtra(_ indent: Int) -> String {
    let (outputs, inputs2, inputs1) = weight.shape3
    return "inputDimensions1=\(inputs1), inputDimensions2=\(inputs2), outputDimensions=\(outputs), "
      + "bias=\(bias != nil)"
  }

  open func callAsFunction(_ x1: NDArray, _ x2: NDArray) -> NDArray {
    let (outputs, inputs2, inputs1) = weight.shape3
    // First all outputs' products with x1, then one small product with x2 per row.
    let rows = matmul(x1.reshaped(-1, inputs1), weight.reshaped(-1, inputs1).T)
      .reshaped(-1, outputs, inputs2)
    let y = matmul(x2.reshaped(-1, 1, inputs2), rows.swappedAxes(-2, -1))
      .reshaped(x1.shape.dropLast() + [outputs])
    return bias.map { y + $0 } ?? y
  }
}
