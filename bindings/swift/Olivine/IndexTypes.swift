// What may stand in the brackets of an array.

public enum MLXArrayIndexOperation: CustomStringConvertible {
  /// All axes that the other indices leave.
  case ellipsis
  /// An axis of size 1 that the array has not.
  case newAxis
  case index(Int32)
  case slice(MLXSlice)
  /// Positions along an axis, or a mask over axes.
  case array(NDArray)

  public var description: String {
    switch self {
    case .ellipsis: return "ellipsis"
    case .newAxis: return "newAxis"
    case .index(let index): return "index(\(index))"
    case .slice(let slice): return "slice(\(slice))"
    case .array(let array): return "array(\(array.shape))"
    }
  }
}

public protocol MLXArrayIndex {
  var mlxArrayIndexOperation: MLXArrayIndexOperation { get }
}

extension Int: MLXArrayIndex {
  public var mlxArrayIndexOperation: MLXArrayIndexOperation { .index(c) }
}
extension NDArray: MLXArrayIndex {
  public var mlxArrayIndexOperation: MLXArrayIndexOperation { .array(self) }
}

public struct MLXEllipsisIndex: MLXArrayIndex, Sendable {
  public var mlxArrayIndexOperation: MLXArrayIndexOperation { .ellipsis }
}
extension MLXArrayIndex where Self == MLXEllipsisIndex {
  public static var ellipsis: Self { MLXEllipsisIndex() }
}

public struct MLXNewAxisIndex: MLXArrayIndex, Sendable {
  public var mlxArrayIndexOperation: MLXArrayIndexOperation { .newAxis }
}
extension MLXArrayIndex where Self == MLXNewAxisIndex {
  public static var newAxis: Self { MLXNewAxisIndex() }
}

/// Every `stride`-th position from `start` until before `end`; negative ones count from the end.
public struct MLXSlice: Equatable, CustomStringConvertible, Sendable {
  private let first: Int32?
  private let last: Int32?
  private let step: Int32?

  public init(start: Int32? = nil, end: Int32? = nil, stride: Int32? = nil) {
    first = start
    last = end
    step = stride
  }

  /// Whether it is all positions in their order.
  public var isFull: Bool { (first ?? 0) == 0 && last == nil && stride == 1 }
  public var stride: Int32 { step ?? 1 }

  /// The first position on an axis of a size, as it was given.
  public func start(_ size: Int32) -> Int32 { first ?? (stride < 0 ? size - 1 : 0) }
  /// The first position, counted from the front and within the axis.
  public func absoluteStart(_ size: Int32) -> Int32 {
    guard let first else { return start(size) }
    let place = first < 0 ? first + size : first
    return stride < 0
      ? Swift.min(Swift.max(place, -1), size - 1) : Swift.min(Swift.max(place, 0), size)
  }
  /// The position behind the last, as it was given.
  public func end(_ size: Int32) -> Int32 { last ?? (stride < 0 ? -size - 1 : size) }
  /// The position behind the last, counted from the front; -1 is before the first.
  public func absoluteEnd(_ size: Int32) -> Int32 {
    guard let last else { return stride < 0 ? -1 : size }
    let place = last < 0 ? last + size : last
    return stride < 0
      ? Swift.min(Swift.max(place, -1), size - 1) : Swift.min(Swift.max(place, 0), size)
  }

  public var description: String {
    let start = first.map(String.init) ?? ""
    let end = last.map(String.init) ?? ""
    return step.map { "\(start):\(end):\($0)" } ?? "\(start):\(end)"
  }
}

extension MLXArrayIndex where Self == MLXSlice {
  public static func stride(
    from start: Int? = nil, to end: Int? = nil, by stride: Int? = nil
  ) -> MLXSlice {
    MLXSlice(start: start?.c, end: end?.c, stride: stride?.c)
  }
}

/// Every `stride`-th position of an axis.
public func stride(from start: Int? = nil, to end: Int? = nil, by stride: Int? = nil) -> MLXSlice {
  MLXSlice(start: start?.c, end: end?.c, stride: stride?.c)
}

extension MLXSlice: MLXArrayIndex {
  public var mlxArrayIndexOperation: MLXArrayIndexOperation { .slice(self) }
}
extension Range<Int>: MLXArrayIndex {
  public var mlxArrayIndexOperation: MLXArrayIndexOperation {
    .slice(MLXSlice(start: lowerBound.c, end: upperBound.c))
  }
}
extension ClosedRange<Int>: MLXArrayIndex {
  public var mlxArrayIndexOperation: MLXArrayIndexOperation {
    .slice(MLXSlice(start: lowerBound.c, end: upperBound == -1 ? nil : (upperBound + 1).c))
  }
}
extension PartialRangeUpTo<Int>: MLXArrayIndex {
  public var mlxArrayIndexOperation: MLXArrayIndexOperation { .slice(MLXSlice(end: upperBound.c)) }
}
extension PartialRangeThrough<Int>: MLXArrayIndex {
  public var mlxArrayIndexOperation: MLXArrayIndexOperation {
    .slice(MLXSlice(end: upperBound == -1 ? nil : (upperBound + 1).c))
  }
}
extension PartialRangeFrom<Int>: MLXArrayIndex {
  public var mlxArrayIndexOperation: MLXArrayIndexOperation {
    .slice(MLXSlice(start: lowerBound.c))
  }
}
