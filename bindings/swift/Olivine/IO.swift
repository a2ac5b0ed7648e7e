// Arrays in files and in memory: .npy for one, .safetensors and .gguf for several.
import COlivine
import Foundation

public enum LoadSaveError: Error {
  case unableToOpen(URL, String)
  case unknownExtension(String)
}

extension LoadSaveError: LocalizedError {
  public var errorDescription: String? {
    switch self {
    case .unableToOpen(let url, let message): return "\(url.path): \(message)"
    case .unknownExtension(let name): return "expected .npy, .safetensors or .gguf; got .\(name)"
    }
  }
}

/// Saves an array as .npy.
public func save(array: NDArray, url: URL, stream: StreamOrDevice = .default) throws {
  let path = try path(url, of: ["npy"])
  try thrown { olivine_save(path, array.ctx) }
}

/// Saves arrays as .safetensors, with metadata, or as .gguf.
public func save(
  arrays: [String: NDArray], metadata: [String: String] = [:], url: URL,
  stream: StreamOrDevice = .default
) throws {
  let path = try path(url, of: ["safetensors", "gguf"])
  if url.pathExtension == "gguf" {
    return try saveGGUF(arrays: arrays, metadata: metadata.mapValues { .text($0) }, url: url)
  }
  try withMaps(arrays, metadata) { arrays, metadata in
    try thrown { olivine_save_safetensors(path, arrays, metadata) }
  }
}

/// The array of a .npy file.
public func loadArray(url: URL, stream: StreamOrDevice = .cpu) throws -> NDArray {
  let path = try path(url, of: ["npy"])
  var handle = olivine_array()
  try opened(url) { olivine_load(&handle, path, stream.ctx) }
  return NDArray(handle)
}

/// The arrays of a .safetensors or .gguf file.
public func loadArrays(url: URL, stream: StreamOrDevice = .cpu) throws -> [String: NDArray] {
  try loadArraysAndMetadata(url: url, stream: stream).0
}

/// The arrays of a .safetensors or .gguf file, and its texts. ``loadGGUF(url:stream:)`` gives all
/// of the metadata of a .gguf file.
public func loadArraysAndMetadata(
  url: URL, stream: StreamOrDevice = .cpu
) throws -> ([String: NDArray], [String: String]) {
  let path = try path(url, of: ["safetensors", "gguf"])
  if url.pathExtension == "gguf" {
    let (arrays, metadata) = try loadGGUF(url: url, stream: stream)
    return (
      arrays, metadata.compactMapValues { if case .text(let text) = $0 { text } else { nil } }
    )
  }
  return try filledMaps { arrays, metadata in
    try opened(url) { olivine_load_safetensors(arrays, metadata, path, stream.ctx) }
  }
}

/// Arrays as the bytes of a .safetensors file.
public func saveToData(arrays: [String: NDArray], metadata: [String: String] = [:]) throws -> Data {
  let memory = MemoryFile(Data())
  let writer = olivine_io_writer_new(memory.retained, memoryTable)
  defer { olivine_io_writer_free(writer) }
  try withMaps(arrays, metadata) { arrays, metadata in
    try thrown { olivine_save_safetensors_writer(writer, arrays, metadata) }
  }
  return memory.data
}

/// The arrays in the bytes of a .safetensors file.
public func loadArrays(data: Data, stream: StreamOrDevice = .cpu) throws -> [String: NDArray] {
  try loadArraysAndMetadata(data: data, stream: stream).0
}

/// The arrays in the bytes of a .safetensors file, and its texts.
public func loadArraysAndMetadata(
  data: Data, stream: StreamOrDevice = .cpu
) throws -> ([String: NDArray], [String: String]) {
  let reader = olivine_io_reader_new(MemoryFile(data).retained, memoryTable)
  defer { olivine_io_reader_free(reader) }
  let loaded = try filledMaps { arrays, metadata in
    try thrown { olivine_load_safetensors_reader(arrays, metadata, reader, stream.ctx) }
  }
  // The bytes are read now: the reader ends with this function.
  try checkedEval(Array(loaded.0.values))
  return loaded
}

// ---- Parts of the above.
func path(_ url: URL, of extensions: [String]) throws -> String {
  guard url.isFileURL else { throw LoadSaveError.unableToOpen(url, "expected a file URL") }
  guard extensions.contains(url.pathExtension) else {
    throw LoadSaveError.unknownExtension(url.pathExtension)
  }
  return url.path
}

/// Throws the error of a C function.
func thrown(_ body: () -> Int32) throws {
  if body() != 0 { throw MLXError.caught(lastError) }
}

func opened(_ url: URL, _ body: () -> Int32) throws {
  if body() != 0 { throw LoadSaveError.unableToOpen(url, lastError) }
}

