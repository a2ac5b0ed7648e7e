// Indices read against the shape of an array, and what they take or change.
//
// Integers and slices take a block of the array. Arrays gather from, or scatter into, that block:
// their dimensions lead the result, then move to where the first of them stood if they stood
// together, as NumPy has it.
import COlivine

enum IndexItem {
  case integer(axis: Int)
  case range(count: Int)
  case newAxis
  case indices(axis: Int, NDArray)

  var isArray: Bool {
    if case .indices = self { return true }
    return false
  }
}

struct Index {
  var items: [IndexItem] = []
  // The block, axis by axis.
  var start: [Int] = []
  var stop: [Int] = []
  var stride: [Int] = []
  var blockShape: [Int] = []
  /// The block is all of the array.
  var whole = true
  var hasArrays = false

  // The result beside the block.
  var dropped: [Int] = []  // axes of the block that it lacks
  var newAxes: [Int] = []  // positions among the kept dimensions
  var kept: [Int] = []  // sizes of the dimensions that are not of arrays
  var position = 0  // where among the kept ones those of arrays stand
  var indices: [NDArray] = []  // broadcast against each other
  var indexedAxes: [Int] = []
  var indicesShape: [Int] = []

  /// Nil after an error.
  init?(_ operations: [MLXArrayIndexOperation], _ array: NDArray, _ op: String) {
    let shape = array.shape
    guard let used = Index.axesUsed(operations, op) else { return nil }
    guard used <= shape.count else {
      report("[\(op)] expected at most \(shape.count) indices; got \(used)")
      return nil
    }
    var reader = IndexReader(shape: shape, op: op)
    var sawEllipsis = false
    for operation in operations {
      if case .ellipsis = operation {
        sawEllipsis = true
        for _ in 0..<(shape.count - used) { reader.addWhole(&self) }
      } else if !reader.add(operation, &self) {
        return nil
      }
    }
    if !sawEllipsis {
      for _ in 0..<(shape.count - used) { reader.addWhole(&self) }
    }
    layOut()
    if !broadcastIndices(op) { return nil }
  }

  private static func axesUsed(_ operations: [MLXArrayIndexOperation], _ op: String) -> Int? {
    var used = 0
    var ellipses = 0
    for operation in operations {
      switch operation {
      case .ellipsis: ellipses += 1
      case .newAxis: break
      case .array(let array): used += array.dtype == .bool ? array.ndim : 1
      default: used += 1
      }
    }
    if ellipses > 1 {
      report("[\(op)] expected at most one ellipsis; got \(ellipses)")
      return nil
    }
    return used
  }

  private mutating func layOut() {
    var runs = 0
    var keptBefore = 0
    var inside = false
    for item in items {
      var joins = item.isArray
      switch item {
      case .integer(let axis):
        joins = hasArrays
        dropped.append(axis)
      case .indices(let axis, _): dropped.append(axis)
      default: break
      }
      if joins && !inside {
        if runs == 0 { keptBefore = kept.count }
        runs += 1
      }
      inside = joins
      switch item {
      case .newAxis:
        newAxes.append(kept.count)
        kept.append(1)
      case .range(let count): kept.append(count)
      default: break
      }
    }
    position = runs > 1 ? 0 : keptBefore
  }

  private mutating func broadcastIndices(_ op: String) -> Bool {
    for case .indices(let axis, let array) in items {
      guard let common = commonShape(indicesShape, array.shape) else {
        report(
          "[\(op)] expected arrays that broadcast; got shapes \(indicesShape) and \(array.shape)")
        return false
      }
      indicesShape = common
      indices.append(array)
      indexedAxes.append(axis)
    }
    for (i, array) in indices.enumerated() where array.shape != indicesShape {
      indices[i] = broadcast(array, to: indicesShape)
    }
    return true
  }

  var resultShape: [Int] { kept[..<position] + indicesShape + kept[position...] }
}

private func commonShape(_ a: [Int], _ b: [Int]) -> [Int]? {
  let n = Swift.max(a.count, b.count)
  var shape = [Int](repeating: 1, count: n)
  for i in 0..<n {
    let x = i < n - a.count ? 1 : a[i - n + a.count]
    let y = i < n - b.count ? 1 : b[i - n + b.count]
    if x != y && x != 1 && y != 1 { return nil }
    shape[i] = x == 1 ? y : x
  }
  return shape
}

private struct IndexReader {
  let shape: [Int]
  let op: String
  var axis = 0

  init(shape: [Int], op: String) {
    self.shape = shape
    self.op = op
  }

  private mutating func addBlock(_ index: inout Index, _ start: Int, _ count: Int, _ step: Int) {
    let size = shape[axis]
    if start == 0 && step == 1 && count == size {
      index.start.append(0)
      index.stop.append(size)
      index.stride.append(1)
    } else {
      index.whole = false
      let stop = start + count * step
      index.start.append(start)
      // One before the first element is written as -size - 1: -1 would mean the last one.
      index.stop.append(step > 0 ? Swift.min(stop, size) : (stop < 0 ? -size - 1 : stop))
      index.stride.append(step)
    }
    index.blockShape.append(count)
    axis += 1
  }

