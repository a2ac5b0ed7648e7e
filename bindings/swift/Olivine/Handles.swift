// How Swift calls C: results in new arrays, integers and vectors without a copy on the heap.
import COlivine

/// What a call returns when its arguments were refused before C saw them, and that was reported.
let alreadyReported: Int32 = 2

/// The array that a C function puts behind the pointer; an empty one after an error.
@inline(__always)
func made(_ body: (UnsafeMutablePointer<olivine_array>) -> Int32) -> NDArray {
  var handle = olivine_array()
  let status = withUnsafeMutablePointer(to: &handle) { body($0) }
  if status != 0 { reportFailure(status) }
  return NDArray(handle)
}

func made2(
  _ body: (UnsafeMutablePointer<olivine_array>, UnsafeMutablePointer<olivine_array>) -> Int32
) -> (NDArray, NDArray) {
  var first = olivine_array()
  var second = olivine_array()
  let status = body(&first, &second)
  if status != 0 { reportFailure(status) }
  return (NDArray(first), NDArray(second))
}

func made3(
  _ body: (
    UnsafeMutablePointer<olivine_array>, UnsafeMutablePointer<olivine_array>,
    UnsafeMutablePointer<olivine_array>
  ) -> Int32
) -> (NDArray, NDArray, NDArray) {
  var (first, second, third) = (olivine_array(), olivine_array(), olivine_array())
  let status = body(&first, &second, &third)
  if status != 0 { reportFailure(status) }
  return (NDArray(first), NDArray(second), NDArray(third))
}

func made4(
  _ body: (
    UnsafeMutablePointer<olivine_array>, UnsafeMutablePointer<olivine_array>,
    UnsafeMutablePointer<olivine_array>, UnsafeMutablePointer<olivine_array>
  ) -> Int32
) -> (NDArray, NDArray, NDArray, NDArray) {
  var (first, second) = (olivine_array(), olivine_array())
  var (third, fourth) = (olivine_array(), olivine_array())
  let status = body(&first, &second, &third, &fourth)
  if status != 0 { reportFailure(status) }
  return (NDArray(first), NDArray(second), NDArray(third), NDArray(fourth))
}

func madeVector(_ body: (UnsafeMutablePointer<olivine_vector_array>) -> Int32) -> [NDArray] {
  var vector = olivine_vector_array()
  let status = body(&vector)
  if status != 0 {
    reportFailure(status)
    return []
  }
  defer { olivine_vector_array_free(vector) }
  return arrays(of: vector)
}

/// Two arrays that C returns as a vector; empty ones after an error.
func unpacked2(
  _ body: (UnsafeMutablePointer<olivine_vector_array>) -> Int32
) -> (NDArray, NDArray) {
  let all = madeVector(body)
  return (at(all, 0), at(all, 1))
}

func unpacked3(
  _ body: (UnsafeMutablePointer<olivine_vector_array>) -> Int32
) -> (NDArray, NDArray, NDArray) {
  let all = madeVector(body)
  return (at(all, 0), at(all, 1), at(all, 2))
}

/// A result by its place; an empty array where an error left none.
func at(_ arrays: [NDArray], _ i: Int) -> NDArray {
  i < arrays.count ? arrays[i] : NDArray(olivine_array())
}

/// For C functions that return a status alone.
@inline(__always)
func checked(_ status: Int32) {
  if status != 0 { reportFailure(status) }
}

/// The arrays of a C vector, which stays with the caller.
func arrays(of vector: olivine_vector_array) -> [NDArray] {
  (0..<olivine_vector_array_size(vector)).map { i in
    made { r in olivine_vector_array_get(r, vector, i) }
  }
}

/// A C vector of the arrays, for the time of a call.
func withVector<R>(
  _ arrays: some Collection<NDArray>, _ body: (olivine_vector_array) -> R
) -> R {
  let vector = newVector(arrays)
  defer { olivine_vector_array_free(vector) }
  return body(vector)
}

/// A C vector that the caller frees; it holds nothing if one of the arrays is empty.
func newVector(_ arrays: some Collection<NDArray>) -> olivine_vector_array {
  withUnsafeTemporaryAllocation(of: olivine_array.self, capacity: arrays.count) { handles in
    for (i, array) in arrays.enumerated() { handles[i] = array.ctx }
    return withExtendedLifetime(arrays) {
      olivine_vector_array_new_data(handles.baseAddress, handles.count)
    }
  }
}

func string(_ body: (UnsafeMutablePointer<olivine_string>) -> Int32) -> String {
  var text = olivine_string()
  let status = body(&text)
  if status != 0 {
    reportFailure(status)
    return ""
  }
  defer { olivine_string_free(text) }
  return String(cString: olivine_string_data(text))
}

extension Int {
  /// As a C int; what does not fit becomes the nearest that does, which no axis or count can be.
  @inline(__always) var c: Int32 { Int32(clamping: self) }
}

extension Collection where Element == Int {
  /// The integers as C ints on the stack. Without a call, and with an error, if one does not fit.
  @inline(__always)
  func withInts(_ body: (UnsafePointer<Int32>, Int) -> Int32) -> Int32 {
    if let status = withContiguousStorageIfAvailable({ withSmallInts($0, body) }) { return status }
    return Array(self).withUnsafeBufferPointer { withSmallInts($0, body) }
  }
}

private func withSmallInts(
  _ values: UnsafeBufferPointer<Int>, _ body: (UnsafePointer<Int32>, Int) -> Int32
) -> Int32 {
  withUnsafeTemporaryAllocation(of: Int32.self, capacity: values.count) { ints in
    for (i, value) in values.enumerated() {
      guard let small = Int32(exactly: value) else {
        report("[array] expected integers of 32 bits; got \(value)")
        return alreadyReported
      }
      ints[i] = small
    }
    return body(UnsafePointer(ints.baseAddress!), values.count)
  }
}

extension Optional where Wrapped == NDArray {
  @inline(__always) var handle: olivine_array { self?.ctx ?? olivine_array() }
}

extension Optional where Wrapped == Int {
  var optional: olivine_optional_int {
    olivine_optional_int(value: self?.c ?? 0, has_value: self != nil)
  }
}

extension Optional where Wrapped == Float {
  var optional: olivine_optional_float {
    olivine_optional_float(value: self ?? 0, has_value: self != nil)
  }
}

extension Optional where Wrapped == Bool {
  var optional: olivine_optional_bool {
    olivine_optional_bool(value: self ?? false, has_value: self != nil)
  }
}

extension Optional where Wrapped == DType {
  var optional: olivine_optional_dtype {
    olivine_optional_dtype(value: self?.cmlxDtype ?? OLIVINE_BOOL, has_value: self != nil)
  }
}
