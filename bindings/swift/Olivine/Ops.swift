// Functions of arrays whose Swift forms are more than a call of C.
import COlivine

/// The array with other sizes and strides, which count elements; not checked against memory unless
/// given whole.
public func asStrided(
  _ array: NDArray, _ shape: (some Collection<Int>)? = [Int]?.none,
  strides: (some Collection<Int>)? = [Int]?.none, offset: Int = 0, stream: StreamOrDevice = .default
) -> NDArray {
  let sizes = shape.map { Array($0) } ?? array.shape
  let steps = strides.map { $0.map(Int64.init) } ?? denseStrides(sizes).map(Int64.init)
  guard offset >= 0 else {
    report("[as_strided] expected offset >= 0; got \(offset)")
    return NDArray(olivine_array())
  }
  return made { r in
    sizes.withInts { sizes, n in
      olivine_as_strided(r, array.ctx, sizes, n, steps, steps.count, offset, stream.ctx)
    }
  }
}

/// The elements, but not below `min`.
public func clip(_ array: NDArray, min: some ScalarOrArray, stream: StreamOrDevice = .default)
  -> NDArray
{
  let min = min.asMLXArray(dtype: array.dtype)
  return made { r in olivine_clip(r, array.ctx, min.ctx, olivine_array(), stream.ctx) }
}

/// The elements, but not below `min` or above `max`.
public func clip(
  _ array: NDArray, min: some ScalarOrArray, max: some ScalarOrArray,
  stream: StreamOrDevice = .default
) -> NDArray {
  let min = min.asMLXArray(dtype: array.dtype)
  let max = max.asMLXArray(dtype: array.dtype)
  return made { r in olivine_clip(r, array.ctx, min.ctx, max.ctx, stream.ctx) }
}

/// The elements, but not above `max`.
public func clip(_ array: NDArray, max: some ScalarOrArray, stream: StreamOrDevice = .default)
  -> NDArray
{
  let max = max.asMLXArray(dtype: array.dtype)
  return made { r in olivine_clip(r, array.ctx, olivine_array(), max.ctx, stream.ctx) }
}

/// A convolution over any number of spatial axes.
public func convGeneral(
  _ array: NDArray, _ weight: NDArray, strides: IntOrArray = 1, padding: IntOrArray = 0,
  kernelDilation: IntOrArray = 1, inputDilation: IntOrArray = 1, groups: Int = 1,
  flip: Bool = false,
  stream: StreamOrDevice = .default
) -> NDArray {
  general(
    array, weight, strides, (padding, padding), kernelDilation, inputDilation, groups, flip, stream)
}

/// A convolution with another padding before than behind.
public func convGeneral(
  _ array: NDArray, _ weight: NDArray, strides: IntOrArray = 1, padding: (Int, Int),
  kernelDilation: IntOrArray = 1, inputDilation: IntOrArray = 1, groups: Int = 1,
  flip: Bool = false,
  stream: StreamOrDevice = .default
) -> NDArray {
  general(
    array, weight, strides, (.int(padding.0), .int(padding.1)), kernelDilation, inputDilation,
    groups,
    flip, stream)
}

private func general(
  _ array: NDArray, _ weight: NDArray, _ strides: IntOrArray, _ padding: (IntOrArray, IntOrArray),
  _ kernelDilation: IntOrArray, _ inputDilation: IntOrArray, _ groups: Int, _ flip: Bool,
  _ stream: StreamOrDevice
) -> NDArray {
  let axes = Swift.max(array.ndim - 2, 1)
  func each(_ value: IntOrArray) -> [Int32] {
    if case .int(let one) = value { return [Int32](repeating: one.c, count: axes) }
    return value.asInt32Array
  }
  let (steps, low, high) = (each(strides), each(padding.0), each(padding.1))
  let (kernel, input) = (each(kernelDilation), each(inputDilation))
  return made { r in
    olivine_conv_general(
      r, array.ctx, weight.ctx, steps, steps.count, low, low.count, high, high.count, kernel,
      kernel.count, input, input.count, groups.c, flip, stream.ctx)
  }
}

