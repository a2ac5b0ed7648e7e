// Arrays from Swift values.
import COlivine
import Foundation

extension NDArray {
  /// Uses memory as it is; `finalizer` is called when no array needs it.
  public convenience init(
    rawPointer: UnsafeMutableRawPointer, _ shape: (some Collection<Int>)? = [Int]?.none,
    dtype: DType, finalizer: @escaping () -> Void
  ) {
    let payload = Unmanaged.passRetained(Finalizer(finalizer)).toOpaque()
    let sizes = shape.map { Array($0) } ?? [1]
    var handle = olivine_array()
    let status = sizes.withInts { sizes, count in
      handle = olivine_array_new_data_managed_payload(
        rawPointer, sizes, count.c, dtype.cmlxDtype, payload
      ) { Unmanaged<Finalizer>.fromOpaque($0!).release() }
      return handle.ctx == nil ? 1 : 0
    }
    if status != 0 { reportFailure(status) }
    self.init(handle)
  }

  public convenience init(_ value: Int32) { self.init(olivine_array_new_int(value)) }
  /// An int32 scalar; an error if the value does not fit.
  public convenience init(_ value: Int) {
    if Int32(exactly: value) == nil {
      report("[array] expected an integer of 32 bits; got \(value) (use init(int64:))")
    }
    self.init(olivine_array_new_int(value.c))
  }
  public convenience init(int64 value: Int) {
    self.init(takingFrom: scalar(bytes: Int64(value), dtype: .int64))
  }
  public convenience init(_ value: Bool) { self.init(olivine_array_new_bool(value)) }
  public convenience init(_ value: Float) { self.init(olivine_array_new_float32(value)) }
  public convenience init(float64 value: Double) { self.init(olivine_array_new_float64(value)) }
  public convenience init<T: HasDType>(_ value: T) {
    self.init(takingFrom: scalar(bytes: value, dtype: T.dtype))
  }
  public convenience init(bfloat16 value: Float32) {
    self.init(takingFrom: scalar(bytes: bfloat16Bits(value), dtype: .bfloat16))
  }
  public convenience init<T: HasDType>(_ value: T, dtype: DType) {
    let own = scalar(bytes: value, dtype: T.dtype)
    self.init(takingFrom: T.dtype == dtype ? own : own.asType(dtype))
  }

  public convenience init<T: HasDType>(_ value: [T], _ shape: (some Collection<Int>)? = [Int]?.none)
  {
    self.init(takingFrom: value.withUnsafeBytes { copied($0, shape, T.dtype) })
  }
  /// An int32 array; an error if a value does not fit.
  public convenience init(_ value: [Int], _ shape: (some Collection<Int>)? = [Int]?.none) {
    self.init(takingFrom: int32Array(value, shape))
  }
  public convenience init(int64 value: [Int], _ shape: (some Collection<Int>)? = [Int]?.none) {
    self.init(takingFrom: value.withUnsafeBytes { copied($0, shape, .int64) })
  }
  /// A float32 array of doubles.
  public convenience init(
    converting value: [Double], _ shape: (some Collection<Int>)? = [Int]?.none
  ) {
    self.init(value.map { Float($0) }, shape)
  }
  @available(
    *, unavailable, message: "Use init(converting:) for float32, or float64 scalars and asType."
  )
  public convenience init(_ value: [Double], _ shape: (some Collection<Int>)? = [Int]?.none) {
    fatalError("unavailable")
  }
  public convenience init<S: Sequence>(
    _ sequence: S, _ shape: (some Collection<Int>)? = [Int]?.none
  )
  where S.Element: HasDType {
    // Ints are int32 here as they are one by one.
    if let ints = Array(sequence) as? [Int] {
      self.init(takingFrom: int32Array(ints, shape))
    } else {
      self.init(takingFrom: Array(sequence).withUnsafeBytes { copied($0, shape, S.Element.dtype) })
    }
  }
  public convenience init(
    int64 sequence: some Sequence<Int>, _ shape: (some Collection<Int>)? = [Int]?.none
  ) {
    self.init(int64: Array(sequence), shape)
  }

  public convenience init<T: HasDType>(
    _ ptr: UnsafeBufferPointer<T>, _ shape: (some Collection<Int>)? = [Int]?.none
  ) {
    self.init(takingFrom: copied(UnsafeRawBufferPointer(ptr), shape, T.dtype))
  }
  public convenience init(
    _ ptr: UnsafeRawBufferPointer, _ shape: (some Collection<Int>)? = [Int]?.none,
    type: (some HasDType).Type
  ) {
    self.init(takingFrom: copied(ptr, shape, type.dtype))
  }
  public convenience init(
    _ data: Data, _ shape: (some Collection<Int>)? = [Int]?.none, type: (some HasDType).Type
  ) {
    self.init(data, shape, dtype: type.dtype)
  }
  public convenience init(
    _ data: Data, _ shape: (some Collection<Int>)? = [Int]?.none, dtype: DType
  ) {
    self.init(takingFrom: data.withUnsafeBytes { copied($0, shape, dtype) })
  }
  public convenience init(data: MLXArrayData) {
    let flat = NDArray(data.data, dtype: data.dType)
    let dense = data.strides == denseStrides(data.shape)
    self.init(
      takingFrom: dense
        ? flat.reshaped(data.shape) : asStrided(flat, data.shape, strides: data.strides))
  }
  public convenience init(real: Float, imaginary: Float) {
    self.init(olivine_array_new_complex(real, imaginary))
  }
  public convenience init(_ value: Complex<Float>) {
    self.init(real: value.real, imaginary: value.imaginary)
  }

  /// Takes the handle of an array that is used nowhere else.
  convenience init(takingFrom other: NDArray) {
    let handle = other.ctx
    other.ctx = olivine_array()
    self.init(handle)
  }
}

extension NDArray: ExpressibleByArrayLiteral {
  public convenience init(arrayLiteral elements: Int32...) {
    self.init(takingFrom: elements.withUnsafeBytes { copied($0, [Int]?.none, .int32) })
  }
}

private final class Finalizer {
  let body: () -> Void
  init(_ body: @escaping () -> Void) { self.body = body }
  deinit { body() }
}

func denseStrides(_ shape: [Int]) -> [Int] {
  var strides = [Int](repeating: 1, count: shape.count)
  for i in shape.indices.dropLast().reversed() { strides[i] = strides[i + 1] * shape[i + 1] }
  return strides
}

/// An array with a copy of the bytes; one-dimensional without a shape.
private func copied(
  _ bytes: UnsafeRawBufferPointer, _ shape: (some Collection<Int>)?, _ dtype: DType
) -> NDArray {
  let count = bytes.count / dtype.size
  let sizes = shape.map { Array($0) } ?? [count]
  guard sizes.reduce(1, *) == count && count * dtype.size == bytes.count else {
    report("[array] expected \(sizes) \(dtype) elements; got \(bytes.count) bytes")
    return NDArray(olivine_array())
  }
  var handle = olivine_array()
  let status = sizes.withInts { sizes, dimensions in
    handle = olivine_array_new_data(bytes.baseAddress, sizes, dimensions.c, dtype.cmlxDtype)
    return handle.ctx == nil ? 1 : 0
  }
  if status != 0 { reportFailure(status) }
  return NDArray(handle)
}

private func int32Array(_ values: [Int], _ shape: (some Collection<Int>)?) -> NDArray {
  if let big = values.first(where: { Int32(exactly: $0) == nil }) {
    report("[array] expected integers of 32 bits; got \(big) (use init(int64:))")
  }
  return values.map(\.c).withUnsafeBytes { copied($0, shape, .int32) }
}
