// Arrays from Swift values and back, operators, and the functions over C.
import Foundation
import Olivine
import XCTest

func assertEqual(
  _ array: MLXArray, _ expected: [Float], file: StaticString = #filePath, line: UInt = #line
) {
  XCTAssertEqual(array.asArray(Float.self), expected, file: file, line: line)
}

func assertClose(
  _ array: MLXArray, _ expected: [Float], tolerance: Float = 1e-5, file: StaticString = #filePath,
  line: UInt = #line
) {
  let values = array.asArray(Float.self)
  XCTAssertEqual(values.count, expected.count, file: file, line: line)
  for (value, wanted) in zip(values, expected) {
    XCTAssertEqual(value, wanted, accuracy: tolerance, file: file, line: line)
  }
}

final class ArrayTests: XCTestCase {
  func testScalarsKeepTheirTypes() {
    XCTAssertEqual(MLXArray(3).dtype, .int32)
    XCTAssertEqual(MLXArray(3 as Float).dtype, .float32)
    XCTAssertEqual(MLXArray(true).dtype, .bool)
    XCTAssertEqual(MLXArray(int64: 1 << 40).item(Int.self), 1 << 40)
    XCTAssertEqual(MLXArray(float64: 0.1).item(Double.self), 0.1)
    XCTAssertEqual(MLXArray(UInt8(200)).dtype, .uint8)
    XCTAssertEqual(MLXArray(Float16(1.5)).dtype, .float16)
    XCTAssertEqual(MLXArray(bfloat16: 3).dtype, .bfloat16)
    XCTAssertEqual(MLXArray(bfloat16: 3).item(Float.self), 3)
    XCTAssertEqual(MLXArray(Complex<Float>(1, -2)).item(Complex<Float>.self), Complex(1, -2))
  }

  func testArraysKeepShapeAndElements() {
    let a = MLXArray([1, 2, 3, 4, 5, 6], [2, 3])
    XCTAssertEqual(a.shape, [2, 3])
    XCTAssertEqual(a.dtype, .int32)
    XCTAssertEqual(a.size, 6)
    XCTAssertEqual(a.ndim, 2)
    XCTAssertEqual(a.count, 2)
    XCTAssertEqual(a.nbytes, 24)
    XCTAssertEqual(a.dim(-1), 3)
    XCTAssertEqual(a.asArray(Int.self), [1, 2, 3, 4, 5, 6])
    XCTAssertEqual(a.T.asArray(Int32.self), [1, 4, 2, 5, 3, 6])
    let literal: MLXArray = [7, 8]
    XCTAssertEqual(literal.asArray(Int32.self), [7, 8])
    let doubles = MLXArray(converting: [0.5, 0.25])
    assertEqual(doubles, [0.5, 0.25])
    let range = MLXArray(0..<4, [2, 2])
    XCTAssertEqual(range.dtype, .int32)
    XCTAssertEqual(range.shape2.0, 2)
    XCTAssertEqual(MLXArray([Float]()).shape, [0])
    XCTAssertEqual(MLXArray([Float]()).asArray(Float.self), [])
  }

  func testHalfAndComplexElements() {
    let half = MLXArray([Float16(1.5), -2])
    XCTAssertEqual(half.asArray(Float16.self), [1.5, -2])
    let brain = MLXArray([Float(1.5), -2]).asType(.bfloat16)
    XCTAssertEqual(brain.asArray(Float.self), [1.5, -2])
    let complex = MLXArray([Complex<Float>(1, 2), Complex<Float>(3, 4)])
    XCTAssertEqual(complex.asArray(Complex<Float>.self), [Complex(1, 2), Complex(3, 4)])
    assertEqual(complex.imaginaryPart(), [2, 4])
    assertEqual(complex.realPart(), [1, 3])
    XCTAssertEqual(MLXArray(2 as Float).asImaginary().item(Complex<Float>.self), Complex(0, 2))
  }

  func testDataThereAndBack() {
    let a = MLXArray([1 as Float, 2, 3, 4], [2, 2]).T
    let data = a.asData()
    XCTAssertEqual(data.shape, [2, 2])
    XCTAssertEqual(data.strides, [2, 1])
    XCTAssertEqual(data.dType, .float32)
    assertEqual(MLXArray(data: data), [1, 3, 2, 4])
    assertEqual(MLXArray(data.data, [4], type: Float.self), [1, 3, 2, 4])
    let shared = a.asData(access: .noCopyIfContiguous)
    XCTAssertEqual(shared.data, data.data)
    let bytes = Data([1, 0, 2, 0])
    XCTAssertEqual(MLXArray(bytes, dtype: .uint16).asArray(UInt16.self), [1, 2])
  }

  func testMemoryOfTheCallerIsReleased() {
    let count = 4
    let memory = UnsafeMutablePointer<Float>.allocate(capacity: count)
    for i in 0..<count { memory[i] = Float(i) }
    let released = expectation(description: "finalizer")
    do {
      let a = MLXArray(rawPointer: memory, [2, 2], dtype: .float32) {
        memory.deallocate()
        released.fulfill()
      }
      assertEqual(a + 1, [1, 2, 3, 4])
    }
    wait(for: [released], timeout: 5)
  }

