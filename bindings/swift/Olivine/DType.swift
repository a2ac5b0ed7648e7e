// Element types, and which Swift types have one.
import COlivine
import Foundation

public enum DType: Hashable, Sendable, CaseIterable {
  case bool
  case uint8
  case uint16
  case uint32
  case uint64
  case int8
  case int16
  case int32
  case int64
  case float16
  case float32
  case bfloat16
  case complex64
  case float64
  case complex128

  init(_ code: olivine_dtype) { self = dtypesByCode[Int(code.rawValue)] }

  public var cmlxDtype: olivine_dtype {
    switch self {
    case .bool: return OLIVINE_BOOL
    case .uint8: return OLIVINE_UINT8
    case .uint16: return OLIVINE_UINT16
    case .uint32: return OLIVINE_UINT32
    case .uint64: return OLIVINE_UINT64
    case .int8: return OLIVINE_INT8
    case .int16: return OLIVINE_INT16
    case .int32: return OLIVINE_INT32
    case .int64: return OLIVINE_INT64
    case .float16: return OLIVINE_FLOAT16
    case .float32: return OLIVINE_FLOAT32
    case .bfloat16: return OLIVINE_BFLOAT16
    case .complex64: return OLIVINE_COMPLEX64
    case .float64: return OLIVINE_FLOAT64
    case .complex128: return OLIVINE_COMPLEX128
    }
  }

  public var isFloatingPoint: Bool {
    switch self {
    case .float16, .float32, .bfloat16, .float64: return true
    default: return false
    }
  }
  public var isComplex: Bool { self == .complex64 || self == .complex128 }
  public var isInteger: Bool { !isFloatingPoint && !isComplex && self != .bool }
  public var isSignedInteger: Bool {
    switch self {
    case .int8, .int16, .int32, .int64: return true
    default: return false
    }
  }

  /// Bytes of an element.
  public var size: Int { olivine_dtype_size(cmlxDtype) }

  /// A scalar of this dtype with the largest finite value.
  public var greatestFiniteMagnitudeArray: NDArray {
    if let finfo { return scalarArray(finfo.max, dtype: self) }
    switch self {
    case .bool: return NDArray(true)
    case .uint8: return scalarArray(UInt8.max, dtype: self)
    case .uint16: return scalarArray(UInt16.max, dtype: self)
    case .uint32: return scalarArray(UInt32.max, dtype: self)
    case .uint64: return scalarArray(UInt64.max, dtype: self)
    case .int8: return scalarArray(Int8.max, dtype: self)
    case .int16: return scalarArray(Int16.max, dtype: self)
    case .int32: return scalarArray(Int32.max, dtype: self)
    default: return scalarArray(Int64.max, dtype: self)
    }
  }

  /// Limits of a floating-point dtype, or of the parts of a complex one.
  public var finfo: FInfo? {
    isFloatingPoint || isComplex ? FInfo(dtype: self) : nil
  }

  public struct FInfo: Sendable {
    public let dtype: DType

    // Bits of the fraction, and exponents of the largest and the smallest normal value.
    private var layout: (fraction: Int, largest: Int, smallest: Int) {
      switch dtype {
      case .float16: return (10, 15, -14)
      case .bfloat16: return (7, 127, -126)
      case .float64, .complex128: return (52, 1023, -1022)
      default: return (23, 127, -126)
      }
    }
    public var eps: Double { scalbn(1.0, -layout.fraction) }
    public var min: Double { -max }
    public var max: Double { scalbn(2.0 - eps, layout.largest) }
    public var smallestNormal: Double { scalbn(1.0, layout.smallest) }
    public var smallestSubnormal: Double { scalbn(1.0, layout.smallest - layout.fraction) }
  }
}

private let dtypesByCode = DType.allCases.sorted { $0.cmlxDtype.rawValue < $1.cmlxDtype.rawValue }

private func scalbn(_ x: Double, _ n: Int) -> Double {
  Double(sign: .plus, exponent: n, significand: x)
}

extension DType: Encodable {
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(String(describing: self))
  }
}

extension DType: Decodable {
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let name = try container.decode(String.self)
    guard let found = DType.allCases.first(where: { String(describing: $0) == name }) else {
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "expected the name of a dtype; got \(name)")
    }
    self = found
  }
}

/// A Swift type whose values are elements of arrays as they are in memory.
public protocol HasDType: ScalarOrArray {
  static var dtype: DType { get }
}

extension HasDType {
  public func asMLXArray(dtype: DType?) -> NDArray { NDArray(self) }
}

