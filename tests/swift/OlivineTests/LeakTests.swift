// Memory stays flat over many calls.
import Foundation
import Olivine
import XCTest

final class LeakTests: XCTestCase {
  private func residentPages() -> Int {
    let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? "0 0"
    return Int(text.split(separator: " ")[1]) ?? 0
  }

  private func grown(_ calls: Int, _ body: () -> Void) -> Int {
    for _ in 0..<(calls / 10) { body() }
    let before = residentPages()
    for _ in 0..<calls { body() }
    return (residentPages() - before) * 4096
  }

  func testArraysAreFreed() throws {
    try XCTSkipIf(residentPages() == 0, "needs /proc")
    let x = MLXArray([1 as Float, 2, 3, 4], [2, 2])
    let grown = grown(100_000) {
      let y = (x + 1).sum(axes: [0, 1])
      let parts = split(x, parts: 2)
      _ = parts[0] * y
      _ = x[0, 1...]
    }
    XCTAssertLessThan(grown, 4 << 20)
  }

  func testClosuresAreFreed() throws {
    try XCTSkipIf(residentPages() == 0, "needs /proc")
    let x = MLXArray([1 as Float, 2])
    let grown = grown(5000) {
      let g = grad { (x: MLXArray) -> MLXArray in (x * x).sum() }
      eval(g(x))
      let f = compile { (x: MLXArray) -> MLXArray in exp(x) + 1 }
      eval(f(x))
    }
    XCTAssertLessThan(grown, 4 << 20)
  }
}
