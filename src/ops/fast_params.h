// Parameters of the fused ops.
#pragma once

#include <tuple>

namespace olivine {

// Inputs: x, then the weight and the bias where present. The `_vjp` ops take the cotangent last.
struct NormParams {
  double eps;
  bool has_weight, has_bias;
  auto fields() const { return std::tie(eps, has_weight, has_bias); }
};

// Inputs: x, the offset (int32, of shape () or one per row of the first axis), then the freqs.
struct RopeParams {
  int dims;
  bool traditional;
  double base;  // unused with freqs
  double scale;
  bool has_freqs;
  bool inverse;  // rotate backwards: the transpose
  auto fields() const { return std::tie(dims, traditional, base, scale, has_freqs, inverse); }
};

// Inputs: q (B, H, Tq, D), k (B, Hkv, Tk, D), v (B, Hkv, Tk, Dv), the mask (bool, or added to the
// scores), the sinks (H). Outputs: o (B, H, Tq, Dv) and the scores' logsumexp (B, H, Tq, 1),
// float32 or wider. `_vjp` takes o, logsumexp and the cotangent of o after these, and gives those
// of q, k, v.
struct AttentionParams {
  double scale;
  bool causal;  // query i sees keys up to i + Tk - Tq
  bool has_mask, has_sinks;
  auto fields() const { return std::tie(scale, causal, has_mask, has_sinks); }
};

// Inputs and outputs: src/ops/fast_delta.cpp.
struct DeltaParams {
  bool has_mask;
  auto fields() const { return std::tie(has_mask); }
};

}  // namespace olivine
