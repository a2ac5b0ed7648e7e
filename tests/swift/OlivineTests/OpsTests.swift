// Functions of arrays; the expected values are NumPy's.
import Foundation
import Olivine
import XCTest

final class OpsTests: XCTestCase {
  let a = MLXArray([1 as Float, 2, 3, 4, 5, 6], [2, 3])

  func testReductions() {
    assertEqual(sum(a), [21])
    assertEqual(a.sum(axis: 0), [5, 7, 9])
    assertEqual(a.sum(axes: [0, 1], keepDims: true), [21])
    XCTAssertEqual(a.sum(axes: [0, 1], keepDims: true).shape, [1, 1])
    assertEqual(a.mean(axis: 1), [2, 5])
    assertEqual(a.product(), [720])
    assertEqual(max(a, axis: 1), [3, 6])
    assertEqual(a.min(), [1])
    assertClose(a.variance(axis: 1, ddof: 1), [1, 1])
    assertClose(std(a), [1.7078251])
    XCTAssertEqual(a.argMax(axis: 1).asArray(Int.self), [2, 2])
    XCTAssertEqual(argMin(a).item(Int.self), 0)
    assertClose(a.logSumExp(axis: 1), [3.407606, 6.407606])
    assertEqual(median(a), [3.5])
    assertEqual(median(a, axis: 0), [2.5, 3.5, 4.5])
    XCTAssertTrue(all(a .> 0).item(Bool.self))
    XCTAssertFalse(a.any(axis: 0).asArray(Bool.self).contains(false))
    assertEqual(a.cumsum(axis: 1), [1, 3, 6, 4, 9, 15])
    assertEqual(a.cumsum(), [1, 3, 6, 10, 15, 21])
    assertEqual(a.cummax(axis: 0, reverse: true), [4, 5, 6, 4, 5, 6])
    assertClose(
      softmax(a, axis: -1),
      [0.09003057, 0.24472847, 0.66524096, 0.09003057, 0.24472847, 0.66524096])
  }

  func testElementwise() {
    let x = MLXArray([0.25 as Float, 1])
    assertClose(x.sqrt(), [0.5, 1])
    assertClose(exp(x), [1.2840254, 2.7182817])
    assertClose(x.log(), [-1.3862944, 0])
    assertClose(acos(x), [1.3181161, 0])
    assertClose(tanh(x), [0.24491866, 0.7615942])
    assertClose(sigmoid(x), [0.5621765, 0.7310586])
    assertClose(erfInverse(erf(x)), [0.25, 1])
    assertEqual(round(x * 10), [2, 10])
    assertEqual(clip(a, min: 2, max: 5), [2, 2, 3, 4, 5, 5])
    assertEqual(clip(a, max: 2), [1, 2, 2, 2, 2, 2])
    assertEqual(which(a .> 3, a, 0), [0, 0, 0, 4, 5, 6])
    assertEqual(`where`(a .> 3, 1, a), [1, 2, 3, 1, 1, 1])
    assertEqual(pow(a, 2), [1, 4, 9, 16, 25, 36])
    assertEqual(a.floorDivide(2), [0, 1, 1, 2, 2, 3])
    let (q, r) = divmod(a, 4)
    assertEqual(q, [0, 0, 0, 1, 1, 1])
    assertEqual(r, [1, 2, 3, 0, 1, 2])
    assertEqual(nanToNum(MLXArray([Float.nan, .infinity, 1]), nan: 7, posInf: 8), [7, 8, 1])
    XCTAssertTrue(allClose(a, a + 1e-9).item(Bool.self))
    XCTAssertTrue(a.arrayEqual(a).item(Bool.self))
    assertEqual(logicalXor(a .> 2, a .< 5), [1, 1, 0, 0, 1, 1])
  }