  mutating func addWhole(_ index: inout Index) {
    index.items.append(.range(count: shape[axis]))
    addBlock(&index, 0, shape[axis], 1)
  }

  /// False after an error.
  mutating func add(_ operation: MLXArrayIndexOperation, _ index: inout Index) -> Bool {
    switch operation {
    case .ellipsis: return true
    case .newAxis:
      index.items.append(.newAxis)
      return true
    case .index(let value): return addInteger(Int(value), &index)
    case .slice(let slice): return addSlice(slice, &index)
    case .array(let array): return addArray(array, &index)
    }
  }

  private mutating func addInteger(_ value: Int, _ index: inout Index) -> Bool {
    let size = shape[axis]
    let place = value < 0 ? value + size : value
    guard place >= 0 && place < size else {
      report("[\(op)] expected an index in [\(-size), \(size)) for axis \(axis); got \(value)")
      return false
    }
    index.items.append(.integer(axis: axis))
    addBlock(&index, place, 1, 1)
    return true
  }

  private mutating func addSlice(_ slice: MLXSlice, _ index: inout Index) -> Bool {
    let step = Int(slice.stride)
    guard step != 0 else {
      report("[\(op)] expected a stride that is not 0; got 0")
      return false
    }
    let size = shape[axis].c
    let start = Int(slice.absoluteStart(size))
    let stop = Int(slice.absoluteEnd(size))
    let count =
      step > 0
      ? Swift.max(0, (stop - start + step - 1) / step)
      : Swift.max(0, (start - stop - step - 1) / -step)
    index.items.append(.range(count: count))
    if count == 0 {
      addBlock(&index, 0, 0, 1)
    } else {
      addBlock(&index, start, count, step)
    }
    return true
  }

  private mutating func addArray(_ array: NDArray, _ index: inout Index) -> Bool {
    if array.dtype == .bool { return addMask(array, &index) }
    guard array.dtype.isInteger else {
      report("[\(op)] expected integer or bool arrays as indices; got \(array.dtype)")
      return false
    }
    index.hasArrays = true
    index.items.append(.indices(axis: axis, array))
    addBlock(&index, 0, shape[axis], 1)
    return true
  }

  // A mask over several axes stands for one array of positions per axis; that computes it.
  private mutating func addMask(_ mask: NDArray, _ index: inout Index) -> Bool {
    let sizes = mask.shape
    guard sizes == Array(shape[axis...].prefix(sizes.count)) else {
      report(
        "[\(op)] expected a mask of the shape of the axes it indexes; got \(sizes) for \(shape)")
      return false
    }
    for positions in nonzero(mask) {
      index.hasArrays = true
      index.items.append(.indices(axis: axis, positions))
      addBlock(&index, 0, shape[axis], 1)
    }
    return true
  }
}

// ---- Taking.
extension NDArray {
  func indexed(_ operations: [MLXArrayIndexOperation], _ stream: StreamOrDevice) -> NDArray {
    guard let index = Index(operations, self, "getitem") else { return NDArray(olivine_array()) }
    let block = taken(index, stream)
    if !index.hasArrays {
      return block.without(index.dropped, stream).with(index.newAxes, stream)
    }
    let leading = index.indicesShape.count
    if index.indices.count == 1 && index.dropped.count == 1 && index.newAxes.isEmpty {
      return block.take(index.indices[0], axis: index.indexedAxes[0], stream: stream)
    }
    var sizes = index.blockShape
    for axis in index.indexedAxes { sizes[axis] = 1 }
    let gathered = withVector(index.indices) { vector in
      made { r in
        index.indexedAxes.withInts { axes, axesCount in
          sizes.withInts { sizes, sizesCount in
            olivine_gather(
              r, block.ctx, vector, axes, axesCount, sizes, sizesCount, stream.ctx)
          }
        }
      }
    }
    return gathered.without(index.dropped.map { $0 + leading }, stream)
      .with(index.newAxes.map { $0 + leading }, stream)
      .leadingMoved(leading, index.position, back: false, stream)
  }

  fileprivate func taken(_ index: Index, _ stream: StreamOrDevice) -> NDArray {
    if index.whole { return made { r in olivine_array_set(r, ctx) } }
    return made { r in
      index.withBlock { start, stop, stride, n in
        olivine_slice(r, ctx, start, n, stop, n, stride, n, stream.ctx)
      }
    }
  }

  fileprivate func without(_ axes: [Int], _ stream: StreamOrDevice) -> NDArray {
    axes.isEmpty ? self : squeezed(axes: axes, stream: stream)
  }
  fileprivate func with(_ axes: [Int], _ stream: StreamOrDevice) -> NDArray {
    axes.isEmpty ? self : expandedDimensions(axes: axes, stream: stream)
  }

