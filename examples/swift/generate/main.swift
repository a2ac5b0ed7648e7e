// Continues a text by a checkpoint of `olivine train-lm` or of the example train_lm, greedily.
//
//     swift run generate CHECKPOINT PROMPT [COUNT]
import Foundation
import GPT

let arguments = CommandLine.arguments
guard (3...4).contains(arguments.count), !arguments[2].isEmpty,
  let count = Int(arguments.count > 3 ? arguments[3] : "200"), count >= 0
else {
  print("usage: generate CHECKPOINT PROMPT [COUNT]")
  exit(2)
}
do {
  let language = try LanguageModel(checkpoint: URL(fileURLWithPath: arguments[1]))
  print(arguments[2] + (try language.generate(arguments[2], count: count)))
} catch {
  print("error: \(error.localizedDescription)")
  exit(1)
}