  func testOperatorsBroadcastAndTakeScalars() {
    let a = MLXArray([1 as Float, 2, 3, 4], [2, 2])
    let b = MLXArray([10 as Float, 20])
    assertEqual(a + b, [11, 22, 13, 24])
    assertEqual(a - 1, [0, 1, 2, 3])
    assertEqual(1 - a, [0, -1, -2, -3])
    assertEqual(a * 2.5, [2.5, 5, 7.5, 10])
    assertEqual(6 / a, [6, 3, 2, 1.5])
    assertEqual(a % 2, [1, 0, 1, 0])
    assertEqual(a ** 2, [1, 4, 9, 16])
    assertEqual(2 ** a, [2, 4, 8, 16])
    assertEqual(-a, [-1, -2, -3, -4])
    var c = a
    c += 1
    c *= b
    c -= a
    c /= 2
    assertEqual(c, [9.5, 29, 18.5, 48])
    assertEqual(a, [1, 2, 3, 4])
  }

  func testScalarsAreWeak() {
    let half = MLXArray([Float16(1), 2])
    XCTAssertEqual((half + 1).dtype, .float16)
    XCTAssertEqual((half * 0.5).dtype, .float16)
    XCTAssertEqual((MLXArray([1, 2]) + 0.5).dtype, .float32)
    XCTAssertEqual((MLXArray([UInt8(1)]) + 1).dtype, .uint8)
    XCTAssertEqual((MLXArray([true]) + 1).dtype, .int32)
    XCTAssertEqual(maximum(half, 1.5).dtype, .float16)
    XCTAssertEqual((half + [1 as Float, 2]).dtype, .float16)
  }

  func testComparisonLogicAndBits() {
    let a = MLXArray([1, 2, 3])
    XCTAssertEqual((a .== 2).asArray(Bool.self), [false, true, false])
    XCTAssertEqual((a .!= 2).asArray(Bool.self), [true, false, true])
    XCTAssertEqual((a .< 2).asArray(Bool.self), [true, false, false])
    XCTAssertEqual((a .<= 2).asArray(Bool.self), [true, true, false])
    XCTAssertEqual((a .> 2).asArray(Bool.self), [false, false, true])
    XCTAssertEqual((a .>= 2).asArray(Bool.self), [false, true, true])
    let low = a .< 3
    let high = a .> 1
    XCTAssertEqual((low .&& high).asArray(Bool.self), [false, true, false])
    XCTAssertEqual((low .|| high).asArray(Bool.self), [true, true, true])
    XCTAssertEqual((.!low).asArray(Bool.self), [false, false, true])
    XCTAssertEqual((a & 1).asArray(Int.self), [1, 0, 1])
    XCTAssertEqual((a | 4).asArray(Int.self), [5, 6, 7])
    XCTAssertEqual((a ^ 1).asArray(Int.self), [0, 3, 2])
    XCTAssertEqual((a << 2).asArray(Int.self), [4, 8, 12])
    XCTAssertEqual((a >> 1).asArray(Int.self), [0, 1, 1])
    XCTAssertEqual((~a).asArray(Int.self), [-2, -3, -4])
  }

  func testDTypes() throws {
    XCTAssertTrue(DType.bfloat16.isFloatingPoint)
    XCTAssertTrue(DType.complex64.isComplex)
    XCTAssertTrue(DType.uint8.isInteger)
    XCTAssertFalse(DType.uint8.isSignedInteger)
    XCTAssertEqual(DType.float16.size, 2)
    XCTAssertEqual(DType.float32.finfo!.max, Double(Float.greatestFiniteMagnitude))
    XCTAssertEqual(DType.float32.finfo!.eps, Double(Float.ulpOfOne))
    XCTAssertEqual(DType.float16.finfo!.smallestNormal, Double(Float16.leastNormalMagnitude))
    XCTAssertEqual(DType.float64.finfo!.smallestSubnormal, Double.leastNonzeroMagnitude)
    XCTAssertEqual(DType.int8.greatestFiniteMagnitudeArray.item(Int.self), 127)
    for dtype in DType.allCases {
      let coded = try JSONEncoder().encode([dtype])
      XCTAssertEqual(try JSONDecoder().decode([DType].self, from: coded), [dtype])
      XCTAssertEqual(MLXArray.zeros([1], dtype: dtype).dtype, dtype)
    }
  }

  func testDescription() {
    XCTAssertTrue("\(MLXArray([1, 2]))".contains("1, 2"))
  }

  func testIterationAndTuples() {
    let a = MLXArray([1, 2, 3, 4], [2, 2])
    XCTAssertEqual(a.map { $0.sum().item(Int.self) }, [3, 7])
    let (x, y) = a.split(axis: 1)
    XCTAssertEqual(x.asArray(Int.self), [1, 3])
    XCTAssertEqual(y.asArray(Int.self), [2, 4])
  }
}