  /// The first `count` axes moved before those at `position`; the inverse with `back`.
  fileprivate func leadingMoved(
    _ count: Int, _ position: Int, back: Bool, _ stream: StreamOrDevice
  ) -> NDArray {
    if count == 0 || position == 0 { return self }
    let leading = back ? Array(position..<(position + count)) : Array(count..<(count + position))
    let following = back ? Array(0..<position) : Array(0..<count)
    let rest = Array((count + position)..<ndim)
    return transposed(axes: leading + following + rest, stream: stream)
  }
}

extension Index {
  fileprivate func withBlock(
    _ body: (UnsafePointer<Int32>, UnsafePointer<Int32>, UnsafePointer<Int32>, Int) -> Int32
  ) -> Int32 {
    start.withInts { start, n in
      stop.withInts { stop, _ in
        stride.withInts { stride, _ in body(start, stop, stride, n) }
      }
    }
  }
}

// ---- Changing.
enum UpdateKind: String {
  case assign = "setitem"
  case add = "at.add"
  case multiply = "at.multiply"
  case minimum = "at.minimum"
  case maximum = "at.maximum"
}

extension NDArray {
  /// The array with what the indices take changed by a value.
  func updated(
    _ operations: [MLXArrayIndexOperation], _ value: NDArray, _ kind: UpdateKind,
    _ stream: StreamOrDevice
  ) -> NDArray {
    if kind == .assign, operations.count == 1, case .array(let mask) = operations[0],
      mask.dtype == .bool, value.size == 1, mask.ndim <= ndim
    {
      // A mask need not be computed for one value.
      let trailing = Array(mask.ndim..<ndim)
      let one = value.asType(dtype).reshaped([Int]())
      return which(mask.with(trailing, stream), one, self, stream: stream)
    }
    guard let index = Index(operations, self, kind.rawValue) else { return self }
    var value = value.asType(dtype, stream: stream)
    guard let fitted = value.fitted(index.resultShape, kind.rawValue, stream) else { return self }
    value = fitted
    let leading = index.indicesShape.count
    value = value.leadingMoved(leading, index.position, back: true, stream)
    value = value.without(index.newAxes.map { $0 + leading }, stream)
    value = value.with(index.dropped.map { $0 + leading }, stream)
    if !index.hasArrays { return sliceUpdated(index, value, kind, stream) }
    let changed = taken(index, stream).scattered(index, value, kind, stream)
    return index.whole ? changed : sliceUpdated(index, changed, .assign, stream)
  }

  /// Without extra leading axes of size 1, broadcast; nil after an error.
  private func fitted(_ shape: [Int], _ op: String, _ stream: StreamOrDevice) -> NDArray? {
    var value = self
    while value.ndim > shape.count && value.dim(0) == 1 { value = value.squeezed(axis: 0) }
    guard value.ndim <= shape.count else {
      report("[\(op)] expected a value that broadcasts to \(shape); got shape \(self.shape)")
      return nil
    }
    return value.shape == shape ? value : broadcast(value, to: shape, stream: stream)
  }

  private func sliceUpdated(
    _ index: Index, _ value: NDArray, _ kind: UpdateKind, _ stream: StreamOrDevice
  ) -> NDArray {
    made { r in
      index.withBlock { start, stop, stride, n in
        switch kind {
        case .assign:
          return olivine_slice_update(r, ctx, value.ctx, start, n, stop, n, stride, n, stream.ctx)
        case .add:
          return olivine_slice_update_add(
            r, ctx, value.ctx, start, n, stop, n, stride, n, stream.ctx)
        case .multiply:
          return olivine_slice_update_prod(
            r, ctx, value.ctx, start, n, stop, n, stride, n, stream.ctx)
        case .minimum:
          return olivine_slice_update_min(
            r, ctx, value.ctx, start, n, stop, n, stride, n, stream.ctx)
        case .maximum:
          return olivine_slice_update_max(
            r, ctx, value.ctx, start, n, stop, n, stride, n, stream.ctx)
        }
      }
    }
  }

  private func scattered(
    _ index: Index, _ value: NDArray, _ kind: UpdateKind, _ stream: StreamOrDevice
  ) -> NDArray {
    withVector(index.indices) { vector in
      made { r in
        index.indexedAxes.withInts { axes, n in
          switch kind {
          case .assign: return olivine_scatter(r, ctx, vector, value.ctx, axes, n, stream.ctx)
          case .add: return olivine_scatter_add(r, ctx, vector, value.ctx, axes, n, stream.ctx)
          case .multiply:
            return olivine_scatter_prod(r, ctx, vector, value.ctx, axes, n, stream.ctx)
          case .minimum: return olivine_scatter_min(r, ctx, vector, value.ctx, axes, n, stream.ctx)
          case .maximum: return olivine_scatter_max(r, ctx, vector, value.ctx, axes, n, stream.ctx)
          }
        }
      }
    }
  }
}
