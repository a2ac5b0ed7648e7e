// Brackets; the expected values are NumPy's for the same indices.
import Olivine
import XCTest

final class IndexTests: XCTestCase {
  let a = MLXArray(0..<24, [2, 3, 4])

  func testIntegersAndRanges() {
    XCTAssertEqual(a[1].shape, [3, 4])
    XCTAssertEqual(a[1, 2, 3].item(Int.self), 23)
    XCTAssertEqual(a[-1, -1, -1].item(Int.self), 23)
    XCTAssertEqual(a[0, 1...].shape, [2, 4])
    XCTAssertEqual(a[0, 1..<2].asArray(Int.self), [4, 5, 6, 7])
    XCTAssertEqual(a[0, ...1, 0].asArray(Int.self), [0, 4])
    XCTAssertEqual(a[0, ..<(-1), 0].asArray(Int.self), [0, 4])
    XCTAssertEqual(a[0, 0...1, 0].asArray(Int.self), [0, 4])
    XCTAssertEqual(a[0..., 0, 0].asArray(Int.self), [0, 12])
    XCTAssertEqual(a[0, 5...].shape, [0, 4])
  }

  func testStrides() {
    XCTAssertEqual(a[0, 0, .stride(by: 2)].asArray(Int.self), [0, 2])
    XCTAssertEqual(a[0, 0, .stride(by: -1)].asArray(Int.self), [3, 2, 1, 0])
    XCTAssertEqual(a[0, 0, .stride(from: 2, by: -2)].asArray(Int.self), [2, 0])
    XCTAssertEqual(a[0, 0, .stride(from: 1, to: 4, by: 2)].asArray(Int.self), [1, 3])
    XCTAssertEqual(a[stride(by: -1), 0, 0].asArray(Int.self), [12, 0])
  }

  func testEllipsisAndNewAxis() {
    XCTAssertEqual(a[.ellipsis, 0].shape, [2, 3])
    XCTAssertEqual(a[0, .ellipsis, 0].asArray(Int.self), [0, 4, 8])
    XCTAssertEqual(a[.newAxis].shape, [1, 2, 3, 4])
    XCTAssertEqual(a[.ellipsis, .newAxis].shape, [2, 3, 4, 1])
    XCTAssertEqual(a[0, .newAxis, 1...].shape, [1, 2, 4])
  }

  func testArrays() {
    let i = MLXArray([0, 2])
    XCTAssertEqual(a[0, i].asArray(Int.self), [0, 1, 2, 3, 8, 9, 10, 11])
    XCTAssertEqual(a[0..., i].shape, [2, 2, 4])
    XCTAssertEqual(a[0..., i, i].asArray(Int.self), [0, 10, 12, 22])
    XCTAssertEqual(a[i - 1, 0..., i].shape, [2, 3])
    XCTAssertEqual(a[0, 0..., i].asArray(Int.self), [0, 4, 8, 2, 6, 10])
    XCTAssertEqual(a[MLXArray([1, 0], [2, 1]), i].shape, [2, 2, 4])
    XCTAssertEqual(a[0, i, .newAxis].shape, [2, 1, 4])
    XCTAssertEqual(a[MLXArray(1)].shape, [3, 4])
  }

  func testMasks() {
    let x = MLXArray([1, 2, 3, 4], [2, 2])
    XCTAssertEqual(x[x .> 2].asArray(Int.self), [3, 4])
    XCTAssertEqual(x[0, MLXArray([false, true])].asArray(Int.self), [2])
    let y = x + 0
    y[y .> 2] = MLXArray(0)
    XCTAssertEqual(y.asArray(Int.self), [1, 2, 0, 0])
    y[y .< 2] = MLXArray([7, 8, 9])
    XCTAssertEqual(y.asArray(Int.self), [7, 2, 8, 9])
  }

