// The language model of `olivine train-lm`: a GPT-style transformer over characters; and its text.
#pragma once

#include <olivine/nn.h>
#include <olivine/olivine.h>

#include <cmath>
#include <cstdint>
#include <fstream>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace nn = olivine::nn;
using olivine::array;

struct GPTConfig {
  int vocab_size, context = 64, layers = 4, heads = 4, dims = 128;
};

// The keys and values of the tokens that one attention layer has seen so far.
struct KVCache {
  std::optional<array> keys, values;
  int length() const { return keys ? static_cast<int>(keys->shape(-2)) : 0; }
};

// Causal self-attention.
struct Attention : nn::Module {
  int heads;
  nn::Linear qkv, out;

  explicit Attention(const GPTConfig& c)
      : heads(c.heads), qkv(c.dims, 3 * c.dims), out(c.dims, c.dims) {}
  void fields(nn::Fields& f) override { f("qkv", qkv)("out", out); }

  array operator()(const array& x, KVCache* cache) const {
    auto batch = x.shape(0), length = x.shape(1), dims = x.shape(2);
    array all = transpose(reshape(qkv(x), {batch, length, 3 * heads, -1}), {0, 2, 1, 3});
    std::vector<array> parts = split(all, 3, 1);
    array keys = parts[1], values = parts[2];
    if (cache) {
      if (cache->keys) {
        keys = olivine::concatenate({*cache->keys, keys}, -2);
        values = olivine::concatenate({*cache->values, values}, -2);
      }
      cache->keys = keys;
      cache->values = values;
    }
    double scale = 1 / std::sqrt(static_cast<double>(dims / heads));
    // A single new token may look at everything, so it needs no mask.
    array y = olivine::fast::scaled_dot_product_attention(parts[0], keys, values, scale,
                                                          length > 1 ? "causal" : "");
    return out(reshape(transpose(y, {0, 2, 1, 3}), {batch, length, dims}));
  }
};

// Two linear layers around a gelu.
struct MLP : nn::Module {
  nn::Linear up, down;

  explicit MLP(const GPTConfig& c) : up(c.dims, 4 * c.dims), down(4 * c.dims, c.dims) {}
  void fields(nn::Fields& f) override { f("up", up)("down", down); }
  array operator()(const array& x) const { return down(nn::gelu(up(x))); }
};

struct Block : nn::Module {
  nn::LayerNorm norm1;
  Attention attention;
  nn::LayerNorm norm2;
  MLP mlp;

  explicit Block(const GPTConfig& c) : norm1(c.dims), attention(c), norm2(c.dims), mlp(c) {}
  void fields(nn::Fields& f) override {
    f("norm1", norm1)("attention", attention)("norm2", norm2)("mlp", mlp);
  }
  array operator()(const array& given, KVCache* cache) const {
    array x = given + attention(norm1(given), cache);
    return x + mlp(norm2(x));
  }
};

// Token ids (batch, length) to logits (batch, length, vocab_size).
struct GPT : nn::Module {
  GPTConfig config;
  nn::Embedding tokens, positions;
  std::vector<Block> blocks;
  nn::LayerNorm norm;

  explicit GPT(const GPTConfig& c)
      : config(c), tokens(c.vocab_size, c.dims), positions(c.context, c.dims), norm(c.dims) {
    for (int i = 0; i < c.layers; ++i) blocks.emplace_back(c);
    initialize();
  }
  void fields(nn::Fields& f) override {
    f("tokens", tokens)("positions", positions)("blocks", blocks)("norm", norm);
  }

  // Weights as in GPT-2: normal, narrower where a layer writes to the residual stream.
  void initialize() {
    const float std = 0.02f, narrow = static_cast<float>(0.02 / std::sqrt(2.0 * config.layers));
    nn::Tree fresh;
    for (const auto& [name, weight] : parameters()) {
      bool writes = name.ends_with("attention.out.weight") || name.ends_with("mlp.down.weight");
      if (name.ends_with("bias")) {
        fresh.set(name, zeros_like(weight));
      } else if (weight.ndim() == 2) {  // norms start at one
        fresh.set(name, olivine::random::normal(weight.shape(), 0.f, writes ? narrow : std));
      }
    }
    update(fresh);
  }

  // With `caches`, one for each block, these tokens follow those that the caches have seen.
  array operator()(const array& ids, std::vector<KVCache>* caches = nullptr) const {
    int start = caches ? caches->front().length() : 0;
    int end = start + static_cast<int>(ids.shape(1));
    if (end > config.context) {
      throw std::invalid_argument("[GPT] expected at most " + std::to_string(config.context) +
                                  " tokens in all; got " + std::to_string(end));
    }
    array x = tokens(ids) + slice(positions.weight, {start, 0}, {end, config.dims});
    for (size_t i = 0; i < blocks.size(); ++i) x = blocks[i](x, caches ? &(*caches)[i] : nullptr);
    return tokens.as_linear(norm(x));
  }
};

// ---- Text as characters.
// The code points of UTF-8; what is no UTF-8 is an error.
inline std::vector<char32_t> code_points(const std::string& text) {
  std::vector<char32_t> found;
  for (size_t i = 0; i < text.size();) {
    auto byte = static_cast<unsigned char>(text[i]);
    int more = byte < 0x80 ? 0 : byte >= 0xF0 ? 3 : byte >= 0xE0 ? 2 : 1;
    char32_t c = more ? byte & (0x3F >> more) : byte;
    if ((byte & 0xC0) == 0x80 || i + static_cast<size_t>(more) >= text.size()) {
      throw std::invalid_argument("expected UTF-8 text; got another byte at " + std::to_string(i));
    }
    for (int k = 1; k <= more; ++k) {
      c = c << 6 | (static_cast<unsigned char>(text[i + static_cast<size_t>(k)]) & 0x3F);
    }
    found.push_back(c);
    i += 1 + static_cast<size_t>(more);
  }
  return found;
}

inline std::string utf8(char32_t c) {
  if (c < 0x80) return {static_cast<char>(c)};
  std::string text;
  int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  text += static_cast<char>((0xFF00 >> (more + 1) & 0xFF) | c >> 6 * more);
  while (more-- > 0) text += static_cast<char>(0x80 | (c >> 6 * more & 0x3F));
  return text;
}

// One id per character, in the order of the alphabet.
struct Alphabet {
  std::vector<char32_t> characters;

  std::vector<int> encode(const std::string& text) const {
    std::vector<int> ids;
    for (char32_t c : code_points(text)) {
      size_t id = 0;
      while (id < characters.size() && characters[id] != c) ++id;
      if (id == characters.size()) {
        throw std::invalid_argument("the model's text has no character '" + utf8(c) + "'");
      }
      ids.push_back(static_cast<int>(id));
    }
    return ids;
  }
  std::string decode(int id) const { return utf8(characters[static_cast<size_t>(id)]); }
  std::string text() const {
    std::string all;
    for (char32_t c : characters) all += utf8(c);
    return all;
  }
};

inline std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}
