// Attention and transformers.
#include "olivine/nn/transformer.h"

#include <cmath>

#include "core/error.h"
#include "olivine/fast.h"
#include "olivine/nn/utils.h"
#include "olivine/ops/creation.h"
#include "olivine/ops/shape.h"
#include "olivine/utils.h"
#include "weak.h"

namespace olivine::nn {

static int checked_dims(int dims, int num_heads) {
  if (num_heads < 1 || dims % num_heads) {
    fail("[MultiHeadAttention] expected dims divisible by num_heads; got ", dims, " and ",
         num_heads);
  }
  return dims;
}

MultiHeadAttention::MultiHeadAttention(int dims, int num_heads, const AttentionOptions& o)
    : num_heads(num_heads),
      query_proj(o.query_input_dims.value_or(dims), checked_dims(dims, num_heads), o.bias),
      key_proj(o.key_input_dims.value_or(dims), dims, o.bias),
      value_proj(o.value_input_dims.value_or(o.key_input_dims.value_or(dims)),
                 o.value_dims.value_or(dims), o.bias),
      out_proj(o.value_dims.value_or(dims), o.value_output_dims.value_or(dims), o.bias) {}

void MultiHeadAttention::fields(Fields& f) {
  f("query_proj", query_proj)("key_proj", key_proj)("value_proj", value_proj)("out_proj", out_proj);
}

array MultiHeadAttention::operator()(const array& queries, const array& keys, const array& values,
                                     const std::optional<array>& mask) const {
  // (batch, length, features) as (batch, heads, length, features of a head).
  auto heads = [&](const array& x) {
    return transpose(unflatten(x, -1, {num_heads, -1}), {0, 2, 1, 3});
  };
  array q = heads(query_proj(queries)), k = heads(key_proj(keys)), v = heads(value_proj(values));
  double scale = std::sqrt(1.0 / static_cast<double>(q.shape(-1)));
  array y = fast::scaled_dot_product_attention(q, k, v, scale, "", mask);
  return out_proj(flatten(transpose(y, {0, 2, 1, 3}), -2, -1));
}

array MultiHeadAttention::create_additive_causal_mask(int N, Dtype dtype) {
  array positions = arange(N);
  array future = expand_dims(positions, 1) < expand_dims(positions, 0);
  return astype(future, dtype) * finfo(dtype).min;
}

// ---- Encoder.
TransformerEncoderLayer::TransformerEncoderLayer(int dims, int num_heads,
                                                 const TransformerOptions& o)
    : attention(dims, num_heads),
      ln1(dims),
      ln2(dims),
      linear1(dims, o.mlp_dims.value_or(dims * 4)),
      linear2(o.mlp_dims.value_or(dims * 4), dims),
      dropout1(o.dropout),
      dropout2(o.dropout),
      activation(o.activation),
      norm_first(o.norm_first) {}

void TransformerEncoderLayer::fields(Fields& f) {
  f("attention", attention)("ln1", ln1)("ln2", ln2)("linear1", linear1)("linear2", linear2);
  f("dropout1", dropout1)("dropout2", dropout2);
}

array TransformerEncoderLayer::operator()(const array& given,
                                          const std::optional<array>& mask) const {
  auto mlp = [&](const array& x) { return linear2(dropout2(activation(linear1(x)))); };
  if (norm_first) {
    array y = ln1(given);
    array x = given + dropout1(attention(y, y, y, mask));
    return x + mlp(ln2(x));
  }
  array x = ln1(given + dropout1(attention(given, given, given, mask)));
  return ln2(x + mlp(x));
}

// The layers draw their weights one after the other.
template <class Layer>
static std::vector<Layer> stacked(int count, int dims, int num_heads, const TransformerOptions& o) {
  if (count < 0) fail("[Transformer] expected at least 0 layers; got ", count);
  std::vector<Layer> layers;
  for (int i = 0; i < count; ++i) layers.emplace_back(dims, num_heads, o);
  return layers;
}

TransformerEncoder::TransformerEncoder(int num_layers, int dims, int num_heads,
                                       const TransformerOptions& o)
    : layers(stacked<TransformerEncoderLayer>(num_layers, dims, num_heads, o)),
      ln(dims),
      checkpoint(o.checkpoint) {}

array TransformerEncoder::operator()(const array& given, const std::optional<array>& mask) {
  array x = given;
  for (TransformerEncoderLayer& layer : layers) {
    if (!checkpoint) {
      x = layer(x, mask);
      continue;
    }
    std::vector<array> inputs{x};
    if (mask) inputs.push_back(*mask);
    x = nn::checkpoint(layer, [&layer](const std::vector<array>& in) -> std::vector<array> {
      return {in.size() > 1 ? layer(in[0], in[1]) : layer(in[0])};
    })(inputs)[0];
  }
  return ln(x);
}

// ---- Decoder.
TransformerDecoderLayer::TransformerDecoderLayer(int dims, int num_heads,
                                                 const TransformerOptions& o)
    : self_attention(dims, num_heads),
      cross_attention(dims, num_heads),
      ln1(dims),
      ln2(dims),
      ln3(dims),
      linear1(dims, o.mlp_dims.value_or(dims * 4)),
      linear2(o.mlp_dims.value_or(dims * 4), dims),
      dropout1(o.dropout),
      dropout2(o.dropout),
      dropout3(o.dropout),
      activation(o.activation),
      norm_first(o.norm_first) {}

void TransformerDecoderLayer::fields(Fields& f) {
  f("self_attention", self_attention)("cross_attention", cross_attention);
  f("ln1", ln1)("ln2", ln2)("ln3", ln3)("linear1", linear1)("linear2", linear2);
  f("dropout1", dropout1)("dropout2", dropout2)("dropout3", dropout3);
}

array TransformerDecoderLayer::operator()(const array& given, const array& memory,
                                          const std::optional<array>& x_mask,
                                          const std::optional<array>& memory_mask) const {
  auto mlp = [&](const array& x) { return linear2(dropout3(activation(linear1(x)))); };
  if (norm_first) {
    array y = ln1(given);
    array x = given + dropout1(self_attention(y, y, y, x_mask));
    y = ln2(x);
    x = x + dropout2(cross_attention(y, memory, memory, memory_mask));
    return x + mlp(ln3(x));
  }
  array x = ln1(given + dropout1(self_attention(given, given, given, x_mask)));
  x = ln2(x + dropout2(cross_attention(x, memory, memory, memory_mask)));
  return ln3(x + mlp(x));
}

TransformerDecoder::TransformerDecoder(int num_layers, int dims, int num_heads,
                                       const TransformerOptions& o)
    : layers(stacked<TransformerDecoderLayer>(num_layers, dims, num_heads, o)),
      ln(dims),
      checkpoint(o.checkpoint) {}

array TransformerDecoder::operator()(const array& given, const array& memory,
                                     const std::optional<array>& x_mask,
                                     const std::optional<array>& memory_mask) {
  array x = given;
  for (TransformerDecoderLayer& layer : layers) {
    if (!checkpoint) {
      x = layer(x, memory, x_mask, memory_mask);
      continue;
    }
    bool first = x_mask.has_value(), second = memory_mask.has_value();
    std::vector<array> inputs{x, memory};
    if (first) inputs.push_back(*x_mask);
    if (second) inputs.push_back(*memory_mask);
    x = nn::checkpoint(layer, [&layer, first, second](const std::vector<array>& in) {
      std::optional<array> own, of_memory;
      if (first) own = in[2];
      if (second) of_memory = in.back();
      return std::vector<array>{layer(in[0], in[1], own, of_memory)};
    })(inputs)[0];
  }
  return ln(x);
}

// ---- Both.
Transformer::Transformer(int dims, int num_heads, int num_encoder_layers, int num_decoder_layers,
                         const TransformerOptions& o)
    : encoder(num_encoder_layers, dims, num_heads, o),
      decoder(num_decoder_layers, dims, num_heads, o) {}

array Transformer::operator()(const array& src, const array& tgt,
                              const std::optional<array>& src_mask,
                              const std::optional<array>& tgt_mask,
                              const std::optional<array>& memory_mask) {
  return decoder(tgt, encoder(src, src_mask), tgt_mask, memory_mask);
}

}  // namespace olivine::nn
