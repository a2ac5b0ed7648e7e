// The array: a handle of the C library that is freed with the object.
import COlivine

/// An n-dimensional array; its values are computed when they are needed.
public final class NDArray {
  public internal(set) var ctx: olivine_array

  /// Takes over a handle.
  public init(_ ctx: consuming olivine_array) { self.ctx = ctx }
  deinit { olivine_array_free(ctx) }

  /// An empty handle, which stands for an argument that is not given.
  public static var mlxNone: NDArray { NDArray(olivine_array()) }

  public var itemSize: Int { olivine_array_itemsize(ctx) }
  /// The number of elements.
  public var size: Int { olivine_array_size(ctx) }
  /// The size of the first axis; 0 for a scalar.
  public var count: Int { ndim == 0 ? 0 : Int(olivine_array_dim(ctx, 0)) }
  public var nbytes: Int { olivine_array_nbytes(ctx) }
  public var ndim: Int { olivine_array_ndim(ctx) }
  public var dtype: DType { DType(olivine_array_dtype(ctx)) }

  public var shape: [Int] {
    let n = ndim
    return [Int](unsafeUninitializedCapacity: n) { buffer, count in
      for i in 0..<n { buffer[i] = Int(olivine_array_dim(ctx, Int32(i))) }
      count = n
    }
  }
  public var shape2: (Int, Int) {
    guard hasDimensions(2) else { return (0, 0) }
    return (dim(0), dim(1))
  }
  public var shape3: (Int, Int, Int) {
    guard hasDimensions(3) else { return (0, 0, 0) }
    return (dim(0), dim(1), dim(2))
  }
  public var shape4: (Int, Int, Int, Int) {
    guard hasDimensions(4) else { return (0, 0, 0, 0) }
    return (dim(0), dim(1), dim(2), dim(3))
  }
  private func hasDimensions(_ n: Int) -> Bool {
    if ndim == n { return true }
    report("[shape\(n)] expected \(n) dimensions; got shape \(shape)")
    return false
  }

  /// Elements between neighbours along each axis, in memory.
  @available(*, deprecated, message: "Computing an array may change them; see asData().")
  public var strides: [Int] { currentStrides }

  var currentStrides: [Int] {
    guard let values = olivine_array_strides(ctx) else { return [] }
    return (0..<ndim).map { Int(values[$0]) }
  }

  /// The element of an array that has one, as a T.
  public func item<T: HasDType>() -> T { item(T.self) }

  /// The element of an array that has one, as a T.
  public func item<T: HasDType>(_ type: T.Type) -> T {
    guard size == 1 else {
      report("[item] expected one element; got shape \(shape)")
      return zero(type)
    }
    let array = dtype == T.dtype ? self : asType(T.dtype)
    return array.withElements { $0?.loadUnaligned(as: T.self) } ?? zero(type)
  }

  /// The size of an axis; negative ones count from the end.
  public func dim(_ dim: Int) -> Int {
    let n = ndim
    let axis = dim < 0 ? dim + n : dim
    guard axis >= 0 && axis < n else {
      report("[dim] expected an axis in [\(-n), \(n)); got \(dim)")
      return 0
    }
    return Int(olivine_array_dim(ctx, axis.c))
  }

  public func asType(_ type: DType, stream: StreamOrDevice = .default) -> NDArray {
    made { r in olivine_astype(r, ctx, type.cmlxDtype, stream.ctx) }
  }
  public func asType(_ type: (some HasDType).Type, stream: StreamOrDevice = .default) -> NDArray {
    asType(type.dtype, stream: stream)
  }
  /// Real values as the imaginary parts of complex ones.
  public func asImaginary(stream: StreamOrDevice = .default) -> NDArray {
    Olivine.multiply(self, NDArray(real: 0, imaginary: 1), stream: stream)
  }
  public func realPart(stream: StreamOrDevice = .default) -> NDArray {
    made { r in olivine_real(r, ctx, stream.ctx) }
  }
  public func imaginaryPart(stream: StreamOrDevice = .default) -> NDArray {
    made { r in olivine_imag(r, ctx, stream.ctx) }
  }

  /// Computes the values now.
  public func eval() { checked(olivine_array_eval(ctx)) }

  /// Whether there is an array: there is none after an error.
  package var isSet: Bool { ctx.ctx != nil }

  /// Lets this object stand for another array.
  public func _updateInternal(_ array: NDArray) {
    checked(olivine_array_set(&ctx, array.ctx))
  }

  /// The array with updated elements: `a.at[indices].add(values)`.
  public var at: ArrayAt { ArrayAt(array: self) }

  /// The matrix product of this and another array.
  public func matmul(_ other: NDArray, stream: StreamOrDevice = .default) -> NDArray {
    made { r in olivine_matmul(r, ctx, other.ctx, stream.ctx) }
  }

  /// The array with its dimensions in reverse order.
  public var T: NDArray { transposed() }

  /// The array with an axis moved to the front.
  public func transposed(axis: Int, stream: StreamOrDevice = .default) -> NDArray {
    movedAxis(source: axis, destination: 0, stream: stream)
  }

  /// The array divided by its Euclidean norm along an axis.
  public func l2Normalized(axis: Int = -1, eps: Float = 1e-12) -> NDArray {
    let norm = self.square().sum(axis: axis, keepDims: true).sqrt()
    return Olivine.divide(self, Olivine.maximum(norm, eps))
  }

  /// Where masks are added to scores: the lowest finite value, or the lowest integer.
  public static func maskFill(for dtype: DType) -> NDArray {
    if let finfo = dtype.finfo { return scalarArray(finfo.min, dtype: dtype) }
    switch dtype {
    case .int8: return scalarArray(Int8.min, dtype: dtype)
    case .int16: return scalarArray(Int16.min, dtype: dtype)
    case .int32: return scalarArray(Int32.min, dtype: dtype)
    case .int64: return scalarArray(Int64.min, dtype: dtype)
    default: return scalarArray(0, dtype: dtype)
    }
  }
}

public typealias MLXArray = NDArray

extension NDArray: Updatable, Evaluatable {
  public func innerState() -> [NDArray] { [self] }
}

extension NDArray: CustomStringConvertible {
  public var description: String { string { r in olivine_array_tostring(r, ctx) } }
}

func zero<T: HasDType>(_ type: T.Type) -> T {
  withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 2) { bytes in
    bytes.initialize(repeating: 0)
    return UnsafeRawPointer(bytes.baseAddress!).load(as: T.self)
  }
}
