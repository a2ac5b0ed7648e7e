// Dropout: random zeros during training, scaled so that the expectation stays.
import Olivine

/// The part of elements that is kept.
private func keptPart(_ name: String, _ p: Float) -> Float {
  if !(0..<1).contains(p) { report("[\(name)] expected 0 <= p < 1; got \(p)") }
  return Float(1 - exact(p))
}

private func dropped(_ x: NDArray, _ keep: Float, _ shape: [Int]) -> NDArray {
  let mask = MLXRandom.bernoulli(keep, shape)
  return (mask * x) * Float(1 / exact(keep))
}

/// The shape of a mask of whole channels; reports an input that has no such number of axes.
private func channels(_ name: String, _ x: NDArray, spatial: Int) -> [Int] {
  guard x.ndim == spatial + 1 || x.ndim == spatial + 2 else {
    report("[\(name)] expected \(spatial + 1) or \(spatial + 2) dimensions; got shape \(x.shape)")
    return x.shape
  }
  return x.shape.dropLast(spatial + 1) + Array(repeating: 1, count: spatial) + [x.dim(-1)]
}

/// Zeroes each element with probability `p` and multiplies the others by `1 / (1 - p)`.
open class Dropout: Module, UnaryLayer {
  /// The probability that an element is kept.
  public let p1: Float

  public init(p: Float = 0.5) { p1 = keptPart("Dropout", p) }

  open override func describeExtra(_ indent: Int) -> String { "p=\(1 - exact(p1))" }

  open func callAsFunction(_ x: NDArray) -> NDArray {
    p1 == 1 || !training ? x : dropped(x, p1, x.shape)
  }
}

/// Drops whole channels of images shaped `[N, H, W, C]` or `[H, W, C]`.
open class Dropout2d: Module, UnaryLayer {
  /// The probability that a channel is kept.
  public let p1: Float

  public init(p: Float = 0.5) { p1 = keptPart("Dropout2d", p) }

  open override func describeExtra(_ indent: Int) -> String { "p=\(1 - exact(p1))" }

  open func callAsFunction(_ x: NDArray) -> NDArray {
    p1 == 1 || !training ? x : dropped(x, p1, channels("Dropout2d", x, spatial: 2))
  }
}

/// Drops whole channels of volumes shaped `[N, D, H, W, C]` or `[D, H, W, C]`.
open class Dropout3d: Module, UnaryLayer {
  /// The probability that a channel is kept.
  public let p1: Float

  public init(p: Float = 0.5) { p1 = keptPart("Dropout3d", p) }

  open override func describeExtra(_ indent: Int) -> String { "p=\(1 - exact(p1))" }

  open func callAsFunction(_ x: NDArray) -> NDArray {
    p1 == 1 || !training ? x : dropped(x, p1, channels("Dropout3d", x, spatial: 3))
  }
}
