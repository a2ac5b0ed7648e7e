// Layers against Python's numbers: names of parameters, outputs and gradients.
import Foundation
import Olivine
import OlivineNN
import XCTest

final class LayerTests: XCTestCase {
  private var fixtures: Fixtures!

  override func setUpWithError() throws { fixtures = try Fixtures() }

  private func check(_ name: String, _ layer: UnaryLayer, train: Bool = false) throws {
    try assertLayer(fixtures, name, layer, train: train)
  }

  func testActivations() throws {
    try check("Sigmoid", Sigmoid())
    try check("Mish", Mish())
    try check("ReLU", ReLU())
    try check("LeakyReLU", LeakyReLU(negativeSlope: 0.2))
    try check("ReLU6", ReLU6())
    try check("ReLUSquared", ReLUSquared())
    try check("Softmax", Softmax())
    try check("Softmin", Softmin())
    try check("Softplus", Softplus())
    try check("Softsign", Softsign())
    try check("Softshrink", Softshrink(lambda: 0.3))
    try check("ELU", ELU(alpha: 0.7))
    try check("CELU", CELU(alpha: 0.7))
    try check("SiLU", SiLU())
    try check("LogSoftmax", LogSoftmax())
    try check("LogSigmoid", LogSigmoid())
    try check("PReLU", PReLU(count: 4))
    try check("GELU", GELU())
    try check("GELUPrecise", GELU(approximation: .precise))
    try check("GELUPrecise", GELU(approximation: .tanh))
    try check("GELUFast", GELU(approximation: .fast))
    try check("Tanh", Tanh())
    try check("HardSwish", HardSwish())
    try check("HardTanh", HardTanh())
    try check("HardShrink", HardShrink(lambda: 0.3))
    try check("SELU", SELU())
    try check("GLU", GLU())
    XCTAssertEqual(Step()(MLXArray([-1, 0, 2] as [Float])).asArray(Int32.self), [0, 1, 1])
  }

  func testSixteenBitsAreRoundedOnce() {
    let x = MLXArray([0.3, -1.7, 4.1] as [Float]).asType(.bfloat16)
    let exact = gelu(x.asType(.float32)).asType(.bfloat16)
    XCTAssertEqual(gelu(x).dtype, .bfloat16)
    assertClose(gelu(x), exact, "gelu", tolerance: 0)
  }

  func testLinear() throws {
    try check("Linear", Linear(4, 3))
    try check("LinearNoBias", Linear(inputDimensions: 4, outputDimensions: 3, bias: false))
    try check("Embedding", Embedding(embeddingCount: 6, dimensions: 4))
    try check(
      "Sequential",
      Sequential {
        Linear(4, 5)
        ReLU()
        Linear(5, 2)
      })
    let bilinear = Bilinear(4, 5, 3)
    try assertLayer(fixtures, "Bilinear", bilinear) { [bilinear($0[0], $0[1])] }
  }

  func testConvolutions() throws {
    try check(
      "Conv1d",
      Conv1d(inputChannels: 4, outputChannels: 6, kernelSize: 3, stride: 2, padding: 1, groups: 2))
    try check(
      "Conv2d",
      Conv2d(inputChannels: 4, outputChannels: 3, kernelSize: [3, 2], stride: [2, 1], padding: 1))
    try check("Conv3d", Conv3d(inputChannels: 2, outputChannels: 3, kernelSize: 2))
    try check(
      "ConvTransposed1d",
      ConvTransposed1d(
        inputChannels: 4, outputChannels: 3, kernelSize: 3, stride: 2, padding: 1, outputPadding: 1)
    )
    try check(
      "ConvTransposed2d",
      ConvTransposed2d(inputChannels: 4, outputChannels: 3, kernelSize: 3, stride: 2))
    try check(
      "ConvTransposed3d", ConvTransposed3d(inputChannels: 2, outputChannels: 3, kernelSize: 2))
  }

  func testNormalizations() throws {
    try check("InstanceNorm", InstanceNorm(dimensions: 4, affine: true))
    try check("LayerNorm", LayerNorm(dimensions: 4))
    try check("LayerNormPlain", LayerNorm(dimensions: 4, affine: false))
    try check("RMSNorm", RMSNorm(dimensions: 4))
    try check("GroupNorm", GroupNorm(groupCount: 2, dimensions: 4))
    try check("GroupNormPytorch", GroupNorm(groupCount: 2, dimensions: 4, pytorchCompatible: true))
    try check("BatchNorm", BatchNorm(featureCount: 4))
    try check("BatchNormTraining", BatchNorm(featureCount: 4), train: true)
  }

