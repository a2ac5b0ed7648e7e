// Layers whose weights are stored in a few bits per element, and the quantization of models.
//
// A packed layer is a Linear or an Embedding whose weight is packed, so that quantize() can pack a
// model in place; its parameters are named as Python's: weight, scales, biases, bias.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "olivine/nn/embedding.h"

namespace olivine::nn {

// input_dims must be a multiple of the group size. All parameters start frozen, the bias at zero.
struct OLIVINE_API QuantizedLinear : Linear {
  QuantizedLinear(int input_dims, int output_dims, bool bias = true, const Quantization& how = {});
  // The packed form of a layer; its bias stays trainable.
  static Linear from_linear(const Linear& linear, const Quantization& how = {});
};

struct OLIVINE_API QuantizedEmbedding : Embedding {
  QuantizedEmbedding(int num_embeddings, int dims, const Quantization& how = {});
  static Embedding from_embedding(const Embedding& embedding, const Quantization& how = {});
};

// Both operands are quantized on the fly. In training the weight is kept in full; eval() stores it
// packed, train() restores it (as bfloat16).
struct OLIVINE_API QQLinear : Linear {
  QQLinear(int input_dims, int output_dims,
           const Quantization& how = {.mode = "nvfp4", .quantize_input = true});
};

// Packs the weights of all Linear and Embedding layers below. `choose` says for each whether, or
// gives settings of its own.
OLIVINE_API void quantize(Module& model, const Quantization& how = {});
OLIVINE_API void quantize(Module& model,
                          const std::function<std::optional<Quantization>(const std::string& path,
                                                                          Module& module)>& choose);

}  // namespace olivine::nn