  func testShapes() {
    XCTAssertEqual(a.reshaped(3, 2).shape, [3, 2])
    XCTAssertEqual(a.reshaped([-1]).shape, [6])
    XCTAssertEqual(a.flattened().shape, [6])
    XCTAssertEqual(a.expandedDimensions(axes: [0, 3]).shape, [1, 2, 3, 1])
    XCTAssertEqual(a.expandedDimensions(axis: 1).squeezed().shape, [2, 3])
    XCTAssertEqual(a.transposed(1, 0).shape, [3, 2])
    XCTAssertEqual(a.transposed(axis: 1).shape, [3, 2])
    XCTAssertEqual(a.movedAxis(source: 0, destination: 1).shape, [3, 2])
    XCTAssertEqual(a.swappedAxes(0, 1).shape, [3, 2])
    XCTAssertEqual(broadcast(a, to: [4, 2, 3]).shape, [4, 2, 3])
    XCTAssertEqual(unflatten(a, axis: 1, shape: [3, 1]).shape, [2, 3, 1])
    assertEqual(concatenated([a, a], axis: 1)[0], [1, 2, 3, 1, 2, 3])
    XCTAssertEqual(stacked([a, a], axis: -1).shape, [2, 3, 2])
    XCTAssertEqual(split(a, parts: 3, axis: 1).map(\.shape), [[2, 1], [2, 1], [2, 1]])
    XCTAssertEqual(split(a, indices: [1], axis: 1).map(\.shape), [[2, 1], [2, 2]])
    assertEqual(roll(a, shift: 1, axis: 1), [3, 1, 2, 6, 4, 5])
    assertEqual(roll(a, shift: 1), [6, 1, 2, 3, 4, 5])
    XCTAssertEqual(tiled(a, repetitions: [2, 1]).shape, [4, 3])
    assertEqual(repeated(a, count: 2, axis: 0)[0], [1, 2, 3])
    XCTAssertEqual(padded(a, width: 1).shape, [4, 5])
    assertEqual(padded(a, widths: [[0, 0], [1, 0]], mode: .edge), [1, 1, 2, 3, 4, 4, 5, 6])
    assertEqual(diag(MLXArray([1 as Float, 2])), [1, 0, 0, 2])
    assertEqual(trace(a), [6])
    assertEqual(tril(a), [1, 0, 0, 4, 5, 0])
    assertEqual(asStrided(a, [2, 2], strides: [1, 1], offset: 1), [2, 3, 3, 4])
    let grid = meshGrid([MLXArray([1, 2]), MLXArray([3, 4, 5])])
    XCTAssertEqual(grid[0].shape, [3, 2])
    XCTAssertEqual(contiguous(a.T).asArray(Float.self), [1, 4, 2, 5, 3, 6])
    XCTAssertEqual(a.view(dtype: .int32).dtype, .int32)
  }

  func testSortingAndTaking() {
    let x = MLXArray([3 as Float, 1, 2])
    assertEqual(sorted(x), [1, 2, 3])
    XCTAssertEqual(argSort(x).asArray(Int.self), [1, 2, 0])
    assertEqual(sorted(top(x, k: 2)), [2, 3])
    assertEqual(a.take(MLXArray([2, 0]), axis: 1), [3, 1, 6, 4])
    assertEqual(take(a, MLXArray([5])), [6])
    assertEqual(takeAlong(a, MLXArray([0, 2], [2, 1]), axis: 1), [1, 6])
    assertEqual(takeAlong(a, MLXArray([4, 5])), [5, 6])
    assertEqual(
      putAlong(a, MLXArray([0, 5]), values: MLXArray([9 as Float, 8])), [9, 2, 3, 4, 5, 8])
    XCTAssertEqual(
      searchsorted(MLXArray([1 as Float, 3]), MLXArray([2 as Float])).item(Int.self), 1)
  }

