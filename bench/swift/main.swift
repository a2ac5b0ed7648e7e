// What a call costs through Swift beside C: nanoseconds of `x + y`, whose graph is made and dropped.
import COlivine
import Olivine

/// The fastest of several rounds, in nanoseconds of one call.
func nanoseconds(_ calls: Int = 200_000, _ body: () -> Void) -> Double {
  let clock = ContinuousClock()
  var best = Double.infinity
  for _ in 0..<7 {
    let time = clock.measure { for _ in 0..<calls { body() } }
    let seconds = Double(time.components.seconds) + Double(time.components.attoseconds) * 1e-18
    best = Swift.min(best, seconds / Double(calls) * 1e9)
  }
  return best
}

let x = MLXArray([1 as Float, 2, 3])
let y = MLXArray([4 as Float, 5, 6])
let one = MLXArray(1 as Float)
let stream = olivine_stream()

let cAdd = nanoseconds {
  var result = olivine_array()
  olivine_add(&result, x.ctx, y.ctx, stream)
  olivine_array_free(result)
}
let swiftAdd = nanoseconds { _ = x + y }
let cSum = nanoseconds {
  var result = olivine_array()
  let axes: [Int32] = [0]
  olivine_sum_axes(&result, x.ctx, axes, 1, false, stream)
  olivine_array_free(result)
}
let swiftSum = nanoseconds { _ = x.sum(axes: [0]) }
let scalar = nanoseconds { _ = x + 1 }
print("add            C \(Int(cAdd)) ns, Swift \(Int(swiftAdd)) ns")
print("sum over axes  C \(Int(cSum)) ns, Swift \(Int(swiftSum)) ns")
print("add a scalar   Swift \(Int(scalar)) ns")
