// The elements of arrays as Swift values and bytes.
import COlivine
import Foundation

extension NDArray {
  /// The elements in row-major order, converted to T.
  public func asArray<T: HasDType>(_ type: T.Type) -> [T] {
    let array = dtype == T.dtype ? self : asType(T.dtype)
    let n = array.size
    return array.withElements { pointer in
      guard let pointer, n > 0 else { return [] }
      return [T](unsafeUninitializedCapacity: n) { buffer, count in
        UnsafeMutableRawPointer(buffer.baseAddress!)
          .copyMemory(from: pointer, byteCount: n * MemoryLayout<T>.stride)
        count = n
      }
    }
  }

  public enum AccessMethod {
    /// A copy in row-major order.
    case copy
    /// The memory of the array if it is in row-major order, else a copy.
    case noCopyIfContiguous
    /// The memory of the array, whatever its strides are.
    case noCopy
  }

  /// Bytes of an array and what they mean; strides count elements.
  public struct MLXArrayData {
    public let data: Data
    public let shape: [Int]
    public let strides: [Int]
    public let dType: DType
  }

  public func asData(access: AccessMethod = .copy) -> MLXArrayData {
    let sizes = shape
    let bytes = nbytes
    let data = withElements { pointer -> Data in
      guard let pointer, bytes > 0 else { return Data() }
      if access == .copy { return Data(bytes: pointer, count: bytes) }
      let owner = Unmanaged.passRetained(made { r in olivine_array_set(r, ctx) })
      return Data(
        bytesNoCopy: UnsafeMutableRawPointer(mutating: pointer), count: bytes,
        deallocator: .custom { _, _ in owner.release() })
    }
    return MLXArrayData(data: data, shape: sizes, strides: denseStrides(sizes), dType: dtype)
  }

  @available(*, deprecated, message: "Use asData(access:).")
  public func asData(noCopy: Bool = false, disambiguate: Bool = false) -> Data {
    asData(access: noCopy ? .noCopyIfContiguous : .copy).data
  }

  /// The first element, with the others behind it in row-major order; nil after an error or if
  /// there are none.
  func withElements<R>(_ body: (UnsafeRawPointer?) -> R) -> R {
    let pointer = olivine_array_data(ctx)
    if pointer == nil && size > 0 { report(lastError) }
    return withExtendedLifetime(self) { body(UnsafeRawPointer(pointer)) }
  }
}
