// Layers whose weights are stored in a few bits per element, and the quantization of models.
import Olivine

/// A layer that has a quantized form.
public protocol Quantizable {
  @available(*, deprecated, message: "Use toQuantized(groupSize:bits:mode:).")
  func toQuantized(groupSize: Int, bits: Int) -> Module
  func toQuantized(groupSize: Int, bits: Int, mode: QuantizationMode) -> Module
}

extension Quantizable {
  public func toQuantized(groupSize: Int, bits: Int) -> Module {
    toQuantized(groupSize: groupSize, bits: bits, mode: .affine)
  }
}

/// A layer with a quantized weight.
public protocol Quantized: Module {
  var groupSize: Int { get }
  var bits: Int { get }
  var mode: QuantizationMode { get }
}

/// The quantized form of a layer; nil if it has none.
public func quantizeSingle(
  layer: Module, groupSize: Int = 64, bits: Int = 4, mode: QuantizationMode = .affine
) -> Quantized? {
  if layer is Quantized { return nil }
  let quantized = (layer as? Quantizable)?.toQuantized(
    groupSize: groupSize, bits: bits, mode: mode)
  return quantized as? Quantized
}

/// Replaces the layers that `filter` accepts by their quantized form.
public func quantize(
  model: Module, groupSize: Int = 64, bits: Int = 4, mode: QuantizationMode = .affine,
  filter: (String, Module) -> Bool = { _, _ in true },
  apply: (Module, Int, Int, QuantizationMode) -> Module? = quantizeSingle(
    layer:groupSize:bits:mode:)
) {
  replaceLeaves(model) { path, layer in
    filter(path, layer) ? apply(layer, groupSize, bits, mode) : nil
  }
}

@_disfavoredOverload
@available(*, deprecated, message: "Use the form whose apply takes a mode.")
public func quantize(
  model: Module, groupSize: Int = 64, bits: Int = 4,
  filter: (String, Module) -> Bool = { _, _ in true },
  apply: (Module, Int, Int) -> Module? = { quantizeSingle(layer: $0, groupSize: $1, bits: $2) }
) {
  replaceLeaves(model) { path, layer in
    filter(path, layer) ? apply(layer, groupSize, bits) : nil
  }
}

/// Replaces the layers for which `filter` gives settings by their quantized form.
public func quantize(
  model: Module,
  filter: (String, Module) -> (groupSize: Int, bits: Int, mode: QuantizationMode)?,
  apply: (Module, Int, Int, QuantizationMode) -> Module? = quantizeSingle(
    layer:groupSize:bits:mode:)
) {
  replaceLeaves(model) { path, layer in
    filter(path, layer).flatMap { apply(layer, $0.groupSize, $0.bits, $0.mode) }
  }
}

@_disfavoredOverload
@available(*, deprecated, message: "Use the form whose filter gives a mode.")
public func quantize(
  model: Module, filter: (String, Module) -> (groupSize: Int, bits: Int)?,
  apply: (Module, Int, Int) -> Module? = { quantizeSingle(layer: $0, groupSize: $1, bits: $2) }
) {
  replaceLeaves(model) { path, layer in
    filter(path, layer).flatMap { apply(layer, $0.groupSize, $0.bits) }
  }
}

private func replaceLeaves(_ model: Module, _ replacement: (String, Module) -> Module?) {
  let leaves = model.leafModules().flattened().compactMap { path, layer in
    replacement(path, layer).map { (path, $0) }
  }
  model.update(modules: ModuleChildren.unflattened(leaves))
}

private func describe(_ layer: Quantized) -> String {
  "groupSize=\(layer.groupSize), bits=\(layer.bits), mode=\(layer.mode.rawValue)"
}

/// An embedding table of `[embeddingCount, dimensions]` whose rows are quantized; it is frozen.
open class QuantizedEmbedding: Embedding, Quantized {
  public let groupSize: Int
  public let bits: Int
  public let mode: QuantizationMode
  public let scales: NDArray
  public let biases: NDArray?
  @ParameterInfo(key: "global_scale") public private(set) var globalScale: NDArray?

  open override var shape: (Int, Int) {
    let (rows, columns) = super.shape
    return (rows, columns * 32 / bits)
  }

  public convenience init(
    embeddingCount: Int, dimensions: Int, groupSize: Int = 64, bits: Int = 4,
    mode: QuantizationMode = .affine
  ) {
    let table = Embedding(embeddingCount: embeddingCount, dimensions: dimensions)
    self.init(table, groupSize: groupSize, bits: bits, mode: mode)
  }
  public convenience init(
    _ other: Embedding, groupSize: Int = 64, bits: Int = 4, mode: QuantizationMode = .affine
  ) {
    self.init(weight: other.weight, groupSize: groupSize, bits: bits, mode: mode)
  }
  public init(
    weight: NDArray, groupSize: Int = 64, bits: Int = 4, mode: QuantizationMode = .affine,
    globalScale: NDArray? = nil
  ) {
    let (packed, scales, biases) = quantized(
      weight, groupSize: groupSize, bits: bits, mode: mode, globalScale: globalScale)
    self.groupSize = groupSize
    self.bits = bits
    self.mode = mode
    self.scales = scales
    self.biases = biases
    super.init(weight: packed)
    self.globalScale = globalScale
    freeze()
  }
  public init(
    weight: NDArray, scales: NDArray, biases: NDArray?, groupSize: Int, bits: Int,
    mode: QuantizationMode = .affine, globalScale: NDArray? = nil
  ) {
    self.groupSize = groupSize
    self.bits = bits
    self.mode = mode
    self.scales = scales
    self.biases = biases
    super.init(weight: weight)
    self.globalScale = globalScale
    freeze()
  }

