// swift-tools-version: 6.0
import PackageDescription

let package = Package(
  name: "calls",
  dependencies: [.package(name: "olivine", path: "../../..")],
  targets: [
    .executableTarget(name: "calls", dependencies: [.product(name: "Olivine", package: "olivine")])
  ])