private func withMaps<R>(
  _ arrays: [String: NDArray], _ metadata: [String: String],
  _ body: (olivine_map_string_to_array, olivine_map_string_to_string) throws -> R
) throws -> R {
  let first = olivine_map_string_to_array_new()
  let second = olivine_map_string_to_string_new()
  defer {
    olivine_map_string_to_array_free(first)
    olivine_map_string_to_string_free(second)
  }
  for (name, array) in arrays {
    try thrown { olivine_map_string_to_array_insert(first, name, array.ctx) }
  }
  for (name, text) in metadata {
    try thrown { olivine_map_string_to_string_insert(second, name, text) }
  }
  return try body(first, second)
}

private func filledMaps(
  _ body: (
    UnsafeMutablePointer<olivine_map_string_to_array>,
    UnsafeMutablePointer<olivine_map_string_to_string>
  ) throws -> Void
) throws -> ([String: NDArray], [String: String]) {
  var first = olivine_map_string_to_array_new()
  var second = olivine_map_string_to_string_new()
  defer {
    olivine_map_string_to_array_free(first)
    olivine_map_string_to_string_free(second)
  }
  try body(&first, &second)
  return (dictionary(of: first), dictionary(of: second))
}

func dictionary(of map: olivine_map_string_to_array) -> [String: NDArray] {
  var found: [String: NDArray] = [:]
  let iterator = olivine_map_string_to_array_iterator_new(map)
  defer { olivine_map_string_to_array_iterator_free(iterator) }
  var key: UnsafePointer<CChar>?
  while true {
    var value = olivine_array()
    guard olivine_map_string_to_array_iterator_next(&key, &value, iterator) == 0, let key else {
      olivine_array_free(value)
      return found
    }
    found[String(cString: key)] = NDArray(value)
  }
}

private func dictionary(of map: olivine_map_string_to_string) -> [String: String] {
  var found: [String: String] = [:]
  let iterator = olivine_map_string_to_string_iterator_new(map)
  defer { olivine_map_string_to_string_iterator_free(iterator) }
  var key: UnsafePointer<CChar>?
  var value: UnsafePointer<CChar>?
  while olivine_map_string_to_string_iterator_next(&key, &value, iterator) == 0,
    let name = key, let text = value
  {
    found[String(cString: name)] = String(cString: text)
  }
  return found
}

// ---- A file in memory.
private final class MemoryFile {
  var data: Data
  private var position = 0
  private var good = true

  init(_ data: Data) { self.data = data }

  /// A pointer that keeps the object until the table's `free`.
  var retained: UnsafeMutableRawPointer { Unmanaged.passRetained(self).toOpaque() }
  static func of(_ pointer: UnsafeMutableRawPointer?) -> MemoryFile {
    Unmanaged<MemoryFile>.fromOpaque(pointer!).takeUnretainedValue()
  }

  var isGood: Bool { good }
  var place: Int { position }

  func seek(_ offset: Int, from whence: Int32) {
    let base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? position : data.count
    let target = base + offset
    good = good && target >= 0
    position = Swift.max(target, 0)
  }

  func read(_ into: UnsafeMutablePointer<CChar>, _ count: Int, at offset: Int) {
    guard offset >= 0, count >= 0, offset <= data.count, count <= data.count - offset else {
      good = false
      return
    }
    let start = data.startIndex + offset
    data.copyBytes(
      to: UnsafeMutableRawPointer(into).assumingMemoryBound(to: UInt8.self),
      from: start..<(start + count))
  }

  func readNext(_ into: UnsafeMutablePointer<CChar>, _ count: Int) {
    read(into, count, at: position)
    position += count
  }

  func write(_ bytes: UnsafePointer<CChar>, _ count: Int) {
    let buffer = UnsafeRawBufferPointer(start: bytes, count: count)
    if position > data.count { data.append(Data(count: position - data.count)) }
    let start = data.startIndex + position
    let overlap = Swift.min(count, data.count - position)
    data.replaceSubrange(start..<(start + overlap), with: buffer)
    position += count
  }
}

private let memoryTable = olivine_io_vtable(
  is_open: { _ in true },
  good: { MemoryFile.of($0).isGood },
  tell: { MemoryFile.of($0).place },
  seek: { MemoryFile.of($0).seek(Int($1), from: $2) },
  read: { MemoryFile.of($0).readNext($1!, $2) },
  read_at_offset: { MemoryFile.of($0).read($1!, $2, at: $3) },
  write: { MemoryFile.of($0).write($1!, $2) },
  label: { _ in memoryLabel },
  free: { Unmanaged<MemoryFile>.fromOpaque($0!).release() })

private nonisolated(unsafe) let memoryLabel: UnsafePointer<CChar> = UnsafePointer(strdup("<data>")!)