  func testRunningStatisticsFollowTheBatches() throws {
    let norm = BatchNorm(featureCount: 1, momentum: 0.5)
    _ = norm(MLXArray([1, 3] as [Float], [2, 1]))
    let parameters = norm.parameters()
    assertClose(parameters[unwrapping: "running_mean"], MLXArray([1 as Float]), "mean")
    // Half of 1 and half of the unbiased variance, 2.
    assertClose(parameters[unwrapping: "running_var"], MLXArray([1.5 as Float]), "variance")
    norm.freeze()
    norm.unfreeze()
    XCTAssertEqual(norm.trainableParameters().flattened().map { $0.0 }, ["bias", "weight"])
  }

  func testRunningStatisticsInCompiledTraining() {
    let x = MLXRandom.normal([16, 3]) + 2
    let norm = BatchNorm(featureCount: 3)
    let lossAndGradients = valueAndGrad(model: norm) {
      (norm: BatchNorm, x: MLXArray, _: MLXArray) in
      sum(norm(x) * x)
    }
    let step = compile(inputs: [norm], outputs: [norm]) { (x: MLXArray) in
      lossAndGradients(norm, x, x).0
    }
    for _ in 0..<3 { eval(step(x), norm) }
    let expected = (1 - Float(0.9 * 0.9 * 0.9)) * mean(x, axis: 0)
    assertClose(norm.parameters()[unwrapping: "running_mean"], expected, "mean after 3 steps")
    _ = lossAndGradients(norm, x, x)
    let more = 0.9 * expected + 0.1 * mean(x, axis: 0)
    assertClose(norm.parameters()[unwrapping: "running_mean"], more, "mean after 4 steps")
  }

  func testPooling() throws {
    try check("MaxPool1d", MaxPool1d(kernelSize: 3, stride: 2, padding: 1))
    try check("MaxPool2d", MaxPool2d(kernelSize: [3, 2], stride: [3, 2]))
    try check("MaxPool3d", MaxPool3d(kernelSize: 2, stride: 1))
    try check("AvgPool1d", AvgPool1d(kernelSize: 2, stride: 2))
    try check("AvgPool2d", AvgPool2d(kernelSize: 2, stride: 1, padding: 1))
    try check("AvgPool3d", AvgPool3d(kernelSize: 2, stride: 2))
  }

  func testPositions() throws {
    try check("RoPE", RoPE(dimensions: 4))
    try check("RoPETraditional", RoPE(dimensions: 4, traditional: true, base: 100, scale: 0.5))
    try check("SinusoidalPositionalEncoding", SinusoidalPositionalEncoding(dimensions: 8))
    let alibi = ALiBi()
    try assertLayer(fixtures, "ALiBi", alibi) { [alibi(attentionScores: $0[0])] }
    let rope = RoPE(dimensions: 4)
    let x = fixtures.listed("RoPE", "input")[0]
    assertClose(rope(x, offset: MLXArray(3)), rope(x, offset: 3), "offset")
  }

  func testRecurrent() throws {
    let rnn = RNN(inputSize: 4, hiddenSize: 3)
    try assertLayer(fixtures, "RNN", rnn) { [rnn($0[0])] }
    let gru = GRU(inputSize: 4, hiddenSize: 3)
    try assertLayer(fixtures, "GRU", gru) { [gru($0[0])] }
    let plain = GRU(inputSize: 4, hiddenSize: 3, bias: false)
    try assertLayer(fixtures, "GRUNoBias", plain) { [plain($0[0])] }
    let lstm = LSTM(inputSize: 4, hiddenSize: 3)
    try assertLayer(fixtures, "LSTM", lstm) {
      let (hidden, cell) = lstm($0[0])
      return [hidden, cell]
    }
  }

  func testASequenceInTwoParts() {
    let lstm = LSTM(inputSize: 4, hiddenSize: 3)
    let x = MLXRandom.normal([2, 6, 4])
    let (whole, _) = lstm(x)
    let (first, cells) = lstm(x[0..., ..<4])
    let (second, _) = lstm(
      x[0..., 4...], hidden: first[0..., -1], cell: cells[0..., -1])
    assertClose(concatenated([first, second], axis: 1), whole, "LSTM in parts")
  }

