// Checkpoints of language models, which Python reads and writes as well, and greedy generation.
import Foundation
import Olivine
import OlivineNN

/// What of a checkpoint's JSON text the model needs.
struct Settings: Codable {
  var model: GPTConfig
  var alphabet: String
}

/// A model, and the characters that its tokens stand for.
public struct LanguageModel {
  public let model: GPT
  public let alphabet: [UnicodeScalar]

  public init(model: GPT, alphabet: String) {
    self.model = model
    self.alphabet = Array(alphabet.unicodeScalars)
  }

  public init(checkpoint url: URL) throws {
    let (arrays, metadata) = try loadArraysAndMetadata(url: url)
    guard metadata["format"] == "olivine-lm", metadata["version"] == "1" else {
      throw LoadSaveError.unableToOpen(url, "expected a checkpoint of olivine train-lm, version 1")
    }
    let settings = try JSONDecoder().decode(
      Settings.self, from: Data((metadata["settings"] ?? "").utf8))
    self.init(model: GPT(settings.model), alphabet: settings.alphabet)
    let prefix = "model."
    let parameters = arrays.filter { $0.key.hasPrefix(prefix) }
      .map { (String($0.key.dropFirst(prefix.count)), $0.value) }
    try model.update(parameters: .unflattened(parameters), verify: .all)
    eval(model)
  }

  public func save(_ url: URL) throws {
    let settings = Settings(
      model: model.config, alphabet: String(String.UnicodeScalarView(alphabet)))
    let text = String(decoding: try JSONEncoder().encode(settings), as: UTF8.self)
    let arrays = Dictionary(
      uniqueKeysWithValues: model.parameters().flattened(prefix: "model"))
    try Olivine.save(
      arrays: arrays, metadata: ["format": "olivine-lm", "version": "1", "settings": text], url: url
    )
  }

  public func encode(_ text: String) throws -> [Int32] {
    try text.unicodeScalars.map { character in
      guard let id = alphabet.firstIndex(of: character) else {
        throw TextError(description: "the model's text has no character \(character)")
      }
      return Int32(id)
    }
  }

  /// Continues a prompt by the most likely tokens. When the context is full, the later half of it
  /// is read again as if it were the start of a text.
  public func generate(_ prompt: String, count: Int) throws -> String {
    let context = model.config.context
    model.train(false)
    var tokens = Array(try encode(prompt).suffix(context))
    var fresh = tokens
    var cache = model.makeCache()
    var text = String.UnicodeScalarView()
    for _ in 0..<count {
      if tokens.count > context {
        cache = model.makeCache()
        tokens = Array(tokens.suffix(Swift.max(context / 2, 1)))
        fresh = tokens
      }
      let logits = model(MLXArray(fresh, [1, fresh.count]), cache: cache)
      let token = argMax(logits[0, -1], axis: -1).item(Int32.self)
      tokens.append(token)
      fresh = [token]
      text.append(alphabet[Int(token)])
    }
    return String(text)
  }
}

struct TextError: LocalizedError {
  let description: String
  var errorDescription: String? { description }
}