  func testProducts() {
    let b = MLXArray([1 as Float, 0, 0, 1, 1, 1], [3, 2])
    assertEqual(a.matmul(b), [4, 5, 10, 11])
    assertEqual(matmul(a, b), [4, 5, 10, 11])
    assertEqual(addMM(1, a, b, alpha: 2), [9, 11, 21, 23])
    assertEqual(outer(MLXArray([1 as Float, 2]), MLXArray([3 as Float, 4])), [3, 4, 6, 8])
    assertEqual(inner(a[0], a[1]), [32])
    assertEqual(einsum("ij,jk->ik", a, b), [4, 5, 10, 11])
    assertEqual(einsum("ij->j", operands: [a]), [5, 7, 9])
    assertEqual(tensordot(a, b, axes: 1), [4, 5, 10, 11])
    assertEqual(tensordot(a, a, axes: ([0], [0])), [17, 22, 27, 22, 29, 36, 27, 36, 45])
    assertEqual(kron(MLXArray([1 as Float, 2]), MLXArray([1 as Float, 1])), [1, 1, 2, 2])
    let w = MLXRandom.normal([8, 64])
    let (wq, scales, biases) = quantized(w, groupSize: 32, bits: 8)
    let back = dequantized(wq, scales: scales, biases: biases, groupSize: 32, bits: 8)
    XCTAssertTrue(allClose(w, back, atol: 0.05).item(Bool.self))
    let x = MLXRandom.normal([2, 64])
    let product = quantizedMM(x, wq, scales: scales, biases: biases, groupSize: 32, bits: 8)
    XCTAssertTrue(allClose(product, matmul(x, back.T), rtol: 1e-3, atol: 1e-3).item(Bool.self))
  }

  func testConvolutions() {
    let x = MLXArray([1 as Float, 2, 3, 4])
    let k = MLXArray([1 as Float, 0, -1])
    assertEqual(convolve(x, k), [1, 2, 2, 2, -3, -4])
    assertEqual(convolve(x, k, mode: .valid), [2, 2])
    assertEqual(convolve(x, k, mode: .same), [2, 2, 2, -3])
    let image = MLXArray.ones([1, 4, 4, 1])
    let kernel = MLXArray.ones([1, 3, 3, 1])
    assertEqual(conv2d(image, kernel), [9, 9, 9, 9])
    XCTAssertEqual(conv2d(image, kernel, stride: 2, padding: [1, 1]).shape, [1, 2, 2, 1])
    XCTAssertEqual(convGeneral(image, kernel, padding: (0, 1)).shape, [1, 3, 3, 1])
    XCTAssertEqual(convTransposed2d(image, kernel, stride: 2).shape, [1, 9, 9, 1])
  }

  func testFactories() {
    assertEqual(MLXArray.zeros([2]), [0, 0])
    XCTAssertEqual(ones([2, 2], type: Int32.self).dtype, .int32)
    XCTAssertEqual(zeros(like: a).shape, [2, 3])
    assertEqual(eye(2, m: 3, k: 1), [0, 1, 0, 0, 0, 1])
    assertEqual(identity(2), [1, 0, 0, 1])
    assertEqual(tri(2), [1, 0, 1, 1])
    assertEqual(full([2], values: 3.5), [3.5, 3.5])
    XCTAssertEqual(full([2], values: 3, type: Float16.self).dtype, .float16)
    assertEqual(linspace(0, 1, count: 3), [0, 0.5, 1])
    assertEqual(linspace(0.0, 1.0, count: 3), [0, 0.5, 1])
    XCTAssertEqual(arange(3).asArray(Int.self), [0, 1, 2])
    XCTAssertEqual(arange(3).dtype, .int32)
    assertEqual(arange(1.0, 2.0, step: 0.25), [1, 1.25, 1.5, 1.75])
    XCTAssertEqual(hanning(5).shape, [5])
  }

