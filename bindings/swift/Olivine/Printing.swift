// How arrays are printed.
import COlivine

/// How all arrays of the program are printed.
public struct PrintOptions: Hashable, Sendable {
  /// Digits after the point of floating-point numbers; -1 for the shortest usual form.
  public var precision: Int

  public init(precision: Int = -1) { self.precision = precision }
}

/// How arrays are printed now.
public func printOptions() -> PrintOptions {
  var options = olivine_printoptions()
  checked(olivine_get_printoptions(&options))
  return PrintOptions(precision: Int(options.precision))
}

/// Sets how arrays are printed.
public func setPrintOptions(precision: Int = -1) {
  checked(olivine_set_printoptions(olivine_printoptions(precision: precision.c)))
}

/// Runs `body` with other print options.
public func withPrintOptions<R>(precision: Int = -1, _ body: () throws -> R) rethrows -> R {
  let before = printOptions()
  setPrintOptions(precision: precision)
  defer { setPrintOptions(precision: before.precision) }
  return try body()
}
