// A program for mlx-swift, unchanged: it imports MLX's modules.
import MLX
import MLXFFT
import MLXFast
import MLXLinalg
import MLXRandom
import XCTest

final class CompatTests: XCTestCase {
  func testProgramForMLX() {
    MLXRandom.seed(1)
    let x: MLXArray = MLXRandom.uniform(0.0..<1.0, [4, 8])
    let weight = MLXRandom.normal([8])
    let y = MLXFast.rmsNorm(x, weight: weight, eps: 1e-5)
    XCTAssertEqual(y.shape, [4, 8])
    let spectrum = MLXFFT.rfft(y)
    XCTAssertEqual(spectrum.dtype, .complex64)
    let length = MLXLinalg.norm(y, axis: -1)
    XCTAssertEqual(length.shape, [4])
    eval(spectrum, length)
    let g = grad { (w: MLXArray) -> MLXArray in (x * w).sum() }
    let difference = MLX.abs(g(weight) - x.sum(axis: 0)).max()
    XCTAssertLessThan(difference.item(Float.self), 1e-5)
    XCTAssertEqual(MLX.sqrt(MLXArray(4.0 as Float)).item(Float.self), 2)
    let (q, r) = MLXLinalg.qr(x)
    XCTAssertTrue(allClose(q.matmul(r), x, atol: 1e-5).item(Bool.self))
  }
}