  func testFourier() {
    let x = MLXArray([1 as Float, 2, 3, 4])
    let y = fft(x)
    XCTAssertEqual(y.dtype, .complex64)
    assertClose(y.realPart(), [10, -2, -2, -2])
    assertClose(y.imaginaryPart(), [0, 2, 0, -2])
    assertClose(MLXFFT.irfft(rfft(x)), [1, 2, 3, 4])
    assertClose(ifft2(fft2(a)).realPart(), [1, 2, 3, 4, 5, 6])
    assertClose(irfftn(rfftn(a), s: [2, 3]), [1, 2, 3, 4, 5, 6])
    XCTAssertEqual(rfft(x, n: 8).shape, [5])
    assertEqual(fftshift(x), [3, 4, 1, 2])
    assertEqual(ifftshift(x, axes: [0]), [3, 4, 1, 2])
  }

  func testLinearAlgebra() {
    let m = MLXArray([4 as Float, 1, 1, 3], [2, 2])
    assertClose(matmul(inv(m), m), [1, 0, 0, 1])
    let l = cholesky(m)
    assertClose(matmul(l, l.T), [4, 1, 1, 3])
    assertClose(solve(m, MLXArray([1 as Float, 2])), [0.09090909, 0.6363636])
    let (q, r) = qr(m)
    assertClose(matmul(q, r), [4, 1, 1, 3])
    let (u, s, vt) = svd(m)
    assertClose(matmul(u * s, vt), [4, 1, 1, 3], tolerance: 1e-4)
    let values: MLXArray = MLXLinalg.svd(m)
    assertClose(values, [4.618034, 2.381966])
    assertClose(eigvalsh(m), [2.381966, 4.618034])
    let (p, lower, upper) = lu(m)
    XCTAssertEqual(p.shape, [2])
    XCTAssertEqual(lower.shape, upper.shape)
    assertClose(norm(m), [5.196152])
    assertClose(norm(m, ord: .nuc), [7])
    assertClose(norm(m, ord: 1, axis: 1), [5, 4])
    assertClose(norm(m, axes: [0]), [4.1231055, 3.1622777])
    assertClose(cross(MLXArray([1 as Float, 0, 0]), MLXArray([0 as Float, 1, 0])), [0, 0, 1])
    assertClose(MLXLinalg.det(m), [11])
    assertClose(m.l2Normalized(axis: 1).square().sum(axis: 1), [1, 1])
  }

  func testFused() {
    let x = MLXArray([3 as Float, 4], [1, 2])
    let weight = MLXArray.ones([2])
    assertClose(MLXFast.rmsNorm(x, weight: weight, eps: 0), [0.8485281, 1.1313709])
    assertClose(layerNorm(x, eps: 0), [-1, 1])
    let q = MLXRandom.normal([1, 2, 4, 8])
    let plain = softmax(matmul(q, q.transposed(0, 1, 3, 2)) * 0.5, axis: -1).matmul(q)
    let fused = scaledDotProductAttention(queries: q, keys: q, values: q, scale: 0.5, mask: nil)
    XCTAssertTrue(allClose(plain, fused, atol: 1e-5).item(Bool.self))
    let causal = MLXFast.scaledDotProductAttention(
      queries: q, keys: q, values: q, scale: 0.5, mask: .causal)
    assertClose(causal[0, 0, 0], q[0, 0, 0].asArray(Float.self))
    let rotated = RoPE(q, dimensions: 8, traditional: false, base: 10000, scale: 1, offset: 0)
    let shifted = RoPE(
      q, dimensions: 8, traditional: false, base: 10000, scale: 1, offset: MLXArray(0))
    XCTAssertTrue(allClose(rotated, shifted).item(Bool.self))
  }