  open override func describeExtra(_ indent: Int) -> String {
    "\(shape.0), \(shape.1), \(describe(self))"
  }

  open override func callAsFunction(_ x: NDArray) -> NDArray {
    dequantized(
      weight[x], scales: scales[x], biases: biases.map { $0[x] }, groupSize: groupSize, bits: bits,
      mode: mode, globalScale: globalScale)
  }

  open override func asLinear(_ x: NDArray) -> NDArray {
    multiply(x, weight, scales, biases, self, globalScale)
  }
}

/// `x.matmul(weight.T)` with a quantized weight.
private func multiply(
  _ x: NDArray, _ weight: NDArray, _ scales: NDArray, _ biases: NDArray?, _ layer: Quantized,
  _ globalScale: NDArray?
) -> NDArray {
  let y = quantizedMM(
    x, weight, scales: scales, biases: biases, transpose: true, groupSize: layer.groupSize,
    bits: layer.bits, mode: layer.mode)
  // Scales with a global scale g are relative to g / (448 * 6), the largest float8 by float4.
  guard let globalScale else { return y }
  return (y.asType(.float32) * (globalScale / 2688)).asType(y.dtype)
}

/// `x.matmul(weight.T) + bias` with a quantized weight of `[outputDimensions, inputDimensions]`; it
/// is frozen.
open class QuantizedLinear: Linear, Quantized {
  public let groupSize: Int
  public let bits: Int
  public let mode: QuantizationMode
  public let scales: NDArray
  public let biases: NDArray?
  @ParameterInfo(key: "global_scale") public private(set) var globalScale: NDArray?

  open override var shape: (Int, Int) {
    let (rows, columns) = super.shape
    return (rows, columns * 32 / bits)
  }

  public convenience init(
    _ inputDimensions: Int, _ outputDimensions: Int, bias: Bool = true, groupSize: Int = 64,
    bits: Int = 4, mode: QuantizationMode = .affine
  ) {
    let weight = initialWeight([outputDimensions, inputDimensions], inputs: inputDimensions)
    self.init(
      weight: weight, bias: bias ? zeros([outputDimensions]) : nil, groupSize: groupSize,
      bits: bits, mode: mode)
  }
  public convenience init(
    _ other: Linear, groupSize: Int = 64, bits: Int = 4, mode: QuantizationMode = .affine
  ) {
    self.init(
      weight: other.weight, bias: other.bias, groupSize: groupSize, bits: bits, mode: mode)
  }
  public init(
    weight: NDArray, bias: NDArray?, groupSize: Int = 64, bits: Int = 4,
    mode: QuantizationMode = .affine,
    globalScale: NDArray? = nil
  ) {
    let (packed, scales, biases) = quantized(
      weight, groupSize: groupSize, bits: bits, mode: mode, globalScale: globalScale)
    self.groupSize = groupSize
    self.bits = bits
    self.mode = mode
    self.scales = scales
    self.biases = biases
    super.init(weight: packed, bias: bias)
    self.globalScale = globalScale
    freeze()
  }
  public init(
    weight: NDArray, bias: NDArray? = nil, scales: NDArray, biases: NDArray?, groupSize: Int,
    bits: Int, mode: QuantizationMode = .affine, globalScale: NDArray? = nil
  ) {
    self.groupSize = groupSize
    self.bits = bits
    self.mode = mode
    self.scales = scales
    self.biases = biases
    super.init(weight: weight, bias: bias)
    self.globalScale = globalScale
    freeze()
  }

  /// As in ``Module``, but quantized weights have no gradients and stay frozen.
  public override func unfreeze(
    recursive: Bool = true, keys: [String]? = nil, strict: Bool = false
  ) throws {
    try super.unfreeze(recursive: recursive, keys: keys, strict: strict)
    freeze(recursive: false)
  }

  open override func describeExtra(_ indent: Int) -> String {
    "\(super.describeExtra(indent)), \(describe(self))"
  }

  open override func callAsFunction(_ x: NDArray) -> NDArray {
    withBias(multiply(x, weight, scales, biases, self, globalScale), bias)
  }

  @available(*, deprecated, message: "Use init(_:groupSize:bits:mode:).")
  public static func from(linear: Linear, groupSize: Int = 64, bits: Int = 4) -> QuantizedLinear {
    QuantizedLinear(linear, groupSize: groupSize, bits: bits)
  }

  @available(*, deprecated, message: "Use quantize(model:groupSize:bits:mode:filter:apply:).")
  public static func quantize(
    model: Module, groupSize: Int = 64, bits: Int = 4, predicate: (Linear) -> Bool = { _ in true }
  ) {
    replaceLeaves(model) { _, layer in
      guard let linear = layer as? Linear, !(layer is Quantized), predicate(linear) else {
        return nil
      }
      return QuantizedLinear(linear, groupSize: groupSize, bits: bits)
    }
  }
}
