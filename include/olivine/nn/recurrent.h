// Recurrent layers over sequences of shape (..., length, features). Each returns its state after
// every step; the product with the input is taken for all steps at once.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "olivine/nn/activations.h"

namespace olivine::nn {

// Elman's network: h_t = nonlinearity(Wxh x_t + Whh h_{t-1} + bias). `hidden` is the state before
// the first step, zeros if not given.
struct OLIVINE_API RNN : Module {
  array Wxh, Whh;
  std::optional<array> bias;
  std::function<array(const array&)> nonlinearity;

  RNN(int input_size, int hidden_size, bool bias = true,
      std::function<array(const array&)> nonlinearity = tanh);
  array operator()(const array& x, std::optional<array> hidden = std::nullopt) const;
  void fields(Fields& f) override { f("Wxh", Wxh)("Whh", Whh)("bias", bias); }
  std::string extra_repr() const override;
};

// Gated recurrent unit (Cho et al., 2014), with the reset gate applied after the product: r and z
// are the sigmoids of their parts of Wx x_t + Wh h_{t-1} + b, n = tanh(Wx_n x_t + b_n + r * (Wh_n
// h_{t-1} + bhn)), h_t = (1 - z) * n + z * h_{t-1}. The rows are those of r, z and n.
struct OLIVINE_API GRU : Module {
  array Wx, Wh;
  std::optional<array> b, bhn;

  GRU(int input_size, int hidden_size, bool bias = true);
  array operator()(const array& x, std::optional<array> hidden = std::nullopt) const;
  void fields(Fields& f) override { f("Wx", Wx)("Wh", Wh)("b", b)("bhn", bhn); }
  std::string extra_repr() const override;
};

// Long short-term memory (Hochreiter and Schmidhuber, 1997): i, f, o are the sigmoids and g the
// tanh of their parts, in the order i, f, g, o; c_t = f * c_{t-1} + i * g, h_t = o * tanh(c_t). The
// results are all h and all c.
struct OLIVINE_API LSTM : Module {
  array Wx, Wh;
  std::optional<array> bias;

  LSTM(int input_size, int hidden_size, bool bias = true);
  std::pair<array, array> operator()(const array& x, std::optional<array> hidden = std::nullopt,
                                     std::optional<array> cell = std::nullopt) const;
  void fields(Fields& f) override { f("Wx", Wx)("Wh", Wh)("bias", bias); }
  std::string extra_repr() const override;
};

}  // namespace olivine::nn
