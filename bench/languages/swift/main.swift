// The same through Swift.
import Olivine

func row(_ name: String, _ call: () -> Void) {
  let calls = 100_000
  let clock = ContinuousClock()
  var times: [Double] = []
  for _ in 0..<7 {
    let taken = clock.measure { for _ in 0..<calls { call() } }
    let (seconds, atto) = taken.components
    times.append((Double(seconds) * 1e9 + Double(atto) * 1e-9) / Double(calls))
  }
  times.sort()
  print(name, (times[3] * 10).rounded() / 10)
}

let a = MLXArray([1, 2, 3, 4] as [Float])
let b = MLXArray([5, 6, 7, 8] as [Float])
eval(a, b)
row("build") { _ = a + b }
row("compute") { (a + b).eval() }
