// Brackets: `a[0, 1..., .newAxis]`, to read and to assign.
import COlivine

extension NDArray: Sequence {
  /// The parts along the first axis.
  public func makeIterator() -> some IteratorProtocol<NDArray> {
    PartIterator(array: self, count: count)
  }
}

struct PartIterator: IteratorProtocol {
  let array: NDArray
  let count: Int
  var position = 0

  init(array: NDArray, count: Int) {
    self.array = array
    self.count = count
  }

  mutating func next() -> NDArray? {
    guard position < count else { return nil }
    defer { position += 1 }
    return array[position]
  }
}

extension NDArray {
  @available(*, deprecated, message: "Use indices in their order, with .ellipsis.")
  public subscript(index: Int, axis axis: Int, stream stream: StreamOrDevice = .default) -> NDArray
  {
    get { indexed(onAxis(axis, index.mlxArrayIndexOperation), stream) }
    set { assign(onAxis(axis, index.mlxArrayIndexOperation), newValue, stream) }
  }

  @available(*, deprecated, message: "Use indices in their order, with .ellipsis.")
  public subscript(
    range: some RangeExpression<Int>, axis axis: Int, stream stream: StreamOrDevice = .default
  ) -> NDArray {
    get { indexed(onAxis(axis, sliceOf(range, axis)), stream) }
    set { assign(onAxis(axis, sliceOf(range, axis)), newValue, stream) }
  }

  @available(*, deprecated, message: "Use .stride(from:to:by:).")
  public subscript(
    from from: Int? = nil, to to: Int? = nil, stride stride: Int, axis axis: Int = -1,
    stream stream: StreamOrDevice = .default
  ) -> NDArray {
    get {
      let slice = MLXSlice(start: from?.c, end: to?.c, stride: stride.c)
      return indexed(onAxis(axis, .slice(slice)), stream)
    }
    set {
      let slice = MLXSlice(start: from?.c, end: to?.c, stride: stride.c)
      assign(onAxis(axis, .slice(slice)), newValue, stream)
    }
  }

  public subscript(
    indices: any MLXArrayIndex..., stream stream: StreamOrDevice = .default
  ) -> NDArray {
    get { indexed(indices.map(\.mlxArrayIndexOperation), stream) }
    set { assign(indices.map(\.mlxArrayIndexOperation), newValue, stream) }
  }

  public subscript(
    indices: [any MLXArrayIndex], stream stream: StreamOrDevice = .default
  ) -> NDArray {
    get { indexed(indices.map(\.mlxArrayIndexOperation), stream) }
    set { assign(indices.map(\.mlxArrayIndexOperation), newValue, stream) }
  }

  private func assign(
    _ operations: [MLXArrayIndexOperation], _ value: NDArray, _ stream: StreamOrDevice
  ) {
    _updateInternal(updated(operations, value, .assign, stream))
  }

  /// The index on an axis, behind whole ones.
  private func onAxis(_ axis: Int, _ operation: MLXArrayIndexOperation) -> [MLXArrayIndexOperation]
  {
    let place = axis < 0 ? axis + ndim : axis
    guard place >= 0 && place < ndim else {
      report("[getitem] expected an axis in [\(-ndim), \(ndim)); got \(axis)")
      return []
    }
    let whole = [MLXArrayIndexOperation](repeating: .slice(MLXSlice()), count: place)
    return whole + [operation]
  }

  private func sliceOf(_ range: some RangeExpression<Int>, _ axis: Int) -> MLXArrayIndexOperation {
    let bounds = range.relative(to: 0..<dim(axis))
    return .slice(MLXSlice(start: bounds.lowerBound.c, end: bounds.upperBound.c))
  }
}
