// Linear layers: affine maps of the last axis, the identity, and the bilinear form.
#pragma once

#include <optional>
#include <string>

#include "olivine/nn/module.h"

namespace olivine::nn {

// Returns its input.
struct OLIVINE_API Identity : Module {
  array operator()(const array& x) const { return x; }
};

// How a weight is packed in a few bits per element; see olivine::quantize for the modes.
struct Quantization {
  std::optional<int> group_size = std::nullopt;  // the mode's own if not given
  std::optional<int> bits = std::nullopt;
  std::string mode = "affine";
  // Activations are quantized as well; of linear layers without bias, in modes nvfp4 and mxfp8.
  bool quantize_input = false;
};

// A weight as it is, or packed: what Linear and Embedding have in common.
struct OLIVINE_API Weighted : Module {
  array weight;
  std::optional<array> scales, biases;  // of a packed weight
  std::optional<Quantization> packing;  // with group_size and bits

  explicit Weighted(array weight) : weight(std::move(weight)) {}
  // Packs the weight and freezes it, as it has no gradient.
  bool quantize_weight(const Quantization& how) override;
  // Elements of a row of the weight.
  int64_t width() const;
  std::string kind() const override;

 protected:
  // x @ weight^T.
  array multiplied(const array& x) const;
  void on_training(bool mode) override;
  std::string packing_repr() const;
  void pack();
};

// x @ weight^T + bias, with a weight of shape (output_dims, input_dims).
struct OLIVINE_API Linear : Weighted {
  std::optional<array> bias;

  Linear(int input_dims, int output_dims, bool bias = true);
  array operator()(const array& x) const;
  void fields(Fields& f) override;
  std::string extra_repr() const override;
  bool quantize_weight(const Quantization& how) override;
};

// y[k] = sum_ij x1[i] weight[k, j, i] x2[j] + bias[k] over the last axes of the inputs.
struct OLIVINE_API Bilinear : Module {
  array weight;
  std::optional<array> bias;

  Bilinear(int input1_dims, int input2_dims, int output_dims, bool bias = true);
  array operator()(const array& x1, const array& x2) const;
  void fields(Fields& f) override;
  std::string extra_repr() const override;
};

}  // namespace olivine::nn
