// Parameters that are one number or several.

/// One integer for both of two axes, or one for each.
public struct IntOrPair: ExpressibleByIntegerLiteral, ExpressibleByArrayLiteral, Sendable {
  public let values: (Int, Int)
  public var first: Int { values.0 }
  public var second: Int { values.1 }

  public init(integerLiteral value: Int) { values = (value, value) }
  public init(arrayLiteral elements: Int...) { self.init(elements) }
  public init(_ values: some Collection<Int>) {
    let all = Array(values)
    if all.count != 2 { report("[IntOrPair] expected 2 integers; got \(all)") }
    self.values = all.count == 2 ? (all[0], all[1]) : (0, 0)
  }
  public init(_ values: (Int, Int)) { self.values = values }
  public init(_ value: Int) { values = (value, value) }
}

/// One integer for all of three axes, or one for each.
public struct IntOrTriple: ExpressibleByIntegerLiteral, ExpressibleByArrayLiteral, Sendable {
  public let values: (Int, Int, Int)
  public var first: Int { values.0 }
  public var second: Int { values.1 }
  public var third: Int { values.2 }

  public init(integerLiteral value: Int) { values = (value, value, value) }
  public init(arrayLiteral elements: Int...) { self.init(elements) }
  public init(_ values: some Collection<Int>) {
    let all = Array(values)
    if all.count != 3 { report("[IntOrTriple] expected 3 integers; got \(all)") }
    self.values = all.count == 3 ? (all[0], all[1], all[2]) : (0, 0, 0)
  }
  public init(_ values: (Int, Int, Int)) { self.values = values }
  public init(_ value: Int) { values = (value, value, value) }
}

/// One integer or an array of them.
public enum IntOrArray: ExpressibleByIntegerLiteral, ExpressibleByArrayLiteral, Sendable {
  case int(Int)
  case array([Int])

  public init(integerLiteral value: Int) { self = .int(value) }
  public init(arrayLiteral elements: Int...) { self = .array(elements) }
  public init(_ values: [Int]) { self = .array(values) }
  public init(_ value: Int) { self = .int(value) }

  public var asArray: [Int] {
    switch self {
    case .int(let value): return [value]
    case .array(let values): return values
    }
  }
  public var asInt32Array: [Int32] { asArray.map(\.c) }
  public var count: Int { asArray.count }
}

/// One float or an array of them.
public enum FloatOrArray: ExpressibleByFloatLiteral, ExpressibleByArrayLiteral, Sendable {
  case float(Float)
  case array([Float])

  public init(floatLiteral value: Float) { self = .float(value) }
  public init(arrayLiteral elements: Float...) { self = .array(elements) }
  public init(_ values: [Float]) { self = .array(values) }
  public init(_ value: Float) { self = .float(value) }

  public var asArray: [Float] {
    switch self {
    case .float(let value): return [value]
    case .array(let values): return values
    }
  }
  /// One float for each of the dimensions.
  public func asArray(dimensions: Int) -> [Float] {
    switch self {
    case .float(let value): return [Float](repeating: value, count: dimensions)
    case .array(let values):
      if values.count != dimensions {
        report("[FloatOrArray] expected \(dimensions) floats; got \(values)")
      }
      return values
    }
  }
  public var count: Int { asArray.count }
}
