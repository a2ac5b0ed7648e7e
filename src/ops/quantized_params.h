// Parameters of the quantized ops, and the formats that weights are packed in.
//
// A row is cut into groups that share a scale. Codes of `bits` bits follow one another, lowest bits
// first, in 32-bit words; 32 codes fill `bits` words.
//   affine  value = scale * code + bias; scales and biases have the dtype of the weights
//   mxfp4   value = e2m1(code) * 2^(scale - 127), groups of 32
//   mxfp8   value = e4m3(code) * 2^(scale - 127), groups of 32
//   nvfp4   value = e2m1(code) * e4m3(scale), groups of 16; with a global scale g, times g / 2688
//   symmetric    value = scale * (code - 2^(bits - 1)), floating point scales, groups of 32
//   k            value = d * scale * code + e * bias, with scales and biases of a byte, and float16
//   d
//                and e for each 256 values
//   k_symmetric  value = d * scale * (code - 2^(bits - 1))
// The last three hold what files of GGUF do. Scales of k, and its biases, are rows of bytes: for
// each 256 values the float16 factor, then a signed byte for each group. (OCP Microscaling
// Formats 1.0; OCP 8-bit Floating Point 1.0). 2688 = 448 * 6 is the largest value that nvfp4
// reaches, so that g is the largest magnitude to represent.
#pragma once

#include <tuple>

#include "olivine/array.h"

namespace olivine {

enum class QuantMode : uint8_t { affine, mxfp4, mxfp8, nvfp4, symmetric, k, k_symmetric };

inline constexpr int kNestedBlock = 256;  // values that share a factor of scales

inline constexpr float kLargestE2m1 = 6, kLargestE4m3 = 448;
inline constexpr float kLargestNvfp4 = kLargestE2m1 * kLargestE4m3;

struct QuantFormat {
  QuantMode mode = QuantMode::affine;
  int group_size = 64;
  int bits = 4;

  bool affine() const { return mode == QuantMode::affine; }
  // Codes are unsigned integers.
  bool integer() const { return affine() || mode >= QuantMode::symmetric; }
  bool has_biases() const { return affine() || mode == QuantMode::k; }
  // Scales are floats, and the values differentiable in them.
  bool float_scales() const { return affine() || mode == QuantMode::symmetric; }
  // Scales of bytes with factors of their own.
  bool nested() const { return mode >= QuantMode::k; }
  int groups_in_block() const { return kNestedBlock / group_size; }
  int block_bytes() const { return 2 + groups_in_block(); }
  // What is subtracted from codes.
  int offset() const { return integer() && !has_biases() ? 1 << (bits - 1) : 0; }
  // The last axis of scales of `groups` groups, and back.
  int64_t scale_columns(int64_t groups) const {
    return nested() ? groups / groups_in_block() * block_bytes() : groups;
  }
  int64_t groups(int64_t columns) const {
    return nested() ? columns / block_bytes() * groups_in_block() : columns;
  }
  // Words per row of k values, and back.
  int64_t words(int64_t k) const { return k / 32 * bits + k % 32 * bits / 32; }
  int64_t values(int64_t words) const { return words * 32 / bits; }
  auto fields() const { return std::tie(mode, group_size, bits); }
  bool operator==(const QuantFormat& o) const { return fields() == o.fields(); }
};

struct QuantizeParams {
  QuantFormat format;
  bool has_global = false;  // the last input is the global scale
  auto fields() const { return std::tie(format, has_global); }
};

struct DequantizeParams {
  QuantizeParams base;
  Dtype dtype = float32;  // of the result
  auto fields() const { return std::tie(base.format, base.has_global, dtype); }
};

// x @ w^T if `transpose`, else x @ w; w is packed along its last axis.
struct QuantizedMatmulParams {
  QuantFormat format;
  bool transpose = true;
  bool has_global = false;  // one per matrix of w
  auto fields() const { return std::tie(format, transpose, has_global); }
};

}  // namespace olivine
