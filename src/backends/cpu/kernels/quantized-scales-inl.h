// Scales and biases of packed rows, as floats; a result as what is stored.
#pragma once

#include "backends/cpu/kernels/quantized-inl.h"
#include "backends/cpu/quantized.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

template <class T>
OLIVINE_INLINE void widen_all(const T* from, int64_t n, float* to) {
  int64_t i = 0;
  for (; i + Wide<float>::lanes <= n; i += Wide<float>::lanes) store(to + i, load<float>(from + i));
  for (; i < n; ++i) to[i] = widen<float>(from[i]);
}
inline void widen_all(Dtype dtype, const void* from, int64_t n, float* to) {
  switch (dtype.val()) {
    case Dtype::Val::float16:
      return widen_all(static_cast<const float16_t*>(from), n, to);
    case Dtype::Val::bfloat16:
      return widen_all(static_cast<const bfloat16_t*>(from), n, to);
    default:
      return widen_all(static_cast<const float*>(from), n, to);
  }
}

// `count` scales of a row from group `first` on.
inline void row_scales(const PackedMatrix& m, int64_t row, int64_t first, int64_t count,
                       float* to) {
  const int64_t at = row * m.row_groups + first;
  if (m.format.mode == QuantMode::affine) {
    return widen_all(m.scale_dtype, m.scales + at * int64_t(m.scale_dtype.size()), count, to);
  }
  const auto* codes = reinterpret_cast<const uint8_t*>(m.scales) + at;
  if (m.format.mode == QuantMode::nvfp4) {
    for (int64_t i = 0; i < count; ++i) to[i] = e4m3_value(codes[i]) * m.global;
  } else {
    for (int64_t i = 0; i < count; ++i) to[i] = e8m0_value(codes[i]);
  }
}
inline void row_biases(const PackedMatrix& m, int64_t row, int64_t first, int64_t count,
                       float* to) {
  const int64_t at = row * m.row_groups + first;
  widen_all(m.scale_dtype, m.biases + at * int64_t(m.scale_dtype.size()), count, to);
}

inline void put(Dtype dtype, void* out, int64_t at, float value) {
  switch (dtype.val()) {
    case Dtype::Val::float16:
      static_cast<float16_t*>(out)[at] = to_float16(value);
      return;
    case Dtype::Val::bfloat16:
      static_cast<bfloat16_t*>(out)[at] = to_bfloat16(value);
      return;
    default:
      static_cast<float*>(out)[at] = value;
  }
}

}  // namespace
}  // namespace olivine::cpu::OLIVINE_ISA
