// Functions mapped over axes.
import COlivine

/// `f` over the axes `inAxes` of its arguments (nil: not mapped), at once. One axis stands for all.
public func vmap(
  _ f: @escaping ([NDArray]) -> [NDArray], inAxes: some Sequence<Int?> = [0],
  outAxes: some Sequence<Int?> = [0]
) -> ([NDArray]) -> [NDArray] {
  let inAxes = Array(inAxes)
  let outAxes = Array(outAxes)
  let closure = Closure(f)
  return { inputs in
    guard let ins = spread(inAxes, inputs.count, "inAxes") else { return [] }
    let positions = zip(ins, inputs).map { position($0, ndim: $1.ndim) }
    let (traced, results) = withVector(inputs) { vector in
      madeVectors { r0, r1 in
        positions.withInts { axes, count in
          olivine_detail_vmap_trace(r0, r1, closure.ctx, vector, axes, count)
        }
      }
    }
    guard !results.isEmpty, let outs = spread(outAxes, results.count, "outAxes") else { return [] }
    // A result of n dimensions has one more when mapped.
    let places = zip(outs, results).map { position($0, ndim: $1.ndim + 1) }
    return withVector(inputs) { vector in
      withVector(traced) { traced in
        withVector(results) { results in
          madeVector { r in
            positions.withInts { ins, insCount in
              places.withInts { outs, outsCount in
                olivine_detail_vmap_replace(
                  r, vector, traced, results, ins, insCount, outs, outsCount)
              }
            }
          }
        }
      }
    }
  }
}

/// `f` over an axis of its argument.
public func vmap(
  _ f: @escaping (NDArray) -> NDArray, inAxes: Int? = 0, outAxes: Int? = 0
) -> (NDArray) -> NDArray {
  let mapped = vmap({ [f(at($0, 0))] }, inAxes: [inAxes], outAxes: [outAxes])
  return { at(mapped([$0]), 0) }
}

/// `f` over axes of its two arguments.
public func vmap(
  _ f: @escaping (NDArray, NDArray) -> NDArray, inAxes: (Int?, Int?) = (0, 0), outAxes: Int? = 0
) -> (NDArray, NDArray) -> NDArray {
  let mapped = vmap(
    { [f(at($0, 0), at($0, 1))] }, inAxes: [inAxes.0, inAxes.1], outAxes: [outAxes])
  return { at(mapped([$0, $1]), 0) }
}

private func spread(_ axes: [Int?], _ count: Int, _ name: String) -> [Int?]? {
  if axes.count == count { return axes }
  if axes.count == 1 { return [Int?](repeating: axes[0], count: count) }
  report("[vmap] expected \(count) \(name); got \(axes.count)")
  return nil
}

/// The axis counted from the front; -1 for none, as C has it.
private func position(_ axis: Int?, ndim: Int) -> Int {
  guard let axis else { return -1 }
  let place = axis < 0 ? axis + ndim : axis
  if place < 0 || place >= ndim {
    report("[vmap] expected an axis in [\(-ndim), \(ndim)); got \(axis)")
  }
  return place
}
