// Embedding: a table of learned vectors looked up by integer.
import Olivine

/// Row `x` of `weight`, of shape `[embeddingCount, dimensions]`, for every integer `x`.
open class Embedding: Module, UnaryLayer, Quantizable {
  public let weight: NDArray

  open var shape: (Int, Int) { weight.shape2 }

  public init(embeddingCount: Int, dimensions: Int) {
    let scale = Float((1 / Double(dimensions)).squareRoot())
    weight = MLXRandom.normal([embeddingCount, dimensions], scale: scale)
  }
  public init(weight: NDArray) { self.weight = weight }

  open override func describeExtra(_ indent: Int) -> String { "\(shape.0), \(shape.1)" }

  open func callAsFunction(_ x: NDArray) -> NDArray { weight[x] }

  /// The product with the transposed table: the head of a model with tied embeddings.
  open func asLinear(_ x: NDArray) -> NDArray { matmul(x, weight.T) }

  /// A ``QuantizedEmbedding`` with this table.
  public func toQuantized(groupSize: Int, bits: Int, mode: QuantizationMode) -> Module {
    QuantizedEmbedding(self, groupSize: groupSize, bits: bits, mode: mode)
  }
}
