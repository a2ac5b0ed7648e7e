// Fits a plane to noisy points by gradient descent.
import Olivine

func fit(_ x: NDArray, _ y: NDArray, steps: Int) -> NDArray {
  let gradient = compile(grad { (w: NDArray) -> NDArray in mean((matmul(x, w) - y).square()) })
  var w = MLXArray.zeros([3])
  for _ in 0..<steps {
    w = w - 0.1 * gradient(w)
    eval(w)
  }
  return w
}

MLXRandom.seed(0)
let truth = MLXArray([2 as Float, -1, 0.5])
let x = MLXRandom.normal([200, 3])
let y = matmul(x, truth) + 0.01 * MLXRandom.normal([200])
let w = fit(x, y, steps: 200)
print("weights \(w.asArray(Float.self))")
print("largest error \((w - truth).abs().max().item(Float.self))")
