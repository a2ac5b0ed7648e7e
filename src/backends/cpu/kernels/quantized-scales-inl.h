// Scales and biases of packed rows, as floats; a result as what is stored.
#pragma once

#include <cstring>

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

// Bytes [at, at + count) times their factors.
inline void nested_values(const QuantFormat& f, const char* from, int64_t at, int64_t count,
                          float* to) {
  const int64_t groups = f.groups_in_block();
  for (const int64_t end = at + count; at < end;) {
    const char* block = from + at / groups * f.block_bytes();
    uint16_t factor;
    std::memcpy(&factor, block, sizeof factor);
    const float by = widen<float>(float16_t::from_bits(factor));
    const auto* bytes = reinterpret_cast<const int8_t*>(block + sizeof factor);
    const int64_t stop = smaller(end, (at / groups + 1) * groups);
    for (int64_t i = at % groups; at < stop; ++i, ++at) *to++ = by * float(bytes[i]);
  }
}

// `count` scales of a row from group `first` on.
inline void row_scales(const PackedMatrix& m, int64_t row, int64_t first, int64_t count,
                       float* to) {
  const int64_t at = row * m.row_groups + first;
  if (m.format.float_scales()) {
    return widen_all(m.scale_dtype, m.scales + at * int64_t(m.scale_dtype.size()), count, to);
  }
  if (m.format.nested()) return nested_values(m.format, m.scales, at, count, to);
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
  if (m.format.mode == QuantMode::k) return nested_values(m.format, m.biases, at, count, to);
  if (const float offset = float(m.format.offset()); offset > 0) {
    row_scales(m, row, first, count, to);
    for (int64_t i = 0; i < count; ++i) to[i] *= -offset;
    return;
  }
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
