// Calls a network that Python trained and exported: python examples/mlp.py FILE --export FUNCTION.
import Foundation
import Olivine

guard CommandLine.arguments.count == 3 else {
  print("usage: imported_function FUNCTION FILE, which mlp.py and mlp_init.py wrote")
  exit(2)
}
let network = try importFunction(from: URL(fileURLWithPath: CommandLine.arguments[1]))
let tensors = try loadArrays(url: URL(fileURLWithPath: CommandLine.arguments[2]))
let digits = tensors["x"]![..<10]
let logits = try network(digits)[0]
print("digits \(argMax(logits, axis: -1).asArray(Int.self))")
print("labels \(tensors["y"]![..<10].asArray(Int.self))")
