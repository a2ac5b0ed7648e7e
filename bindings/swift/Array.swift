// Arrays, dtypes and streams over the C API's handles; the functions are in generated/.
import COlivine

/// An n-dimensional array; its values are computed when they are needed.
public final class Array {
  let handle: olivine_array

  init(_ handle: olivine_array) { self.handle = handle }
  deinit { olivine_array_free(handle) }

  public convenience init(_ value: Int32) { self.init(olivine_array_new_int(value)) }
  public convenience init(_ value: Float) { self.init(olivine_array_new_float32(value)) }
  public convenience init(_ value: Bool) { self.init(olivine_array_new_bool(value)) }
  public convenience init(_ values: [Float], shape: [Int]) {
    precondition(values.count == shape.reduce(1, *), "values and shape differ in size")
    let dims = shape.map(Int32.init)
    self.init(olivine_array_new_data(values, dims, Int32(dims.count), OLIVINE_FLOAT32))
  }

  public var shape: [Int] {
    (0..<olivine_array_ndim(handle)).map { Int(olivine_array_dim(handle, Int32($0))) }
  }
  public var size: Int { olivine_array_size(handle) }
  public var dtype: DType { DType(code: olivine_array_dtype(handle)) }

  /// Computes the values now.
  public func eval() throws {
    if olivine_array_eval(handle) != 0 { throw OlivineError.last }
  }
  /// The elements of a float32 array in row-major order.
  public func floats() throws -> [Float] {
    guard size > 0 else { return [] }
    guard let data = olivine_array_data_float32(handle) else { throw OlivineError.last }
    return [Float](UnsafeBufferPointer(start: data, count: size))
  }
}

public struct DType: Equatable {
  let code: olivine_dtype
  public static let bool = DType(code: OLIVINE_BOOL)
  public static let int32 = DType(code: OLIVINE_INT32)
  public static let int64 = DType(code: OLIVINE_INT64)
  public static let float16 = DType(code: OLIVINE_FLOAT16)
  public static let bfloat16 = DType(code: OLIVINE_BFLOAT16)
  public static let float32 = DType(code: OLIVINE_FLOAT32)
  public static let float64 = DType(code: OLIVINE_FLOAT64)
  public static let complex64 = DType(code: OLIVINE_COMPLEX64)
  public var size: Int { olivine_dtype_size(code) }
  public static func == (a: DType, b: DType) -> Bool { a.code.rawValue == b.code.rawValue }
}

public struct StreamOrDevice {
  let handle: olivine_stream
  /// The stream that work goes to unless said otherwise.
  public static let `default` = StreamOrDevice(handle: olivine_stream_new())
}

public struct OlivineError: Error, CustomStringConvertible {
  public let description: String
  static var last: OlivineError { OlivineError(description: String(cString: olivine_last_error())) }
}

/// A C vector of arrays that lives as long as this object.
final class Handles {
  let vector: olivine_vector_array
  init(_ arrays: [Array]) {
    let handles = arrays.map(\.handle)
    vector = olivine_vector_array_new_data(handles, handles.count)
  }
  deinit { olivine_vector_array_free(vector) }
}

/// The array that a C function makes. Building the graph fails only on wrong arguments, as array
/// indexing does in Swift.
func result(_ body: (inout olivine_array) -> Int32) -> Array {
  var handle = olivine_array_new()
  if body(&handle) != 0 { fatalError(OlivineError.last.description) }
  return Array(handle)
}
