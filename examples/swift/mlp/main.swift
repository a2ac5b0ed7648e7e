// Trains an MLP on digits for 100 steps from a file; the losses are those of examples/mlp.py.
//
//     python examples/mlp_init.py mlp.safetensors
//     swift run mlp mlp.safetensors
import Foundation
import Olivine
import OlivineNN
import OlivineOptimizers

class MLP: Module, UnaryLayer {
  let layers: [Linear]

  init(_ sizes: [Int]) {
    layers = zip(sizes, sizes.dropFirst()).map { Linear($0, $1) }
  }

  func callAsFunction(_ x: MLXArray) -> MLXArray {
    let hidden = layers.dropLast().reduce(x) { x, layer in relu(layer(x)) }
    return layers.last.map { $0(hidden) } ?? hidden
  }
}

func train(_ file: URL) throws {
  let tensors = try loadArrays(url: file)
  guard let x = tensors["x"], let y = tensors["y"] else {
    throw LoadSaveError.unableToOpen(file, "expected tensors x and y")
  }
  let model = MLP([64, 128, 128, 10])
  // The file calls a layer's arrays w1, b1 and so on.
  let parameters = (0..<3).flatMap { i in
    [("weight", "w\(i + 1)"), ("bias", "b\(i + 1)")].compactMap { name, tensor in
      tensors[tensor].map { ("layers.\(i).\(name)", $0) }
    }
  }
  try model.update(parameters: .unflattened(parameters), verify: .all)

  let optimizer = SGD(learningRate: 0.1)
  let lossAndGradients = valueAndGrad(model: model) { (model: MLP, x: MLXArray, y: MLXArray) in
    crossEntropy(logits: model(x), targets: y, reduction: .mean)
  }
  for step in 0..<100 {
    let rows = step * 50 % x.dim(0)..<step * 50 % x.dim(0) + 50
    let (loss, gradients) = lossAndGradients(model, x[rows], y[rows])
    optimizer.update(model: model, gradients: gradients)
    eval(loss, model)
    print(String(format: "step %d loss %.9g", step + 1, loss.item(Float.self)))
  }
}

guard CommandLine.arguments.count == 2 else {
  print("usage: mlp FILE, which examples/mlp_init.py wrote")
  exit(2)
}
do {
  try train(URL(fileURLWithPath: CommandLine.arguments[1]))
} catch {
  print("error: \(error.localizedDescription)")
  exit(1)
}
