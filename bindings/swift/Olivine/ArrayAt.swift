// Updates that add up where indices repeat: `a.at[indices].add(values)`.
import COlivine

public struct ArrayAt {
  let array: NDArray

  public subscript(
    indices: any MLXArrayIndex..., stream stream: StreamOrDevice = .default
  ) -> ArrayAtIndices {
    ArrayAtIndices(array: array, operations: indices.map(\.mlxArrayIndexOperation), stream: stream)
  }

  public subscript(
    indices: some Sequence<any MLXArrayIndex>, stream stream: StreamOrDevice = .default
  ) -> ArrayAtIndices {
    ArrayAtIndices(array: array, operations: indices.map(\.mlxArrayIndexOperation), stream: stream)
  }
}

/// Each function returns a new array; the old one stays as it is.
public struct ArrayAtIndices {
  let array: NDArray
  let operations: [MLXArrayIndexOperation]
  let stream: StreamOrDevice

  public func add(_ values: some ScalarOrArray) -> NDArray { update(values, .add) }
  public func subtract(_ values: some ScalarOrArray) -> NDArray {
    update(negative(operand(values), stream: stream), .add)
  }
  public func multiply(_ values: some ScalarOrArray) -> NDArray { update(values, .multiply) }
  public func divide(_ values: some ScalarOrArray) -> NDArray {
    guard array.dtype.isFloatingPoint || array.dtype.isComplex else {
      report("[at.divide] expected a floating dtype; got \(array.dtype)")
      return array
    }
    return update(reciprocal(operand(values), stream: stream), .multiply)
  }
  public func minimum(_ values: some ScalarOrArray) -> NDArray { update(values, .minimum) }
  public func maximum(_ values: some ScalarOrArray) -> NDArray { update(values, .maximum) }

  private func operand(_ values: some ScalarOrArray) -> NDArray {
    values.asMLXArray(dtype: array.dtype)
  }
  private func update(_ values: some ScalarOrArray, _ kind: UpdateKind) -> NDArray {
    array.updated(operations, operand(values), kind, stream)
  }
}