extension Bool: HasDType {
  public static var dtype: DType { .bool }
}
extension Int: HasDType {
  public static var dtype: DType { .int64 }
  public func asMLXArray(dtype: DType?) -> NDArray { weakInteger(self, dtype, otherwise: .int32) }
}
extension Int8: HasDType {
  public static var dtype: DType { .int8 }
  public func asMLXArray(dtype: DType?) -> NDArray { weakInteger(self, dtype, otherwise: .int8) }
}
extension Int16: HasDType {
  public static var dtype: DType { .int16 }
  public func asMLXArray(dtype: DType?) -> NDArray { weakInteger(self, dtype, otherwise: .int16) }
}
extension Int32: HasDType {
  public static var dtype: DType { .int32 }
  public func asMLXArray(dtype: DType?) -> NDArray { weakInteger(self, dtype, otherwise: .int32) }
}
extension Int64: HasDType {
  public static var dtype: DType { .int64 }
  public func asMLXArray(dtype: DType?) -> NDArray { weakInteger(self, dtype, otherwise: .int64) }
}
extension UInt8: HasDType {
  public static var dtype: DType { .uint8 }
  public func asMLXArray(dtype: DType?) -> NDArray { weakInteger(self, dtype, otherwise: .uint8) }
}
extension UInt16: HasDType {
  public static var dtype: DType { .uint16 }
  public func asMLXArray(dtype: DType?) -> NDArray { weakInteger(self, dtype, otherwise: .uint16) }
}
extension UInt32: HasDType {
  public static var dtype: DType { .uint32 }
  public func asMLXArray(dtype: DType?) -> NDArray { weakInteger(self, dtype, otherwise: .uint32) }
}
extension UInt64: HasDType {
  public static var dtype: DType { .uint64 }
  public func asMLXArray(dtype: DType?) -> NDArray { weakInteger(self, dtype, otherwise: .uint64) }
}
extension UInt: HasDType {
  public static var dtype: DType { .uint64 }
  public func asMLXArray(dtype: DType?) -> NDArray { weakInteger(self, dtype, otherwise: .uint64) }
}

#if !((os(macOS) || targetEnvironment(macCatalyst)) && arch(x86_64))
  extension Float16: HasDType {
    public static var dtype: DType { .float16 }
    public func asMLXArray(dtype: DType?) -> NDArray {
      weakFloat(Double(self), dtype, otherwise: .float16)
    }
  }
#endif
extension Float32: HasDType {
  public static var dtype: DType { .float32 }
  public func asMLXArray(dtype: DType?) -> NDArray {
    weakFloat(Double(self), dtype, otherwise: .float32)
  }
}
extension Float64: HasDType {
  public static var dtype: DType { .float64 }
  public func asMLXArray(dtype: DType?) -> NDArray { weakFloat(self, dtype, otherwise: .float32) }
}
extension Complex<Float>: HasDType {
  public static var dtype: DType { .complex64 }
}

/// What stands for an array in arithmetic: an array, a scalar, or a Swift array of scalars. Scalars
/// take the dtype of the array beside them if it can hold their kind: whole numbers fit into all
/// but bool, others into floating-point and complex dtypes.
public protocol ScalarOrArray {
  func asMLXArray(dtype: DType?) -> NDArray
}

extension Complex<Float>: ScalarOrArray {
  public func asMLXArray(dtype: DType?) -> NDArray { NDArray(self) }
}

extension NDArray: ScalarOrArray {
  public func asMLXArray(dtype: DType?) -> NDArray { self }
}

extension Array: ScalarOrArray where Element: HasDType {
  public func asMLXArray(dtype: DType?) -> NDArray {
    let array = NDArray(self)
    guard let dtype, dtype != array.dtype else { return array }
    let own = Element.dtype
    let fits =
      own.isInteger ? dtype != .bool : own.isFloatingPoint && !dtype.isInteger && dtype != .bool
    return fits ? array.asType(dtype) : array
  }
}

/// Both as arrays, the scalar among them in the dtype of the array.
public func toArrays(_ a: some ScalarOrArray, _ b: some ScalarOrArray) -> (NDArray, NDArray) {
  if let a = a as? NDArray { return (a, b.asMLXArray(dtype: a.dtype)) }
  if let b = b as? NDArray { return (a.asMLXArray(dtype: b.dtype), b) }
  return (a.asMLXArray(dtype: nil), b.asMLXArray(dtype: nil))
}

private func weakInteger<T: FixedWidthInteger & HasDType>(
  _ value: T, _ dtype: DType?, otherwise own: DType
) -> NDArray {
  if let dtype, dtype != .bool { return scalarArray(value, dtype: dtype) }
  // An Int is int32 as long as it fits.
  if own == .int32 && Int32(exactly: value) == nil { return scalarArray(value, dtype: .int64) }
  return scalarArray(value, dtype: own)
}

private func weakFloat(_ value: Double, _ dtype: DType?, otherwise own: DType) -> NDArray {
  guard let dtype, dtype.isFloatingPoint || dtype.isComplex else {
    return scalarArray(value, dtype: own)
  }
  return scalarArray(value, dtype: dtype)
}
