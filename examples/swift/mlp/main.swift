// Trains an MLP on digits for 100 steps from a file that mlp_init.py wrote; the losses are Python's.
import Foundation
import Olivine

let names = ["w1", "b1", "w2", "b2", "w3", "b3"]
let (steps, batch) = (100, 50)

/// Logits: three affine layers, with ReLU after the first two.
func forward(_ p: [NDArray], _ x: NDArray) -> NDArray {
  var h = maximum(addMM(p[1], x, p[0].T), 0)
  h = maximum(addMM(p[3], h, p[2].T), 0)
  return addMM(p[5], h, p[4].T)
}

/// Mean cross entropy; the batch follows the parameters.
func loss(_ arguments: [NDArray]) -> [NDArray] {
  let (x, y) = (arguments[6], arguments[7])
  let logits = forward(arguments, x)
  let score = takeAlong(logits, y.expandedDimensions(axis: -1), axis: -1).squeezed(axis: -1)
  return [mean(logits.logSumExp(axis: -1) - score)]
}

guard CommandLine.arguments.count == 2 else {
  print("usage: mlp FILE, which mlp_init.py wrote")
  exit(2)
}
let tensors = try loadArrays(url: URL(fileURLWithPath: CommandLine.arguments[1]))
var parameters = names.map { tensors[$0]! }
let (x, y) = (tensors["x"]!, tensors["y"]!)
let step = valueAndGrad(loss, argumentNumbers: 0..<6)

for i in 0..<steps {
  let start = i * batch % x.dim(0)
  let rows = start..<(start + batch)
  let (values, gradients) = step(parameters + [x[rows], y[rows]])
  parameters = zip(parameters, gradients).map { p, g in p - 0.1 * g }
  eval(values, parameters)
  print(String(format: "step %d loss %.9g", i + 1, Double(values[0].item(Float.self))))
}
