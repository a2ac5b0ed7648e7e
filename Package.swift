// swift-tools-version: 6.0
// The Swift package: a layer over the C library. It takes the library of OLIVINE_PREFIX if that is
// set, else of the build tree (make build), else the one that pkg-config or the linker finds.
import Foundation
import PackageDescription

let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path

func holdsLibrary(_ folder: String) -> Bool {
  FileManager.default.fileExists(atPath: folder + "/libolivine_c.so")
    || FileManager.default.fileExists(atPath: folder + "/libolivine_c.dylib")
}

func pkgConfigFolder() -> String? {
  let process = Process()
  process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
  process.arguments = ["pkg-config", "--variable=libdir", "olivine-c"]
  let output = Pipe()
  process.standardOutput = output
  process.standardError = FileHandle.nullDevice
  guard (try? process.run()) != nil else { return nil }
  let data = output.fileHandleForReading.readDataToEndOfFile()
  process.waitUntilExit()
  let text = String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
  return process.terminationStatus == 0 && !text.isEmpty ? text : nil
}

let prefix = ProcessInfo.processInfo.environment["OLIVINE_PREFIX"]
let given = prefix.map { [$0 + "/lib", $0 + "/lib64", $0] } ?? []
let built = root + "/build/release/python/olivine/lib"
let library = (given + [built]).first(where: holdsLibrary) ?? pkgConfigFolder()
let search = library.map { ["-L\($0)", "-Xlinker", "-rpath", "-Xlinker", $0] } ?? []

let link: [LinkerSetting] =
  [.linkedLibrary("olivine_c")]
  + (search.isEmpty ? [] : [.unsafeFlags(search)])
let sources = "bindings/swift/"

func module(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(name: name, dependencies: dependencies, path: sources + name)
}
/// A module under the name that mlx-swift programs import.
func compat(_ name: String, _ target: String) -> Target {
  .target(name: name, dependencies: [.byName(name: target)], path: sources + "compat/" + name)
}
func example(_ name: String, _ dependencies: [Target.Dependency] = ["Olivine"]) -> Target {
  .executableTarget(name: name, dependencies: dependencies, path: "examples/swift/" + name)
}
func product(_ name: String) -> Product { .library(name: name, targets: [name]) }

let package = Package(
  name: "Olivine",
  platforms: [.macOS(.v14), .iOS(.v17), .tvOS(.v17), .visionOS(.v1)],
  products: [
    product("Olivine"), product("OlivineRandom"), product("OlivineFFT"), product("OlivineLinalg"),
    product("OlivineFast"), product("MLX"), product("MLXRandom"), product("MLXFFT"),
    product("MLXLinalg"), product("MLXFast"), product("OlivineNN"), product("OlivineOptimizers"),
    product("MLXNN"), product("MLXOptimizers"),
  ],
  targets: [
    .target(
      name: "COlivine", path: "bindings", sources: ["swift/COlivine/COlivine.c"],
      publicHeadersPath: "c/include", linkerSettings: link),
    module("Olivine", ["COlivine"]),
    module("OlivineRandom", ["Olivine"]),
    module("OlivineFFT", ["Olivine"]),
    module("OlivineLinalg", ["Olivine"]),
    module("OlivineFast", ["Olivine"]),
    module("OlivineNN", ["Olivine"]),
    module("OlivineOptimizers", ["Olivine", "OlivineNN"]),
    compat("MLX", "Olivine"),
    compat("MLXRandom", "OlivineRandom"),
    compat("MLXFFT", "OlivineFFT"),
    compat("MLXLinalg", "OlivineLinalg"),
    compat("MLXFast", "OlivineFast"),
    compat("MLXNN", "OlivineNN"),
    compat("MLXOptimizers", "OlivineOptimizers"),
    .target(name: "GPT", dependencies: ["Olivine", "OlivineNN"], path: "examples/swift/gpt"),
    example("linear_regression"),
    example("mlp", ["Olivine", "OlivineNN", "OlivineOptimizers"]),
    example("train_lm", ["GPT", "OlivineOptimizers"]),
    example("generate", ["GPT"]),
    example("imported_function"),
    .executableTarget(
      name: "bench-calls", dependencies: ["Olivine"], path: "bench/languages/swift"),
    .testTarget(name: "OlivineTests", dependencies: ["Olivine"], path: "tests/swift/OlivineTests"),
    .testTarget(
      name: "OlivineNNTests", dependencies: ["Olivine", "OlivineNN", "OlivineOptimizers"],
      path: "tests/swift/OlivineNNTests"),
    .testTarget(
      name: "CompatTests", dependencies: ["MLX", "MLXRandom", "MLXFFT", "MLXLinalg", "MLXFast"],
      path: "tests/swift/CompatTests"),
  ],
  swiftLanguageModes: [.v6]
)
