// Positional encodings: rotary (RoPE), sinusoidal and linear-bias (ALiBi).
#pragma once

#include <optional>
#include <string>

#include "olivine/nn/module.h"

namespace olivine::nn {

// Rotates pairs of features by an angle that grows with the position, axis -2 (Su et al., 2021).
// `traditional` pairs neighbours; otherwise feature i is paired with i + dims / 2.
struct OLIVINE_API RoPE : Module {
  int dims;
  bool traditional;
  double base, scale;

  explicit RoPE(int dims, bool traditional = false, double base = 10000, double scale = 1);
  array operator()(const array& x, int offset = 0) const;
  std::string extra_repr() const override;
};

struct SinusoidalOptions {
  double min_freq = 0.0001, max_freq = 1;
  std::optional<double> scale = std::nullopt;  // sqrt(2 / dims)
  bool cos_first = false;
  bool full_turns = false;  // multiplies positions by 2 pi
};
// Sines and cosines of the position at dims / 2 frequencies, evenly spaced in the logarithm
// (Vaswani et al., 2017).
struct OLIVINE_API SinusoidalPositionalEncoding : Module {
  explicit SinusoidalPositionalEncoding(int dims, const SinusoidalOptions& options = {});
  array operator()(const array& x) const;
  // The frequencies are state, but no parameters.
  void fields(Fields& f) override { f("_frequencies", frequencies_); }

 private:
  array frequencies_;
  double scale_;
  bool cos_first_;
};

// Adds to attention scores (batch, heads, queries, keys) a penalty that grows linearly with the
// distance (Press et al., 2022).
struct OLIVINE_API ALiBi : Module {
  // The (1, heads, queries, keys) array of penalties, and each head's slope, (heads, 1, 1).
  static array create_alibi_matrix(int q_sequence_length, int k_sequence_length, int num_heads,
                                   int offset = 0, Dtype dtype = float32);
  static array create_alibi_slope(int num_heads, Dtype dtype = float32);
  array operator()(const array& attention_scores, int offset = 0,
                   const std::optional<array>& mask = std::nullopt) const;
};

}  // namespace olivine::nn