  func testSelections() {
    let x = MLXArray([1, 2, 3, 4], [2, 2])
    XCTAssertEqual(nonzero(x .> 2).map { $0.asArray(Int.self) }, [[1, 1], [0, 1]])
    XCTAssertEqual(argwhere(x .> 3).shape, [1, 2])
    XCTAssertEqual(extract(x .> 2, x, size: 3).asArray(Int.self), [3, 4, 0])
    XCTAssertEqual(compress(MLXArray([false, true]), x, axis: 1).asArray(Int.self), [2, 4])
    XCTAssertEqual(`repeat`(x[0], MLXArray([0, 2])).asArray(Int.self), [2, 2])
    let (values, indices, inverse, counts) = uniqueAll(MLXArray([7, 5, 7]))
    XCTAssertEqual(values.asArray(Int.self), [5, 7])
    XCTAssertEqual(indices.asArray(Int.self), [1, 0])
    XCTAssertEqual(inverse.asArray(Int.self), [1, 0, 1])
    XCTAssertEqual(counts.asArray(Int.self), [1, 2])
  }

  func testAssignment() {
    let x = MLXArray.zeros([2, 3], dtype: .int32)
    x[0] = MLXArray(5)
    XCTAssertEqual(x.asArray(Int.self), [5, 5, 5, 0, 0, 0])
    x[1, 1...] = MLXArray([7, 8])
    XCTAssertEqual(x.asArray(Int.self), [5, 5, 5, 0, 7, 8])
    x[0..., 0] = MLXArray([1, 2])
    XCTAssertEqual(x.asArray(Int.self), [1, 5, 5, 2, 7, 8])
    x[MLXArray([1, 0]), MLXArray([0, 2])] = MLXArray([-1, -2])
    XCTAssertEqual(x.asArray(Int.self), [1, 5, -2, -1, 7, 8])
    x[.ellipsis, .stride(by: -2)] = MLXArray([10, 20])
    XCTAssertEqual(x.asArray(Int.self), [20, 5, 10, 20, 7, 10])
    x[0, MLXArray([0, 1])] = MLXArray(3)
    XCTAssertEqual(x.asArray(Int.self), [3, 3, 10, 20, 7, 10])
  }

  func testAssignmentLeavesOtherArraysAlone() {
    let x = MLXArray([1, 2, 3])
    let y = x + 0
    let z = y * 1
    y[0] = MLXArray(9)
    XCTAssertEqual(z.asArray(Int.self), [1, 2, 3])
    XCTAssertEqual(y.asArray(Int.self), [9, 2, 3])
  }

  func testUpdatesThatAddUp() {
    let x = MLXArray.zeros([3], dtype: .int32)
    let i = MLXArray([0, 0, 2])
    XCTAssertEqual(x.at[i].add(1).asArray(Int.self), [2, 0, 1])
    XCTAssertEqual(x.at[i].subtract(1).asArray(Int.self), [-2, 0, -1])
    XCTAssertEqual((x + 1).at[i].multiply(3).asArray(Int.self), [9, 1, 3])
    XCTAssertEqual(x.at[i].maximum(MLXArray([1, 5, -1])).asArray(Int.self), [5, 0, 0])
    XCTAssertEqual(x.at[1...].minimum(-4).asArray(Int.self), [0, -4, -4])
    let f = MLXArray([8 as Float, 8])
    assertEqual(f.at[MLXArray([1, 1])].divide(2), [8, 2])
    assertEqual(f.at[0].add(1.5), [9.5, 8])
    XCTAssertEqual(x.asArray(Int.self), [0, 0, 0])
  }

  func testBadIndicesAreErrors() {
    XCTAssertThrowsError(try withError { a[2] })
    XCTAssertThrowsError(try withError { a[0, 0, 0, 0] })
    XCTAssertThrowsError(try withError { a[.ellipsis, .ellipsis] })
    XCTAssertThrowsError(try withError { a[.stride(by: 0)] })
    XCTAssertThrowsError(try withError { a[MLXArray([0.5 as Float])] })
    XCTAssertThrowsError(try withError { a[MLXArray([true])] })
    XCTAssertThrowsError(try withError { a[0] = MLXArray([1, 2]) }) { error in
      XCTAssertTrue("\(error)".contains("broadcast"), "\(error)")
    }
  }
}
