// Multi-head attention and the encoder-decoder transformer made of it.
import Olivine

/// Attention of queries over keys and values, each `[batch, length, features]`, in `numHeads`
/// subspaces. `mask` is added to the scores (or, if boolean, keeps those where it is true). Source:
/// Vaswani et al., "Attention Is All You Need" (2017).
open class MultiHeadAttention: Module {
  public let numHeads: Int
  @ModuleInfo(key: "query_proj") public var queryProjection: UnaryLayer
  @ModuleInfo(key: "key_proj") public var keyProjection: UnaryLayer
  @ModuleInfo(key: "value_proj") public var valueProjection: UnaryLayer
  @ModuleInfo(key: "out_proj") public var outProjection: UnaryLayer

  public init(
    dimensions: Int, numHeads: Int, queryInputDimensions: Int? = nil,
    keyInputDimensions: Int? = nil, valueInputDimensions: Int? = nil, valueDimensions: Int? = nil,
    valueOutputDimensions: Int? = nil, bias: Bool = false
  ) {
    if numHeads < 1 || dimensions % numHeads != 0 {
      report(
        "[MultiHeadAttention] expected dimensions divisible by numHeads; "
          + "got \(dimensions) and \(numHeads)")
    }
    self.numHeads = numHeads
    super.init()
    let keyInputs = keyInputDimensions ?? dimensions
    let values = valueDimensions ?? dimensions
    queryProjection = Linear(queryInputDimensions ?? dimensions, dimensions, bias: bias)
    keyProjection = Linear(keyInputs, dimensions, bias: bias)
    valueProjection = Linear(valueInputDimensions ?? keyInputs, values, bias: bias)
    outProjection = Linear(values, valueOutputDimensions ?? dimensions, bias: bias)
  }

  /// `[batch, length, features]` as `[batch, heads, length, features of a head]`.
  private func heads(_ x: NDArray) -> NDArray {
    unflatten(x, axis: -1, shape: [numHeads, -1]).transposed(0, 2, 1, 3)
  }

  open func callAsFunction(
    _ queries: NDArray, keys: NDArray, values: NDArray, mask: NDArray? = nil
  ) -> NDArray {
    let queries = heads(queryProjection(queries))
    let keys = heads(keyProjection(keys))
    let values = heads(valueProjection(values))
    let scale = Float((1 / Double(queries.dim(-1))).squareRoot())
    let output = MLXFast.scaledDotProductAttention(
      queries: queries, keys: keys, values: values, scale: scale, mask: mask)
    return outProjection(output.transposed(0, 2, 1, 3).flattened(start: -2, end: -1))
  }

  /// An `[n, n]` mask: 0 for what a position may see, the lowest finite value for the rest.
  public static func createAdditiveCausalMask(_ n: Int, dtype: DType = .float32) -> NDArray {
    let positions = NDArray.arange(n)
    let future = positions.reshaped(-1, 1) .< positions.reshaped(1, -1)
    return future.asType(dtype) * NDArray.maskFill(for: dtype)
  }
}

/// Self-attention and a two-layer MLP, each with a residual connection and layer norm.
class TransformerEncoderLayer: Module {
  let attention: MultiHeadAttention
  let ln1: LayerNorm
  let ln2: LayerNorm
  @ModuleInfo var linear1: Linear
  @ModuleInfo var linear2: Linear
  let dropout1: Dropout
  let dropout2: Dropout
  let activation: UnaryLayer
  let normFirst: Bool

  init(_ settings: TransformerSettings) {
    let dimensions = settings.dimensions
    attention = MultiHeadAttention(dimensions: dimensions, numHeads: settings.numHeads)
    ln1 = LayerNorm(dimensions: dimensions)
    ln2 = LayerNorm(dimensions: dimensions)
    dropout1 = Dropout(p: settings.dropout)
    dropout2 = Dropout(p: settings.dropout)
    activation = settings.activation
    normFirst = settings.normFirst
    super.init()
    linear1 = Linear(dimensions, settings.mlpDimensions)
    linear2 = Linear(settings.mlpDimensions, dimensions)
  }

  private func mlp(_ x: NDArray) -> NDArray { linear2(dropout2(activation(linear1(x)))) }

  func callAsFunction(_ x: NDArray, mask: NDArray) -> NDArray {
    if normFirst {
      let y = ln1(x)
      let x = x + dropout1(attention(y, keys: y, values: y, mask: mask))
      return x + mlp(ln2(x))
    }
    let x = ln1(x + dropout1(attention(x, keys: x, values: x, mask: mask)))
    return ln2(x + mlp(x))
  }
}