public enum ConvolveMode: Sendable {
  case full
  case valid
  case same
}

/// The convolution of two sequences.
public func convolve(
  _ a: some ScalarOrArray, _ b: some ScalarOrArray, mode: ConvolveMode = .full,
  stream: StreamOrDevice = .default
) -> NDArray {
  var (long, short) = toArrays(a, b)
  guard long.ndim == 1 && short.ndim == 1 && long.size > 0 && short.size > 0 else {
    report(
      "[convolve] expected two vectors with elements; got shapes \(long.shape), \(short.shape)")
    return NDArray(olivine_array())
  }
  if long.size < short.size { swap(&long, &short) }
  let n = short.size
  let padding: (Int, Int)
  switch mode {
  case .full: padding = (n - 1, n - 1)
  case .valid: padding = (0, 0)
  case .same: padding = (n / 2, (n - 1) / 2)
  }
  let result = convGeneral(
    long.reshaped([1, -1, 1]), short.reshaped([1, -1, 1]), padding: padding, flip: true,
    stream: stream)
  return result.reshaped([-1])
}

/// `input`, computed only after the dependencies.
public func depends(input: NDArray, dependencies: [NDArray]) -> NDArray {
  at(depends(inputs: [input], dependencies: dependencies), 0)
}

/// The inputs, computed only after the dependencies.
public func depends(inputs: [NDArray], dependencies: [NDArray]) -> [NDArray] {
  withVector(inputs) { inputs in
    withVector(dependencies) { dependencies in
      madeVector { r in olivine_depends(r, inputs, dependencies) }
    }
  }
}

public enum QuantizationMode: String, Codable, Sendable {
  case affine
  case mxfp4
  case mxfp8
  case nvfp4
}

public enum MeshGridIndexing: String, Sendable {
  /// The first array runs along the second axis.
  case xy
  /// Each array runs along its own axis.
  case ij
}

public enum PadMode: String {
  case constant
  /// The value at the edge goes on.
  case edge
}

/// The array with elements before and behind each axis.
public func padded(
  _ array: NDArray, width: IntOrPair, mode: PadMode = .constant, value: NDArray? = nil,
  stream: StreamOrDevice = .default
) -> NDArray {
  let widths = [IntOrPair](repeating: width, count: array.ndim)
  return padded(array, widths: widths, mode: mode, value: value, stream: stream)
}

/// The array with elements before and behind each axis, as many as its pair says.
public func padded(
  _ array: NDArray, widths: some Collection<IntOrPair>, mode: PadMode = .constant,
  value: NDArray? = nil, stream: StreamOrDevice = .default
) -> NDArray {
  let low = widths.map(\.first)
  let high = widths.map(\.second)
  let value = value ?? scalarArray(0, dtype: array.dtype)
  return made { r in
    (0..<low.count).withInts { axes, n in
      low.withInts { low, _ in
        high.withInts { high, _ in
          olivine_pad(
            r, array.ctx, axes, n, low, n, high, n, value.ctx, mode.rawValue, stream.ctx)
        }
      }
    }
  }
}

/// The middle element along an axis, or the mean of the two middle ones.
public func median(
  _ a: NDArray, axis: Int, keepDims: Bool = false, stream: StreamOrDevice = .default
) -> NDArray {
  median(a, axes: [axis], keepDims: keepDims, stream: stream)
}

/// The middle element along axes, or the mean of the two middle ones.
public func median(
  _ a: NDArray, axes: [Int], keepDims: Bool = false, stream: StreamOrDevice = .default
) -> NDArray {
  made { r in axes.withInts { olivine_median(r, a.ctx, $0, $1, keepDims, stream.ctx) } }
}

/// The middle element of all, or the mean of the two middle ones.
public func median(_ a: NDArray, keepDims: Bool = false, stream: StreamOrDevice = .default)
  -> NDArray
{
  median(a, axes: Array(0..<a.ndim), keepDims: keepDims, stream: stream)
}

