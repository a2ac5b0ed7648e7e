// Recurrent layers over sequences of shape `[..., length, features]`. Each returns its state after
// every step; the product with the input is taken for all steps at once.
import Olivine

private func uniformWeight(_ shape: [Int], hiddenSize: Int) -> NDArray {
  initialWeight(shape, inputs: hiddenSize)
}

private func projected(_ x: NDArray, _ weight: NDArray, _ bias: NDArray?) -> NDArray {
  if let bias { return addMM(bias, x, weight.T) }
  return matmul(x, weight.T)
}

/// The steps of a sequence.
private func steps(_ name: String, _ x: NDArray) -> Range<Int> {
  guard x.ndim >= 2 else {
    report("[\(name)] expected a sequence of shape [..., length, features]; got shape \(x.shape)")
    return 0..<0
  }
  return 0..<x.dim(-2)
}

/// Elman's network: `h_t = nonLinearity(Wxh x_t + Whh h_{t-1} + bias)`, from `[..., L, inputSize]`
/// to `[..., L, hiddenSize]`; `hidden` is the state before the first step, zeros if not given.
open class RNN: Module {
  public let hiddenSize: Int
  public let nonLinearity: (NDArray, StreamOrDevice) -> NDArray
  @ParameterInfo(key: "Wxh") public var wxh: NDArray
  @ParameterInfo(key: "Whh") public var whh: NDArray
  public let bias: NDArray?

  public init(
    inputSize: Int, hiddenSize: Int, bias: Bool = true,
    nonLinearity: @escaping (NDArray, StreamOrDevice) -> NDArray = tanh
  ) {
    self.hiddenSize = hiddenSize
    self.nonLinearity = nonLinearity
    self.bias = bias ? uniformWeight([hiddenSize], hiddenSize: hiddenSize) : nil
    super.init()
    wxh = uniformWeight([hiddenSize, inputSize], hiddenSize: hiddenSize)
    whh = uniformWeight([hiddenSize, hiddenSize], hiddenSize: hiddenSize)
  }

  open override func describeExtra(_ indent: Int) -> String {
    "inputSize=\(wxh.dim(1)), hiddenSize=\(hiddenSize), bias=\(bias != nil)"
  }

  open func callAsFunction(_ x: NDArray, hidden: NDArray? = nil) -> NDArray {
    let x = projected(x, wxh, bias)
    var hidden = hidden
    var states: [NDArray] = []
    for t in steps("RNN", x) {
      let inner = x[.ellipsis, t, 0...]
      let state = nonLinearity(hidden.map { inner + matmul($0, whh.T) } ?? inner, .default)
      states.append(state)
      hidden = state
    }
    return stacked(states, axis: -2)
  }
}

/// Gated recurrent unit. With `r` and `z` the sigmoids of their parts of `Wx x_t + Wh h_{t-1} + b`,
/// and `n = tanh(Wx_n x_t + b_n + r * (Wh_n h_{t-1} + bhn))`, `h_t = (1 - z) * n + z * h_{t-1}`;
/// the rows of the weights are those of r, z and n. Source: Cho et al. (2014), with the reset gate
/// after the product.
open class GRU: Module {
  public let hiddenSize: Int
  @ParameterInfo(key: "Wx") public var wx: NDArray
  @ParameterInfo(key: "Wh") public var wh: NDArray
  public let b: NDArray?
  public let bhn: NDArray?

  public init(inputSize: Int, hiddenSize: Int, bias: Bool = true) {
    self.hiddenSize = hiddenSize
    b = bias ? uniformWeight([3 * hiddenSize], hiddenSize: hiddenSize) : nil
    bhn = bias ? uniformWeight([hiddenSize], hiddenSize: hiddenSize) : nil
    super.init()
    wx = uniformWeight([3 * hiddenSize, inputSize], hiddenSize: hiddenSize)
    wh = uniformWeight([3 * hiddenSize, hiddenSize], hiddenSize: hiddenSize)
  }

  open override func describeExtra(_ indent: Int) -> String {
    "inputSize=\(wx.dim(1)), hiddenSize=\(hiddenSize), bias=\(b != nil)"
  }

  open func callAsFunction(_ x: NDArray, hidden: NDArray? = nil) -> NDArray {
    let x = projected(x, wx, b)
    let size = hiddenSize
    var hidden = hidden
    var states: [NDArray] = []
    for t in steps("GRU", x) {
      var gates = x[.ellipsis, t, ..<(2 * size)]
      var new = x[.ellipsis, t, (2 * size)...]
      var recurrent = bhn
      if let hidden {
        let product = matmul(hidden, wh.T)
        gates = gates + product[.ellipsis, ..<(2 * size)]
        let part = product[.ellipsis, (2 * size)...]
        recurrent = recurrent.map { $0 + part } ?? part
      }
      let (reset, update) = split(sigmoid(gates), axis: -1)
      new = tanh(recurrent.map { new + reset * $0 } ?? new)
      let state = (1 - update) * new
      hidden = hidden.map { state + update * $0 } ?? state
      states.append(hidden ?? state)
    }
    return stacked(states, axis: -2)
  }
}

/// Long short-term memory. With `i, f, o` the sigmoids and `g` the tanh of their parts of
/// `Wx x_t + Wh h_{t-1} + bias`, in the order i, f, g, o: `c_t = f * c_{t-1} + i * g` and
/// `h_t = o * tanh(c_t)`; the results are all `h` and all `c`. Source: Hochreiter and Schmidhuber
/// (1997), with the forget gate of Gers et al. (2000).
open class LSTM: Module {
  public let hiddenSize: Int
  @ParameterInfo(key: "Wx") public var wx: NDArray
  @ParameterInfo(key: "Wh") public var wh: NDArray
  public let bias: NDArray?

  public init(inputSize: Int, hiddenSize: Int, bias: Bool = true) {
    self.hiddenSize = hiddenSize
    self.bias = bias ? uniformWeight([4 * hiddenSize], hiddenSize: hiddenSize) : nil
    super.init()
    wx = uniformWeight([4 * hiddenSize, inputSize], hiddenSize: hiddenSize)
    wh = uniformWeight([4 * hiddenSize, hiddenSize], hiddenSize: hiddenSize)
  }

  open override func describeExtra(_ indent: Int) -> String {
    "inputSize=\(wx.dim(1)), hiddenSize=\(hiddenSize), bias=\(bias != nil)"
  }

  open func callAsFunction(
    _ x: NDArray, hidden: NDArray? = nil, cell: NDArray? = nil
  ) -> (NDArray, NDArray) {
    let x = projected(x, wx, bias)
    var (hidden, cell) = (hidden, cell)
    var (hiddens, cells): ([NDArray], [NDArray]) = ([], [])
    for t in steps("LSTM", x) {
      var gates = x[.ellipsis, t, 0...]
      if let hidden { gates = gates + matmul(hidden, wh.T) }
      let parts = split(gates, parts: 4, axis: -1)
      guard parts.count == 4 else { break }
      let added = sigmoid(parts[0]) * tanh(parts[2])
      let newCell = cell.map { sigmoid(parts[1]) * $0 + added } ?? added
      let newHidden = sigmoid(parts[3]) * tanh(newCell)
      hiddens.append(newHidden)
      cells.append(newCell)
      (hidden, cell) = (newHidden, newCell)
    }
    return (stacked(hiddens, axis: -2), stacked(cells, axis: -2))
  }
}