/// Self-attention, attention over the encoder's output, and a two-layer MLP.
class TransformerDecoderLayer: Module {
  @ModuleInfo(key: "self_attention") var selfAttention: MultiHeadAttention
  @ModuleInfo(key: "cross_attention") var crossAttention: MultiHeadAttention
  let ln1: LayerNorm
  let ln2: LayerNorm
  let ln3: LayerNorm
  @ModuleInfo var linear1: Linear
  @ModuleInfo var linear2: Linear
  let dropout1: Dropout
  let dropout2: Dropout
  let dropout3: Dropout
  let activation: UnaryLayer
  let normFirst: Bool

  init(_ settings: TransformerSettings) {
    let dimensions = settings.dimensions
    ln1 = LayerNorm(dimensions: dimensions)
    ln2 = LayerNorm(dimensions: dimensions)
    ln3 = LayerNorm(dimensions: dimensions)
    dropout1 = Dropout(p: settings.dropout)
    dropout2 = Dropout(p: settings.dropout)
    dropout3 = Dropout(p: settings.dropout)
    activation = settings.activation
    normFirst = settings.normFirst
    super.init()
    selfAttention = MultiHeadAttention(dimensions: dimensions, numHeads: settings.numHeads)
    crossAttention = MultiHeadAttention(dimensions: dimensions, numHeads: settings.numHeads)
    linear1 = Linear(dimensions, settings.mlpDimensions)
    linear2 = Linear(settings.mlpDimensions, dimensions)
  }

  private func mlp(_ x: NDArray) -> NDArray { linear2(dropout3(activation(linear1(x)))) }

  func callAsFunction(
    _ x: NDArray, memory: NDArray, mask: NDArray, memoryMask: NDArray
  ) -> NDArray {
    if normFirst {
      var y = ln1(x)
      var x = x + dropout1(selfAttention(y, keys: y, values: y, mask: mask))
      y = ln2(x)
      x = x + dropout2(crossAttention(y, keys: memory, values: memory, mask: memoryMask))
      return x + mlp(ln3(x))
    }
    var x = ln1(x + dropout1(selfAttention(x, keys: x, values: x, mask: mask)))
    x = ln2(x + dropout2(crossAttention(x, keys: memory, values: memory, mask: memoryMask)))
    return ln3(x + mlp(x))
  }
}

/// A stack of encoder layers and a last layer norm.
class TransformerEncoder: Module {
  let layers: [TransformerEncoderLayer]
  let ln: LayerNorm

  init(layerCount: Int, _ settings: TransformerSettings) {
    layers = (0..<layerCount).map { _ in TransformerEncoderLayer(settings) }
    ln = LayerNorm(dimensions: settings.dimensions)
  }

  func callAsFunction(_ x: NDArray, mask: NDArray) -> NDArray {
    ln(layers.reduce(x) { x, layer in layer(x, mask: mask) })
  }
}

/// A stack of decoder layers and a last layer norm.
class TransformerDecoder: Module {
  let layers: [TransformerDecoderLayer]
  let ln: LayerNorm

  init(layerCount: Int, _ settings: TransformerSettings) {
    layers = (0..<layerCount).map { _ in TransformerDecoderLayer(settings) }
    ln = LayerNorm(dimensions: settings.dimensions)
  }

  func callAsFunction(
    _ x: NDArray, memory: NDArray, mask: NDArray, memoryMask: NDArray
  ) -> NDArray {
    ln(
      layers.reduce(x) { x, layer in
        layer(x, memory: memory, mask: mask, memoryMask: memoryMask)
      })
  }
}

/// What all layers of a transformer share.
struct TransformerSettings {
  var dimensions: Int
  var numHeads: Int
  var mlpDimensions: Int
  var dropout: Float
  var activation: UnaryLayer
  var normFirst: Bool
}

/// Encoder and decoder together.
open class Transformer: Module {
  let encoder: TransformerEncoder
  let decoder: TransformerDecoder

  public init(
    dimensions: Int = 512, numHeads: Int = 8, encoderLayerCount: Int = 6,
    decoderLayerCount: Int = 6, mlpDimensions: Int? = nil, dropout: Float = 0.0,
    activation: UnaryLayer = ReLU(), normFirst: Bool = false
  ) {
    let settings = TransformerSettings(
      dimensions: dimensions, numHeads: numHeads, mlpDimensions: mlpDimensions ?? 4 * dimensions,
      dropout: dropout, activation: activation, normFirst: normFirst)
    encoder = TransformerEncoder(layerCount: encoderLayerCount, settings)
    decoder = TransformerDecoder(layerCount: decoderLayerCount, settings)
  }

  open func callAsFunction(
    source: NDArray, target: NDArray, sourceMask: NDArray, targetMask: NDArray, memoryMask: NDArray
  ) -> NDArray {
    let memory = encoder(source, mask: sourceMask)
    return decoder(target, memory: memory, mask: targetMask, memoryMask: memoryMask)
  }
}
