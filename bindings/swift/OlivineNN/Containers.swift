// Sequential: layers called one after the other.
import Olivine

/// Calls each of its layers on the result of the one before.
open class Sequential: Module, UnaryLayer {
  @ModuleInfo public var layers: [UnaryLayer]

  public init(layers: [UnaryLayer]) { self.layers = layers }
  public convenience init(layers: UnaryLayer...) { self.init(layers: layers) }
  public convenience init(@SequentialBuilder layers: () -> [UnaryLayer]) {
    self.init(layers: layers())
  }

  open func callAsFunction(_ x: NDArray) -> NDArray {
    layers.reduce(x) { x, layer in layer(x) }
  }
}

/// Lets the layers of a ``Sequential`` be written as a block, with conditions and loops.
@resultBuilder
public struct SequentialBuilder {
  public static func buildArray(_ array: [UnaryLayer]) -> [UnaryLayer] { array }
  public static func buildArray(_ value: [[UnaryLayer]]) -> [UnaryLayer] { value.flatMap { $0 } }
  public static func buildExpression(_ value: UnaryLayer) -> [UnaryLayer] { [value] }
  public static func buildPartialBlock(
    accumulated: [UnaryLayer], next: [UnaryLayer]
  ) -> [UnaryLayer] { accumulated + next }
  public static func buildPartialBlock(first: [UnaryLayer]) -> [UnaryLayer] { first }
  public static func buildEither(first: [UnaryLayer]) -> [UnaryLayer] { first }
  public static func buildEither(second: [UnaryLayer]) -> [UnaryLayer] { second }
  public static func buildOptional(_ component: [UnaryLayer]?) -> [UnaryLayer] { component ?? [] }
}