  func testStreamsAndMemory() {
    XCTAssertEqual(Device.defaultDevice().deviceType, .cpu)
    XCTAssertEqual(Device.cpu, Device(.cpu))
    assertEqual(add(1 as Float, 2 as Float, stream: .cpu), [3])
    let sums = Device.withDefaultDevice(.cpu) { (a + a).sum() }
    assertEqual(sums, [42])
    let onNew = Stream.withNewDefaultStream { (a * 2).sum() }
    assertEqual(onNew, [42])
    Stream.cpu.synchronize()
    XCTAssertEqual(StreamOrDevice.cpu, StreamOrDevice.device(.cpu))
    let before = Memory.snapshot()
    let big = arange(1 << 20) + 1
    big.eval()
    XCTAssertGreaterThanOrEqual(before.delta(Memory.snapshot()).activeMemory, 4 << 20)
    let limit = Memory.cacheLimit
    Memory.cacheLimit = 1 << 20
    XCTAssertEqual(Memory.cacheLimit, 1 << 20)
    Memory.cacheLimit = limit
    Memory.clearCache()
    XCTAssertEqual(Memory.cacheMemory, 0)
    XCTAssertGreaterThan(GPU.deviceInfo().memorySize, 0)
  }

  func testRandomNumbersFollowTheKey() {
    let key = MLXRandom.key(7)
    let x = MLXRandom.uniform(0..<1, [3], key: key)
    assertEqual(MLXRandom.uniform(0..<1, [3], key: key), x.asArray(Float.self))
    MLXRandom.seed(3)
    let first = normal([4])
    seed(3)
    assertEqual(normal([4]), first.asArray(Float.self))
    let (a, b) = split(key: key)
    XCTAssertNotEqual(a.asArray(UInt32.self), b.asArray(UInt32.self))
    XCTAssertEqual(MLXRandom.split(key: key, into: 3).count, 3)
    let integers = MLXRandom.randInt(0..<10, [100])
    XCTAssertEqual(integers.dtype, .int32)
    XCTAssertLessThan(integers.max().item(Int.self), 10)
    XCTAssertEqual(MLXRandom.permutation(5).asArray(Int.self).sorted(), [0, 1, 2, 3, 4])
    XCTAssertEqual(bernoulli(0.3, [2, 2]).dtype, .bool)
    XCTAssertEqual(categorical(MLXArray.zeros([2, 5])).shape, [2])
    XCTAssertEqual(MLXRandom.categorical(MLXArray.zeros([2, 5]), count: 3).shape, [2, 3])
    XCTAssertEqual(truncatedNormal(-1..<1, [3], type: Float16.self).dtype, .float16)
    let state = MLXRandom.RandomState(seed: 1)
    let inside = withRandomState(state) { uniform(0..<1, [2]) }
    let again = MLXRandom.uniform(0..<1, [2], key: MLXRandom.RandomState(seed: 1))
    assertEqual(inside, again.asArray(Float.self))
  }

  func testPromotionAndKindsOfDtypes() throws {
    XCTAssertEqual(resultType(MLXArray(1 as Int32), MLXArray([1 as Float])), .float32)
    XCTAssertEqual(promoteTypes(.float16, .bfloat16), .float32)
    XCTAssertTrue(canCast(.int32, to: .float32))
    XCTAssertFalse(canCast(MLXArray([1 as Float]), to: .int32))
    XCTAssertTrue(DType.float16.isSubtype(of: .inexact))
    XCTAssertFalse(DType.Category.integer.isSubtype(of: .inexact))
    XCTAssertTrue(DType.Category.integer.isSubtype(of: .number))
    XCTAssertTrue(DType.uint8.isKind("integral"))
    XCTAssertThrowsError(try withError { _ = DType.uint8.isKind("whole") })
    XCTAssertEqual(DType.uint64.iinfo?.max, UInt.max)
    XCTAssertEqual(DType.int16.iinfo?.min, -32768)
    XCTAssertEqual(DType.int16.iinfo?.bits, 16)
    XCTAssertNil(DType.float32.iinfo)
  }

  func testShapesAndPaths() throws {
    XCTAssertEqual(broadcastShapes([2, 1], [3], [4, 1, 1]), [4, 2, 3])
    XCTAssertThrowsError(try withError { _ = broadcastShapes([2], [3]) })
    let (path, text) = einsumPath(
      "ij,jk,kl->il", MLXArray.ones([2, 3]), MLXArray.ones([3, 50]), MLXArray.ones([50, 4]))
    XCTAssertEqual(path.flatMap { $0 }.count, 4)
    XCTAssertFalse(text.isEmpty)
  }

