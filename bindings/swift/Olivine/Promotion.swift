// Dtypes of mixed operations, groups of dtypes and limits of integers.
import COlivine

/// The dtype of an operation on all of these arrays, of which there is at least one.
public func resultType(_ arrays: NDArray...) -> DType {
  withVector(arrays) { arrays in dtype { r in olivine_result_type(r, arrays) } }
}

/// The dtype that holds values of both.
public func promoteTypes(_ a: DType, _ b: DType) -> DType {
  dtype { r in olivine_promote_types(r, a.cmlxDtype, b.cmlxDtype) }
}

/// Whether promotion ever leads from one dtype to the other.
public func canCast(_ from: DType, to: DType) -> Bool {
  truth { r in olivine_can_cast(r, from.cmlxDtype, to.cmlxDtype) }
}

/// Whether promotion ever leads from the dtype of an array to another.
public func canCast(_ array: NDArray, to: DType) -> Bool { canCast(array.dtype, to: to) }

/// The shape that arrays of these shapes broadcast to.
public func broadcastShapes(_ shapes: [Int]...) -> [Int] {
  shapes.reduce([]) { all, shape in
    var result = olivine_vector_int()
    let status = all.withInts { all, allCount in
      shape.withInts { shape, count in
        olivine_broadcast_shapes(&result, all, allCount, shape, count)
      }
    }
    checked(status)
    defer { olivine_vector_int_free(result) }
    return ints(of: result)
  }
}

/// The order in which ``einsum(_:_:)`` contracts its operands, and a text about its cost. Each
/// element holds the positions of operands that are taken out of the list; their product is
/// appended to it.
public func einsumPath(_ subscripts: String, _ operands: NDArray...) -> ([[Int]], String) {
  var path = olivine_vector_vector_int()
  var text = olivine_string()
  checked(withVector(operands) { olivine_einsum_path(&path, &text, subscripts, $0) })
  defer {
    olivine_vector_vector_int_free(path)
    olivine_string_free(text)
  }
  let steps = (0..<olivine_vector_vector_int_size(path)).map { i in
    var step = olivine_vector_int()
    checked(olivine_vector_vector_int_get(&step, path, i))
    defer { olivine_vector_int_free(step) }
    return ints(of: step)
  }
  return (steps, String(cString: olivine_string_data(text)))
}

extension DType {
  /// Groups of dtypes; generic holds number, which holds integer and inexact, and so on.
  public enum Category: Hashable, Sendable, CaseIterable {
    case complexFloating, floating, inexact, signedInteger, unsignedInteger, integer, number
    case generic

    var code: olivine_dtype_category {
      switch self {
      case .complexFloating: return OLIVINE_COMPLEXFLOATING
      case .floating: return OLIVINE_FLOATING
      case .inexact: return OLIVINE_INEXACT
      case .signedInteger: return OLIVINE_SIGNEDINTEGER
      case .unsignedInteger: return OLIVINE_UNSIGNEDINTEGER
      case .integer: return OLIVINE_INTEGER
      case .number: return OLIVINE_NUMBER
      case .generic: return OLIVINE_GENERIC
      }
    }

    /// Whether this category is the other one, or lies under it.
    public func isSubtype(of other: Category) -> Bool {
      truth { r in olivine_issubdtype_category(r, code, other.code) }
    }
  }

  /// Whether the dtype lies under a category.
  public func isSubtype(of category: Category) -> Bool {
    truth { r in olivine_issubdtype(r, cmlxDtype, category.code) }
  }

  /// Whether the dtype is of a kind of the array API standard: "bool", "signed integer",
  /// "unsigned integer", "integral", "real floating", "complex floating" or "numeric".
  public func isKind(_ kind: String) -> Bool {
    truth { r in olivine_isdtype(r, cmlxDtype, kind) }
  }

  /// Limits of an integer dtype; nil for others.
  public var iinfo: IInfo? {
    guard isInteger else { return nil }
    var limits = olivine_iinfo()
    checked(olivine_iinfo_get(&limits, cmlxDtype))
    return IInfo(dtype: self, bits: Int(limits.bits), min: Int(limits.min), max: UInt(limits.max))
  }

  public struct IInfo: Sendable {
    public let dtype: DType
    public let bits: Int
    public let min: Int
    public let max: UInt
  }
}

private func dtype(_ body: (UnsafeMutablePointer<olivine_dtype>) -> Int32) -> DType {
  var code = OLIVINE_BOOL
  checked(body(&code))
  return DType(code)
}

private func truth(_ body: (UnsafeMutablePointer<Bool>) -> Int32) -> Bool {
  var value = false
  checked(body(&value))
  return value
}

private func ints(of vector: olivine_vector_int) -> [Int] {
  (0..<olivine_vector_int_size(vector)).map { i in
    var value: Int32 = 0
    checked(olivine_vector_int_get(&value, vector, i))
    return Int(value)
  }
}
