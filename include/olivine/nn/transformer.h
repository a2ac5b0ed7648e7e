// Multi-head attention and the encoder-decoder transformer made of it.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "olivine/nn/activations.h"
#include "olivine/nn/dropout.h"
#include "olivine/nn/linear.h"
#include "olivine/nn/normalization.h"

namespace olivine::nn {

struct AttentionOptions {
  std::optional<int> query_input_dims = std::nullopt, key_input_dims = std::nullopt,
                     value_input_dims = std::nullopt, value_dims = std::nullopt,
                     value_output_dims = std::nullopt;
  bool bias = false;
};
// Attention of queries over keys and values, (batch, length, features), in num_heads subspaces. The
// mask is added to the scores (or, if boolean, keeps those where it is true) (Vaswani et al.,
// 2017).
struct OLIVINE_API MultiHeadAttention : Module {
  int num_heads;
  Linear query_proj, key_proj, value_proj, out_proj;

  MultiHeadAttention(int dims, int num_heads, const AttentionOptions& options = {});
  array operator()(const array& queries, const array& keys, const array& values,
                   const std::optional<array>& mask = std::nullopt) const;
  void fields(Fields& f) override;
  // An (N, N) mask: 0 for what a position may see, the lowest finite value for the rest.
  static array create_additive_causal_mask(int N, Dtype dtype = float32);
};

struct TransformerOptions {
  std::optional<int> mlp_dims = std::nullopt;  // 4 dims
  double dropout = 0;
  std::function<array(const array&)> activation = relu;
  bool norm_first = true;
  bool checkpoint = false;  // of each layer of a stack
};

// Self-attention and a two-layer MLP, each with a residual connection and layer norm.
struct OLIVINE_API TransformerEncoderLayer : Module {
  MultiHeadAttention attention;
  LayerNorm ln1, ln2;
  Linear linear1, linear2;
  Dropout dropout1, dropout2;
  std::function<array(const array&)> activation;
  bool norm_first;

  TransformerEncoderLayer(int dims, int num_heads, const TransformerOptions& options = {});
  array operator()(const array& x, const std::optional<array>& mask = std::nullopt) const;
  void fields(Fields& f) override;
};

// A stack of encoder layers and a last layer norm.
struct OLIVINE_API TransformerEncoder : Module {
  std::vector<TransformerEncoderLayer> layers;
  LayerNorm ln;
  bool checkpoint;

  TransformerEncoder(int num_layers, int dims, int num_heads,
                     const TransformerOptions& options = {});
  array operator()(const array& x, const std::optional<array>& mask = std::nullopt);
  void fields(Fields& f) override { f("layers", layers)("ln", ln); }
};

// Self-attention, attention over the encoder's output, and a two-layer MLP.
struct OLIVINE_API TransformerDecoderLayer : Module {
  MultiHeadAttention self_attention, cross_attention;
  LayerNorm ln1, ln2, ln3;
  Linear linear1, linear2;
  Dropout dropout1, dropout2, dropout3;
  std::function<array(const array&)> activation;
  bool norm_first;

  TransformerDecoderLayer(int dims, int num_heads, const TransformerOptions& options = {});
  array operator()(const array& x, const array& memory,
                   const std::optional<array>& x_mask = std::nullopt,
                   const std::optional<array>& memory_mask = std::nullopt) const;
  void fields(Fields& f) override;
};

struct OLIVINE_API TransformerDecoder : Module {
  std::vector<TransformerDecoderLayer> layers;
  LayerNorm ln;
  bool checkpoint;

  TransformerDecoder(int num_layers, int dims, int num_heads,
                     const TransformerOptions& options = {});
  array operator()(const array& x, const array& memory,
                   const std::optional<array>& x_mask = std::nullopt,
                   const std::optional<array>& memory_mask = std::nullopt);
  void fields(Fields& f) override { f("layers", layers)("ln", ln); }
};

// Encoder and decoder together.
struct OLIVINE_API Transformer : Module {
  TransformerEncoder encoder;
  TransformerDecoder decoder;

  explicit Transformer(int dims = 512, int num_heads = 8, int num_encoder_layers = 6,
                       int num_decoder_layers = 6, const TransformerOptions& options = {});
  array operator()(const array& src, const array& tgt,
                   const std::optional<array>& src_mask = std::nullopt,
                   const std::optional<array>& tgt_mask = std::nullopt,
                   const std::optional<array>& memory_mask = std::nullopt);
  void fields(Fields& f) override { f("encoder", encoder)("decoder", decoder); }
};

}  // namespace olivine::nn