  func testPrintOptions() {
    let text = withPrintOptions(precision: 2) { MLXArray([1.23456 as Float]).description }
    XCTAssertTrue(text.contains("1.23") && !text.contains("1.234"), text)
    XCTAssertEqual(printOptions().precision, -1)
  }

  func testBuffersOfArrays() {
    let x = MLXArray(0..<1024).asType(.float32)
    XCTAssertGreaterThanOrEqual(Memory.bufferSize(of: [x, x[0..<2]]), 4096)
    XCTAssertLessThan(Memory.bufferSize(of: [x, x[0..<2]]), 8192)
    Stream.clearStreams()
  }

  func testAGroupOfOne() throws {
    let group = DistributedGroup()
    XCTAssertEqual(group.rank, 0)
    XCTAssertEqual(group.size, 1)
    let x = MLXArray([1 as Float, 2])
    for result in [
      Distributed.allSum(x), Distributed.allMax(x, group: group), Distributed.allMin(x),
      Distributed.allGather(x), Distributed.sumScatter(x, group: group),
    ] {
      assertEqual(result, [1, 2])
    }
    XCTAssertThrowsError(try withError { _ = group.split(color: 3) })
    XCTAssertThrowsError(try withError { Distributed.send(x, to: 1, group: group).eval() })
    XCTAssertThrowsError(try withError { Distributed.receive(like: x, from: 1).eval() })
    XCTAssertThrowsError(
      try withError { Distributed.receive(shape: [2], dtype: .float32, from: 1).eval() })
    XCTAssertThrowsError(try withError { DistributedGroup(strict: true) })
    XCTAssertFalse(Distributed.isAvailable(backend: "nccl"))
  }

  func testDevices() {
    XCTAssertTrue(Device.cpu.isAvailable)
    XCTAssertGreaterThanOrEqual(Device.count(of: .cpu), 1)
    XCTAssertFalse(CUDA.isAvailable)
  }

  func testFramesOfASignal() {
    let x = sin(MLXArray(0..<512).asType(.float32) * 0.3)
    let frames = MLXFFT.stft(x, nFft: 64, hopLength: 16)
    XCTAssertEqual(frames.shape, [33, 33])
    assertClose(
      MLXFFT.istft(frames, nFft: 64, hopLength: 16), x.asArray(Float.self), tolerance: 1e-4)
    let unit = MLXFFT.stft(x, nFft: 64, hopLength: 16, norm: .ortho)
    assertClose((unit * 8).abs(), frames.abs().asArray(Float.self), tolerance: 1e-4)
  }

  func testNormsOfTransforms() {
    let x = MLXArray([1 as Float, 2, 3, 4], [2, 2])
    assertClose(MLXFFT.fft(x, norm: .forward).abs(), [1.5, 0.5, 3.5, 0.5])
    assertClose(rfft(x, norm: .ortho).abs(), [2.1213203, 0.70710677, 4.9497476, 0.70710677])
    assertClose(fft2(x, norm: .forward).realPart(), [2.5, -0.5, -1, 0])
    assertClose(ifftn(fftn(x, norm: .ortho), norm: .ortho).realPart(), [1, 2, 3, 4])
    assertClose(irfft2(rfft2(x, norm: .forward), norm: .forward), [1, 2, 3, 4])
  }

  func testArraysLikeOthers() {
    let x = MLXArray.zeros([2, 3], dtype: .float16)
    XCTAssertEqual(fullLike(x, MLXArray(7 as Float), dtype: .float16).sum().item(Float.self), 42)
    let all = broadcastArrays([MLXArray([1, 2, 3]), MLXArray([1, 2], [2, 1])])
    XCTAssertEqual(all.map(\.shape), [[2, 3], [2, 3]])
  }
}