/// The flattened array with the elements at the flattened indices replaced.
public func putAlong(
  _ array: NDArray, _ indices: NDArray, values: NDArray, stream: StreamOrDevice = .default
) -> NDArray {
  let flat = putAlong(
    array.flattened(), indices.flattened(), values: values.flattened(), axis: 0, stream: stream)
  return flat.reshaped(array.shape, stream: stream)
}

/// Groups of the last axis as integers of `bits` bits, with their scales and biases.
public func quantized(
  _ w: NDArray, groupSize: Int? = nil, bits: Int? = nil, mode: QuantizationMode = .affine,
  globalScale: NDArray? = nil, stream: StreamOrDevice = .default
) -> (wq: NDArray, scales: NDArray, biases: NDArray?) {
  let parts = madeVector { r in
    olivine_quantize(
      r, w.ctx, groupSize.optional, bits.optional, mode.rawValue, globalScale.handle, stream.ctx)
  }
  return (at(parts, 0), at(parts, 1), parts.count > 2 ? parts[2] : nil)
}

/// The elements moved along an axis; those that leave come back at the other end.
public func roll(_ a: NDArray, shift: Int, axis: Int, stream: StreamOrDevice = .default) -> NDArray
{
  roll(a, shift: shift, axes: [axis], stream: stream)
}

/// The elements moved along axes; of the flattened array without axes.
public func roll(
  _ a: NDArray, shift: Int, axes: (some Collection<Int>)? = [Int]?.none,
  stream: StreamOrDevice = .default
) -> NDArray {
  made { r in
    guard let axes else {
      return [shift].withInts { olivine_roll(r, a.ctx, $0, $1, stream.ctx) }
    }
    let shifts = [Int](repeating: shift, count: axes.count)
    return shifts.withInts { shifts, n in
      axes.withInts { axes, _ in olivine_roll_axes(r, a.ctx, shifts, n, axes, n, stream.ctx) }
    }
  }
}

/// Products of elements of two arrays, summed over a pair of axes of each.
public func tensordot(
  _ a: NDArray, _ b: NDArray, axes: ((Int, Int), (Int, Int)), stream: StreamOrDevice = .default
) -> NDArray {
  let ((a0, a1), (b0, b1)) = axes
  return tensordot(a, b, axes: ([a0, a1], [b0, b1]), stream: stream)
}

/// Products of elements of two arrays, summed over axes of each.
public func tensordot(
  _ a: NDArray, _ b: NDArray, axes: (some Collection<Int>, some Collection<Int>),
  stream: StreamOrDevice = .default
) -> NDArray {
  made { r in
    axes.0.withInts { first, m in
      axes.1.withInts { second, n in
        olivine_tensordot(r, a.ctx, b.ctx, first, m, second, n, stream.ctx)
      }
    }
  }
}

/// The array repeated along its last axis.
public func tiled(_ array: NDArray, repetitions: Int, stream: StreamOrDevice = .default) -> NDArray
{
  tiled(array, repetitions: [repetitions], stream: stream)
}

/// The sum of a diagonal.
public func trace(
  _ array: NDArray, offset: Int = 0, axis1: Int = 0, axis2: Int = 1, dtype: DType? = nil,
  stream: StreamOrDevice = .default
) -> NDArray {
  // Small integers and bools add up as int32, like `sum`.
  let type = dtype ?? sumType(array.dtype)
  return made { r in
    olivine_trace(r, array.ctx, offset.c, axis1.c, axis2.c, type.cmlxDtype, stream.ctx)
  }
}

private func sumType(_ dtype: DType) -> DType {
  switch dtype {
  case .bool, .int8, .int16: return .int32
  case .uint8, .uint16: return .uint32
  default: return dtype
  }
}

/// The array with an axis moved to the front.
public func transposed(_ array: NDArray, axis: Int, stream: StreamOrDevice = .default) -> NDArray {
  array.transposed(axis: axis, stream: stream)
}
