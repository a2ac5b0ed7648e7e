// Positional encodings: rotary (RoPE), sinusoidal and linear-bias (ALiBi).
import Foundation
import Olivine

/// A layer that is told the position of the first element.
public protocol OffsetLayer: Module {
  func callAsFunction(_ x: NDArray, offset: Int) -> NDArray
}

/// A layer that is told the position of the first element of each example.
public protocol ArrayOffsetLayer: Module {
  func callAsFunction(_ x: NDArray, offset: NDArray) -> NDArray
}

/// Rotates pairs of features by an angle that grows with the position (axis -2). `traditional`
/// pairs neighbours; otherwise feature `i` is paired with `i + dimensions / 2`. Source: Su et al.
/// (2021).
public final class RoPE: Module, UnaryLayer, OffsetLayer, ArrayOffsetLayer {
  let dimensions: Int
  let traditional: Bool
  let base: Float
  let scale: Float

  public init(
    dimensions: Int, traditional: Bool = false, base: Float = 10_000, scale: Float = 1
  ) {
    self.dimensions = dimensions
    self.traditional = traditional
    self.base = base
    self.scale = scale
  }

  public override func describeExtra(_ indent: Int) -> String {
    "\(dimensions), traditional=\(traditional)"
  }

  public func callAsFunction(_ x: NDArray, offset: Int) -> NDArray {
    MLXFast.RoPE(
      x, dimensions: dimensions, traditional: traditional, base: base, scale: scale, offset: offset)
  }
  public func callAsFunction(_ x: NDArray, offset: NDArray) -> NDArray {
    MLXFast.RoPE(
      x, dimensions: dimensions, traditional: traditional, base: base, scale: scale, offset: offset)
  }
  public func callAsFunction(_ x: NDArray) -> NDArray { self(x, offset: 0) }
}

/// Sines and cosines of the position at `dimensions / 2` frequencies, evenly spaced in the
/// logarithm. `fullTurns` multiplies positions by 2 pi; `scale` (by default `sqrt(2 / dimensions)`)
/// multiplies the result. Source: Vaswani et al., "Attention Is All You Need" (2017).
open class SinusoidalPositionalEncoding: Module, UnaryLayer {
  // The underscore keeps the frequencies out of the parameters.
  let _frequencies: NDArray
  public let scale: Float
  public let cosineFirst: Bool

  public init(
    dimensions: Int, minFrequency: Float = 0.0001, maxFrequency: Float = 1, scale: Float? = nil,
    cosineFirst: Bool = false, fullTurns: Bool = false
  ) {
    let half = dimensions / 2
    let fraction = 1 - NDArray.arange(half).asType(.float32) / Float(half - 1)
    let (low, high) = (Foundation.log(exact(minFrequency)), Foundation.log(exact(maxFrequency)))
    let frequencies = exp(fraction * Float(high - low) + Float(low))
    _frequencies = fullTurns ? frequencies * Float(2 * Double.pi) : frequencies
    self.scale = scale ?? Float((2 / Double(dimensions)).squareRoot())
    self.cosineFirst = cosineFirst
  }

  public func callAsFunction(_ x: NDArray) -> NDArray {
    let angle = expandedDimensions(x, axis: -1) * _frequencies
    let halves = cosineFirst ? [cos(angle), sin(angle)] : [sin(angle), cos(angle)]
    let y = concatenated(halves, axis: -1)
    return scale != 1 ? y * scale : y
  }
}

/// Adds to attention scores of shape `[batch, heads, queries, keys]` a penalty that grows linearly
/// with the distance. Source: Press et al., "Train Short, Test Long" (2022).
public final class ALiBi: Module {
  public override init() {}

  /// Each head's slope: powers of `2 ** (-8 / heads)` if the number of heads is a power of two.
  /// Otherwise, as in the authors' program, the heads beyond the largest power of two take every
  /// other slope of twice as many.
  private static func slopes(_ heads: Int) -> [Float] {
    func geometric(_ heads: Int) -> [Float] {
      (0..<heads).map { Float(Foundation.pow(2, -8 * Double($0 + 1) / Double(heads))) }
    }
    guard heads > 0 else { return [] }
    let power = 1 << (Int.bitWidth - 1 - heads.leadingZeroBitCount)
    let more = geometric(2 * power)
    return geometric(power) + (0..<heads - power).map { more[2 * $0] }
  }

  public func callAsFunction(
    attentionScores: NDArray, offset: Int = 0, mask: NDArray? = nil
  ) -> NDArray {
    let (_, heads, queryCount, keyCount) = attentionScores.shape4
    let queries = NDArray.arange(offset, queryCount + offset).reshaped(-1, 1)
    let distance = -abs(queries - NDArray.arange(keyCount))
    let dtype = attentionScores.dtype
    let slope = NDArray(Self.slopes(heads), [heads, 1, 1]).asType(dtype)
    var penalty = distance.asType(dtype) * slope
    if let mask { penalty = penalty + mask }
    return attentionScores + penalty
  }
}
