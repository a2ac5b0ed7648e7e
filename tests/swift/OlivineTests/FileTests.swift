// Files: written here, and by Python (tests/fixtures/swift, made by its script).
import Foundation
import Olivine
import XCTest

final class FileTests: XCTestCase {
  private let folder = FileManager.default.temporaryDirectory
    .appendingPathComponent("olivine-\(UUID().uuidString)")
  private let fixtures = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("fixtures/swift")

  override func setUpWithError() throws {
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }
  override func tearDownWithError() throws { try FileManager.default.removeItem(at: folder) }

  func testOneArray() throws {
    let url = folder.appendingPathComponent("a.npy")
    let a = MLXArray([1 as Float, 2, 3, 4], [2, 2])
    try save(array: a.T, url: url)
    let back = try loadArray(url: url)
    XCTAssertEqual(back.shape, [2, 2])
    assertEqual(back, [1, 3, 2, 4])
  }

  func testSeveralArraysWithMetadata() throws {
    let url = folder.appendingPathComponent("a.safetensors")
    let arrays = ["w": MLXArray([1 as Float, 2]), "b": MLXArray([Float16(3)])]
    try save(arrays: arrays, metadata: ["format": "pt"], url: url)
    let (back, metadata) = try loadArraysAndMetadata(url: url)
    XCTAssertEqual(metadata["format"], "pt")
    XCTAssertEqual(back["b"]!.dtype, .float16)
    assertEqual(back["w"]!, [1, 2])
    XCTAssertEqual(try loadArrays(url: url).count, 2)
  }

  func testArraysInMemory() throws {
    let arrays = ["w": MLXArray([1 as Float, 2]), "i": MLXArray([1, 2, 3])]
    let data = try saveToData(arrays: arrays, metadata: ["k": "v"])
    let (back, metadata) = try loadArraysAndMetadata(data: data)
    XCTAssertEqual(metadata["k"], "v")
    assertEqual(back["w"]!, [1, 2])
    XCTAssertEqual(back["i"]!.asArray(Int.self), [1, 2, 3])
    XCTAssertThrowsError(try loadArrays(data: data.prefix(12)))
  }

  func testGGUF() throws {
    let url = folder.appendingPathComponent("a.gguf")
    try save(arrays: ["w": MLXArray([1 as Float, 2])], url: url)
    assertEqual(try loadArrays(url: url)["w"]!, [1, 2])
  }

  func testFilesOfPython() throws {
    let url = fixtures.appendingPathComponent("arrays.safetensors")
    let (arrays, metadata) = try loadArraysAndMetadata(url: url)
    XCTAssertEqual(metadata["made_by"], "python")
    assertEqual(arrays["matrix"]!, [0, 1, 2, 3, 4, 5])
    XCTAssertEqual(arrays["matrix"]!.shape, [2, 3])
    XCTAssertEqual(arrays["half"]!.dtype, .bfloat16)
    let function = try importFunction(from: fixtures.appendingPathComponent("function.mlxfn"))
    let results = try function(MLXArray([1 as Float, 2]), MLXArray([3 as Float, 4]))
    assertEqual(results[0], [4, 10])
  }

  func testExportedFunctions() throws {
    let url = folder.appendingPathComponent("f.mlxfn")
    let x = MLXArray([1 as Float, 2])
    try exportFunction(to: url) { (a: [MLXArray]) -> [MLXArray] in [a[0] * 2 + a[1]] }(x, x)
    let f = try importFunction(from: url)
    assertEqual(try f(x, x + 1)[0], [4, 7])
    try exportFunctions(to: url, shapeless: true, { (a: [MLXArray]) -> [MLXArray] in [a[0].sum()] })
    { export in
      try export(x)
      try export(MLXArray.ones([2, 2]))
    }
    let g = try ImportedFunction(url: url)
    assertEqual(try g(MLXArray([1 as Float, 2, 3]))[0], [6])
    XCTAssertThrowsError(try f(x))
  }

  func testMetadataOfGGUF() throws {
    let url = folder.appendingPathComponent("m.gguf")
    let arrays = ["w": MLXArray([1 as Float, 2])]
    try saveGGUF(
      arrays: arrays,
      metadata: [
        "name": .text("tiny"), "tokens": .texts(["a", "", "é"]),
        "layers": .array(MLXArray(12 as Int32)), "scales": .array(MLXArray([0.5 as Float, 4])),
      ], url: url)
    let (loaded, metadata) = try loadGGUF(url: url)
    assertEqual(loaded["w"]!, [1, 2])
    XCTAssertEqual(
      Set(metadata.keys).intersection(["name", "tokens", "layers", "scales"]).count, 4)
    guard case .text("tiny")? = metadata["name"] else { return XCTFail("name") }
    guard case .texts(["a", "", "é"])? = metadata["tokens"] else { return XCTFail("tokens") }
    guard case .array(let layers)? = metadata["layers"] else { return XCTFail("layers") }
    XCTAssertEqual(layers.item(Int.self), 12)
    guard case .array(let scales)? = metadata["scales"] else { return XCTFail("scales") }
    assertEqual(scales, [0.5, 4])

    try save(arrays: arrays, metadata: ["name": "small"], url: url)
    XCTAssertEqual(try loadArraysAndMetadata(url: url).1["name"], "small")
  }

  func testGraphsAsText() throws {
    let url = folder.appendingPathComponent("graph.dot")
    let x = MLXArray([1 as Float, 2])
    try exportToDot([exp(x) + 1], names: [(x, "weights")], to: url)
    let text = try String(contentsOf: url, encoding: .utf8)
    XCTAssertTrue(text.contains("digraph") && text.contains("weights"), text)
    XCTAssertThrowsError(
      try exportToDot([x], to: folder.appendingPathComponent("no/such/graph.dot")))
  }

  func testMissingAndStrangeFiles() {
    XCTAssertThrowsError(try loadArray(url: folder.appendingPathComponent("none.npy"))) { error in
      guard case LoadSaveError.unableToOpen = error else { return XCTFail("\(error)") }
    }
    XCTAssertThrowsError(try loadArrays(url: folder.appendingPathComponent("a.zip"))) { error in
      guard case LoadSaveError.unknownExtension("zip") = error else { return XCTFail("\(error)") }
    }
    XCTAssertThrowsError(try importFunction(from: folder.appendingPathComponent("none.mlxfn")))
  }
}
