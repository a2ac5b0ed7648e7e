// Trains a small transformer on the characters of a text, saves a checkpoint and reads it again.
//
//     swift run train_lm TEXT CHECKPOINT [STEPS]
import Foundation
import GPT
import Olivine
import OlivineNN
import OlivineOptimizers

/// Random windows of the text, and the same one character on.
func batch(_ text: MLXArray, count: Int, context: Int) -> (MLXArray, MLXArray) {
  let starts = MLXRandom.randInt(0..<Int32(text.dim(0) - context), [count, 1])
  let windows = starts + MLXArray.arange(context)
  return (text[windows], text[windows + 1])
}

func meanLoss(_ model: GPT, _ x: MLXArray, _ y: MLXArray) -> MLXArray {
  crossEntropy(logits: model(x), targets: y, reduction: .mean)
}

func train(_ text: String, _ checkpoint: URL, steps: Int) throws {
  MLXRandom.seed(0)
  let alphabet = String(String.UnicodeScalarView(Set(text.unicodeScalars).sorted()))
  var config = GPTConfig(vocabSize: alphabet.unicodeScalars.count)
  (config.context, config.layers, config.heads, config.dims) = (32, 2, 2, 32)
  let model = GPT(config)
  let language = LanguageModel(model: model, alphabet: alphabet)
  let ids = MLXArray(try language.encode(text))

  let optimizer = AdamW(learningRate: 3e-3, biasCorrection: true)
  let lossAndGradients = valueAndGrad(model: model, meanLoss)
  let state: [any Updatable] = [model, optimizer, MLXRandom.globalState]
  let step = compile(inputs: state, outputs: state) { (x: MLXArray, y: MLXArray) in
    let (loss, gradients) = lossAndGradients(model, x, y)
    let (clipped, _) = clipGradNorm(gradients: gradients, maxNorm: 1)
    optimizer.update(model: model, gradients: clipped)
    return loss
  }

  for i in 1...steps {
    let (x, y) = batch(ids, count: 16, context: config.context)
    let loss = step(x, y)
    eval(loss, model, optimizer)
    if i == 1 || i % 20 == 0 { print("step \(i) loss \(loss.item(Float.self))") }
  }

  try language.save(checkpoint)
  let (x, y) = batch(ids, count: 16, context: config.context)
  model.train(false)
  let again = try LanguageModel(checkpoint: checkpoint).model
  again.train(false)
  let (before, after) = (meanLoss(model, x, y), meanLoss(again, x, y))
  print("saved loss \(before.item(Float.self)) reloaded loss \(after.item(Float.self))")
}

let arguments = CommandLine.arguments
guard (3...4).contains(arguments.count),
  let steps = Int(arguments.count > 3 ? arguments[3] : "200"),
  steps > 0
else {
  print("usage: train_lm TEXT CHECKPOINT [STEPS]")
  exit(2)
}
do {
  let text = try String(contentsOf: URL(fileURLWithPath: arguments[1]), encoding: .utf8)
  try train(text, URL(fileURLWithPath: arguments[2]), steps: steps)
} catch {
  print("error: \(error.localizedDescription)")
  exit(1)
}
