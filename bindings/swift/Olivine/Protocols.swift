// Things made of arrays.

/// Something whose arrays a compiled function may replace.
public protocol Updatable {
  func innerState() -> [NDArray]
}

/// Something whose arrays `eval` computes.
public protocol Evaluatable {
  func innerState() -> [NDArray]
}

extension [NDArray]: Updatable, Evaluatable {
  public func innerState() -> [NDArray] { self }
}
