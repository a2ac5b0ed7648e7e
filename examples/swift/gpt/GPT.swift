// A GPT-style language model of characters; names and sizes are those of `olivine train-lm`.
import Foundation
import Olivine
import OlivineNN

/// The sizes of a model; `context` is the most tokens it can look at.
public struct GPTConfig: Codable, Sendable {
  public var vocabSize: Int
  public var context = 64
  public var layers = 4
  public var heads = 4
  public var dims = 128
  public var dropout: Float = 0
  public var tied = true

  public init(vocabSize: Int) { self.vocabSize = vocabSize }

  enum CodingKeys: String, CodingKey {
    case vocabSize = "vocab_size"
    case context, layers, heads, dims, dropout, tied
  }
}

/// The keys and values of the tokens that an attention layer has seen so far.
public class KVCache {
  private var keys: MLXArray?
  private var values: MLXArray?
  var count: Int { keys?.dim(-2) ?? 0 }

  func extend(_ newKeys: MLXArray, _ newValues: MLXArray) -> (MLXArray, MLXArray) {
    let allKeys = keys.map { concatenated([$0, newKeys], axis: -2) } ?? newKeys
    let allValues = values.map { concatenated([$0, newValues], axis: -2) } ?? newValues
    (keys, values) = (allKeys, allValues)
    return (allKeys, allValues)
  }
}

class Attention: Module {
  let heads: Int
  let qkv: Linear
  let out: Linear

  init(_ config: GPTConfig) {
    heads = config.heads
    qkv = Linear(config.dims, 3 * config.dims)
    out = Linear(config.dims, config.dims)
  }

  func callAsFunction(_ x: MLXArray, _ cache: KVCache?) -> MLXArray {
    let (batch, length, dims) = x.shape3
    let all = qkv(x).reshaped(batch, length, 3 * heads, -1).transposed(0, 2, 1, 3)
    let parts = split(all, parts: 3, axis: 1)
    let (keys, values) = cache?.extend(parts[1], parts[2]) ?? (parts[1], parts[2])
    // A single new token may look at everything, so it needs no mask.
    let y = MLXFast.scaledDotProductAttention(
      queries: parts[0], keys: keys, values: values, scale: 1 / Float(dims / heads).squareRoot(),
      mask: length > 1 ? .causal : .none)
    return out(y.transposed(0, 2, 1, 3).reshaped(batch, length, dims))
  }
}

class FeedForward: Module, UnaryLayer {
  let up: Linear
  let down: Linear

  init(_ config: GPTConfig) {
    up = Linear(config.dims, 4 * config.dims)
    down = Linear(4 * config.dims, config.dims)
  }
  func callAsFunction(_ x: MLXArray) -> MLXArray { down(gelu(up(x))) }
}

class Block: Module {
  let norm1: LayerNorm
  let attention: Attention
  let norm2: LayerNorm
  let mlp: FeedForward
  let dropout: Dropout

  init(_ config: GPTConfig) {
    norm1 = LayerNorm(dimensions: config.dims)
    attention = Attention(config)
    norm2 = LayerNorm(dimensions: config.dims)
    mlp = FeedForward(config)
    dropout = Dropout(p: config.dropout)
  }

  func callAsFunction(_ x: MLXArray, _ cache: KVCache?) -> MLXArray {
    let x = x + dropout(attention(norm1(x), cache))
    return x + dropout(mlp(norm2(x)))
  }
}

/// Token ids `[batch, length]` to logits `[batch, length, vocabSize]`.
public class GPT: Module {
  public let config: GPTConfig
  let tokens: Embedding
  let positions: Embedding
  let dropout: Dropout
  let blocks: [Block]
  let norm: LayerNorm
  let head: Linear?

  public init(_ config: GPTConfig) {
    self.config = config
    tokens = Embedding(embeddingCount: config.vocabSize, dimensions: config.dims)
    positions = Embedding(embeddingCount: config.context, dimensions: config.dims)
    dropout = Dropout(p: config.dropout)
    blocks = (0..<config.layers).map { _ in Block(config) }
    norm = LayerNorm(dimensions: config.dims)
    head = config.tied ? nil : Linear(config.dims, config.vocabSize, bias: false)
    super.init()
    // Weights as in GPT-2: narrow, and biases zero; norms start at one.
    let fresh = parameters().mapValues { (path: String, weight: MLXArray) -> MLXArray in
      if path.hasSuffix("bias") { return zeros(like: weight) }
      return weight.ndim < 2 ? weight : MLXRandom.normal(weight.shape, scale: 0.02)
    }
    update(parameters: fresh)
  }

  public func makeCache() -> [KVCache] { blocks.map { _ in KVCache() } }

  public func callAsFunction(_ ids: MLXArray, cache: [KVCache]? = nil) -> MLXArray {
    let start = cache?.first?.count ?? 0
    var x = dropout(tokens(ids) + positions.weight[start..<start + ids.dim(1)])
    for (i, block) in blocks.enumerated() { x = block(x, cache?[i]) }
    x = norm(x)
    return head?(x) ?? tokens.asLinear(x)
  }
}
