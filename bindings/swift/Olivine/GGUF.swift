// GGUF files: arrays, and metadata that are texts, lists of texts or numbers.
import COlivine
import Foundation

/// A value of a GGUF file's metadata.
public enum GGUFValue {
  case text(String)
  case texts([String])
  /// A number, or several.
  case array(NDArray)
}

/// The arrays of a .gguf file, and all of its metadata.
public func loadGGUF(
  url: URL, stream: StreamOrDevice = .cpu
) throws -> (arrays: [String: NDArray], metadata: [String: GGUFValue]) {
  let path = try path(url, of: ["gguf"])
  var gguf = olivine_io_gguf_new()
  defer { olivine_io_gguf_free(gguf) }
  try opened(url) { olivine_load_gguf(&gguf, path, stream.ctx) }
  var arrays: [String: NDArray] = [:]
  for name in try texts({ olivine_io_gguf_get_keys(&$0, gguf) }) {
    var handle = olivine_array()
    try thrown { olivine_io_gguf_get_array(&handle, gguf, name) }
    arrays[name] = NDArray(handle)
  }
  var metadata: [String: GGUFValue] = [:]
  for key in try texts({ olivine_io_gguf_get_metadata_keys(&$0, gguf) }) {
    metadata[key] = try value(of: key, in: gguf)
  }
  return (arrays, metadata)
}

/// Saves arrays and metadata as .gguf.
public func saveGGUF(
  arrays: [String: NDArray], metadata: [String: GGUFValue] = [:], url: URL
) throws {
  let path = try path(url, of: ["gguf"])
  let gguf = olivine_io_gguf_new()
  defer { olivine_io_gguf_free(gguf) }
  for (name, array) in arrays { try thrown { olivine_io_gguf_set_array(gguf, name, array.ctx) } }
  for (key, value) in metadata { try set(value, of: key, in: gguf) }
  try thrown { olivine_save_gguf(path, gguf) }
}

// ---- Parts of the above.
private func value(of key: String, in gguf: olivine_io_gguf) throws -> GGUFValue {
  var found = false
  try thrown { olivine_io_gguf_has_metadata_string(&found, gguf, key) }
  if found {
    var text = olivine_string()
    defer { olivine_string_free(text) }
    try thrown { olivine_io_gguf_get_metadata_string(&text, gguf, key) }
    return .text(String(cString: olivine_string_data(text)))
  }
  try thrown { olivine_io_gguf_has_metadata_vector_string(&found, gguf, key) }
  if found {
    return .texts(try texts { olivine_io_gguf_get_metadata_vector_string(&$0, gguf, key) })
  }
  var handle = olivine_array()
  try thrown { olivine_io_gguf_get_metadata_array(&handle, gguf, key) }
  return .array(NDArray(handle))
}

private func set(_ value: GGUFValue, of key: String, in gguf: olivine_io_gguf) throws {
  switch value {
  case .text(let text): try thrown { olivine_io_gguf_set_metadata_string(gguf, key, text) }
  case .texts(let texts):
    let vector = olivine_vector_string_new()
    defer { olivine_vector_string_free(vector) }
    for text in texts { try thrown { olivine_vector_string_append_value(vector, text) } }
    try thrown { olivine_io_gguf_set_metadata_vector_string(gguf, key, vector) }
  case .array(let array):
    try thrown { olivine_io_gguf_set_metadata_array(gguf, key, array.ctx) }
  }
}

private func texts(_ body: (inout olivine_vector_string) -> Int32) throws -> [String] {
  var vector = olivine_vector_string()
  defer { olivine_vector_string_free(vector) }
  try thrown { body(&vector) }
  return try (0..<olivine_vector_string_size(vector)).map { i in
    var text: UnsafeMutablePointer<CChar>?
    try thrown { olivine_vector_string_get(&text, vector, i) }
    return text.map { String(cString: $0) } ?? ""
  }
}