  func testTransformers() throws {
    let attention = MultiHeadAttention(dimensions: 8, numHeads: 2, bias: true)
    try assertLayer(fixtures, "MultiHeadAttention", attention) {
      [attention($0[0], keys: $0[1], values: $0[2], mask: $0[3])]
    }
    assertClose(
      MultiHeadAttention.createAdditiveCausalMask(3),
      fixtures.listed("MultiHeadAttention", "input")[3],
      "mask", tolerance: 0)
    for (name, first) in [("Transformer", false), ("TransformerNormFirst", true)] {
      let model = Transformer(
        dimensions: 8, numHeads: 2, encoderLayerCount: 2, decoderLayerCount: 1, mlpDimensions: 12,
        normFirst: first)
      try assertLayer(fixtures, name, model) {
        [
          model(
            source: $0[0], target: $0[1], sourceMask: $0[2], targetMask: $0[3], memoryMask: $0[4])
        ]
      }
    }
  }

  func testUpsample() throws {
    try check("UpsampleNearest", Upsample(scaleFactor: 2.0))
    try check("UpsampleNearestPart", Upsample(scaleFactor: [1.5, 0.6]))
    try check("UpsampleLinear", Upsample(scaleFactor: 1.5, mode: .linear()))
    try check(
      "UpsampleLinearCorners", Upsample(scaleFactor: 2.0, mode: .linear(alignCorners: true)))
    try check("UpsampleCubic", Upsample(scaleFactor: [2.0, 1.4], mode: .cubic()))
  }

  func testQuantized() throws {
    for (name, bits, mode) in [("Affine", 4, QuantizationMode.affine), ("Mxfp8", 8, .mxfp8)] {
      let linear = QuantizedLinear(64, 8, groupSize: 32, bits: bits, mode: mode)
      try check("QuantizedLinear\(name)", linear)
      XCTAssertEqual(linear.shape.1, 64)
      XCTAssertTrue(linear.trainableParameters().flattened().isEmpty)
      let table = QuantizedEmbedding(
        embeddingCount: 5, dimensions: 64, groupSize: 32, bits: bits, mode: mode)
      try check("QuantizedEmbedding\(name)", table)
    }
  }

  func testGlobalScale() {
    let weight = MLXRandom.normal([4, 32])
    let scale = max(abs(weight))
    let linear = QuantizedLinear(
      weight: weight, bias: nil, groupSize: 16, bits: 4, mode: .nvfp4, globalScale: scale)
    let whole = dequantized(
      linear.weight, scales: linear.scales, biases: nil, groupSize: 16, bits: 4, mode: .nvfp4,
      globalScale: scale, dtype: .float32)
    let x = MLXRandom.normal([2, 32])
    assertClose(linear(x), matmul(x, whole.T), "nvfp4", tolerance: 1e-4)
  }

  func testDropout() {
    let x = MLXArray.ones([100, 100])
    let dropout = Dropout(p: 0.25)
    let y = dropout(x)
    XCTAssertEqual(mean(y).item(Float.self), 1, accuracy: 0.05)
    XCTAssertEqual(Set(y.asArray(Float.self)).sorted(), [0, Float(1 / 0.75)])
    dropout.train(false)
    assertClose(dropout(x), x, "evaluation", tolerance: 0)
    let channels = Dropout2d(p: 0.5)(MLXArray.ones([4, 3, 3, 8]))
    assertClose(channels.max(axes: [1, 2]), channels.min(axes: [1, 2]), "channels", tolerance: 0)
    let volume = Dropout3d(p: 0.5)(MLXArray.ones([2, 2, 3, 3, 8]))
    assertClose(volume.max(axes: [1, 2, 3]), volume.min(axes: [1, 2, 3]), "volumes", tolerance: 0)
  }

  func testErrorsNameWhatWasExpected() {
    for (expected, body) in [
      (
        "[BatchNorm] expected 2 to 4 dimensions",
        { _ = BatchNorm(featureCount: 2)(MLXArray(1 as Float)) }
      ),
      ("[Dropout] expected 0 <= p < 1", { _ = Dropout(p: 1.5) }),
      (
        "[MaxPool2d] expected 4 dimensions",
        { _ = MaxPool2d(kernelSize: 2, stride: 2)(.zeros([2, 2])) }
      ),
      ("[Upsample] expected scaleFactor > 0", { _ = Upsample(scaleFactor: -1.0) }),
      ("[RNN] expected a sequence", { _ = RNN(inputSize: 2, hiddenSize: 2)(.zeros([2])) }),
      (
        "[Conv1d] expected inputChannels divisible by groups",
        {
          _ = Conv1d(inputChannels: 3, outputChannels: 2, kernelSize: 1, groups: 2)
        }
      ),
    ] as [(String, () -> Void)] {
      XCTAssertThrowsError(try withError { body() }) { error in
        XCTAssertTrue(error.localizedDescription.hasPrefix(expected), error.localizedDescription)
      }
    }
  }
}
