// Scalars as arrays of any dtype, and complex numbers.
import COlivine

/// A complex number in memory as C has it.
public struct Complex<RealType: BinaryFloatingPoint & Sendable>: Hashable, Sendable {
  public var real: RealType
  public var imaginary: RealType

  public init(_ real: RealType, _ imaginary: RealType) {
    self.real = real
    self.imaginary = imaginary
  }
  public init(_ real: RealType) { self.init(real, 0) }

  public var conjugate: Complex { Complex(real, -imaginary) }
  public var length: RealType { (real * real + imaginary * imaginary).squareRoot() }

  public static func + (a: Complex, b: Complex) -> Complex {
    Complex(a.real + b.real, a.imaginary + b.imaginary)
  }
  public static func - (a: Complex, b: Complex) -> Complex {
    Complex(a.real - b.real, a.imaginary - b.imaginary)
  }
  public static prefix func - (a: Complex) -> Complex { Complex(-a.real, -a.imaginary) }
  public static func * (a: Complex, b: Complex) -> Complex {
    Complex(
      a.real * b.real - a.imaginary * b.imaginary, a.real * b.imaginary + a.imaginary * b.real)
  }
  public static func / (a: Complex, b: Complex) -> Complex {
    let d = b.real * b.real + b.imaginary * b.imaginary
    let product = a * b.conjugate
    return Complex(product.real / d, product.imaginary / d)
  }
}

/// An array of no dimensions whose element has these bytes.
func scalar<T>(bytes value: T, dtype: DType) -> NDArray {
  withUnsafePointer(to: value) { pointer in
    newArray { olivine_array_new_data(pointer, nil, 0, dtype.cmlxDtype) }
  }
}

/// An array from a C function that returns an empty handle after an error.
func newArray(_ body: () -> olivine_array) -> NDArray {
  let handle = body()
  if handle.ctx == nil { report(lastError) }
  return NDArray(handle)
}

func scalarArray(_ value: some BinaryInteger, dtype: DType) -> NDArray {
  switch dtype {
  case .bool: return scalar(bytes: value != 0, dtype: dtype)
  case .uint8: return scalar(bytes: UInt8(truncatingIfNeeded: value), dtype: dtype)
  case .uint16: return scalar(bytes: UInt16(truncatingIfNeeded: value), dtype: dtype)
  case .uint32: return scalar(bytes: UInt32(truncatingIfNeeded: value), dtype: dtype)
  case .uint64: return scalar(bytes: UInt64(truncatingIfNeeded: value), dtype: dtype)
  case .int8: return scalar(bytes: Int8(truncatingIfNeeded: value), dtype: dtype)
  case .int16: return scalar(bytes: Int16(truncatingIfNeeded: value), dtype: dtype)
  case .int32: return scalar(bytes: Int32(truncatingIfNeeded: value), dtype: dtype)
  case .int64: return scalar(bytes: Int64(truncatingIfNeeded: value), dtype: dtype)
  default: return scalarArray(Double(value), dtype: dtype)
  }
}

func scalarArray(_ value: Double, dtype: DType) -> NDArray {
  switch dtype {
  case .float32: return scalar(bytes: Float(value), dtype: dtype)
  case .float64: return scalar(bytes: value, dtype: dtype)
  case .bfloat16: return scalar(bytes: bfloat16Bits(Float(value)), dtype: dtype)
  case .complex64: return scalar(bytes: Complex(Float(value), 0), dtype: dtype)
  case .complex128: return scalar(bytes: Complex(value, 0), dtype: dtype)
  default: return scalar(bytes: value, dtype: .float64).asType(dtype)
  }
}

/// The upper half of a float, rounded to nearest, ties to even.
func bfloat16Bits(_ value: Float) -> UInt16 {
  let bits = value.bitPattern
  if value.isNaN { return UInt16(truncatingIfNeeded: bits >> 16) | 0x40 }
  let rounding = 0x7FFF + ((bits >> 16) & 1)
  return UInt16(truncatingIfNeeded: (bits &+ rounding) >> 16)
}
