// Blocks of 16-bit floats to float and back, rounding to nearest even, exact on every machine.
#pragma once

#include <cstdint>

#include "backends/cpu/half_vector-inl.h"
#include "backends/scalar_ops.h"
#include "olivine/dtype.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

inline constexpr int64_t kHalfBlock = 512;

OLIVINE_OP float half_to_float(bfloat16_t h) {
  return scalar::bits<float>(static_cast<uint32_t>(h.bits) << 16);
}
OLIVINE_OP bfloat16_t float_to_half(bfloat16_t, float x) {
  const uint32_t u = scalar::bits<uint32_t>(x);
  const uint32_t rounded = (u + 0x7fff + ((u >> 16) & 1)) >> 16;
  const uint32_t quiet_nan = (u >> 16) | 0x40;
  return bfloat16_t::from_bits(
      static_cast<uint16_t>((u & 0x7fffffff) > 0x7f800000 ? quiet_nan : rounded));
}

OLIVINE_OP float half_to_float(float16_t h) {
  const uint32_t sign = static_cast<uint32_t>(h.bits & 0x8000) << 16;
  const uint32_t magnitude = h.bits & 0x7fff;
  const uint32_t normal = (magnitude << 13) + (112u << 23);
  const uint32_t special = (magnitude << 13) | 0x7f800000;
  const uint32_t small = scalar::bits<uint32_t>(
      static_cast<float>(static_cast<int32_t>(magnitude)) * 5.9604644775390625e-8f);  // 2^-24
  const uint32_t r = magnitude < 0x400 ? small : magnitude < 0x7c00 ? normal : special;
  // A signalling NaN becomes quiet, as in hardware.
  return scalar::bits<float>(r | sign | (magnitude > 0x7c00 ? 0x400000u : 0u));
}
OLIVINE_OP float16_t float_to_half(float16_t, float x) {
  const uint32_t u = scalar::bits<uint32_t>(x);
  const uint32_t sign = (u >> 16) & 0x8000;
  const uint32_t a = u & 0x7fffffff;
  const uint32_t normal = (a - (112u << 23) + 0xfff + ((a >> 13) & 1)) >> 13;
  // The last bit of 0.5 + x weighs 2^-24, as does that of a subnormal float16.
  const uint32_t small = scalar::bits<uint32_t>(scalar::bits<float>(a) + 0.5f) - 0x3f000000;
  const uint32_t nan = 0x7e00 | ((a >> 13) & 0x3ff);
  uint32_t r = a < 0x38800000 ? small : normal;
  r = a >= 0x477ff000 ? 0x7c00 : r;
  r = a > 0x7f800000 ? nan : r;
  return float16_t::from_bits(static_cast<uint16_t>(r | sign));
}

// Blocks. Never inlined: they are called from as many places as there are loops.
template <class H>
[[gnu::noinline]] void widen(const H* a, float* o, int64_t n) {
  constexpr int64_t lanes = kVectorBytes / 4;
  int64_t i = 0;
#if defined(__SSE2__) && !defined(__AVX2__)
  if constexpr (std::is_same_v<H, float16_t>) {
    for (int64_t end; i + 2 * lanes <= n; i = end) {
      end = i + kHalfBlock < n ? i + kHalfBlock : n / (2 * lanes) * (2 * lanes);
      if (!all_finite(a + i, end - i)) break;
      for (int64_t k = i; k < end; k += 2 * lanes) {
        FloatLanes x, y;
        load_pair(reinterpret_cast<const FiniteFloat16*>(a + k), x, y);
        __builtin_memcpy(o + k, &x, sizeof x);
        __builtin_memcpy(o + k + lanes, &y, sizeof y);
      }
    }
  }
#endif
  for (; i + lanes <= n; i += lanes) {
    const FloatLanes x = load_halves(a + i);
    __builtin_memcpy(o + i, &x, sizeof x);
  }
  for (; i < n; ++i) o[i] = half_to_float(a[i]);
}
// Floats that were computed from 16-bit floats.
template <class H>
[[gnu::noinline]] void narrow(const float* a, H* o, int64_t n) {
  constexpr int64_t lanes = kVectorBytes / 4;
  int64_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    FloatLanes x, y;
    __builtin_memcpy(&x, a + i, sizeof x);
    __builtin_memcpy(&y, a + i + lanes, sizeof y);
    store_halves(o + i, x, y);
  }
  for (; i < n; ++i) o[i] = float_to_half(H{}, a[i]);
}
template <class H>
[[gnu::noinline]] void narrow_any(const float* a, H* o, int64_t n) {
  constexpr int64_t lanes = kVectorBytes / 4;
  int64_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    FloatLanes x, y;
    __builtin_memcpy(&x, a + i, sizeof x);
    __builtin_memcpy(&y, a + i + lanes, sizeof y);
    store_any_halves(o + i, x, y);
  }
  for (; i < n; ++i) o[i] = float_to_half(H{}, a[i]);
}

// ---- Two neighbouring bfloat16 as one word, the second in its upper half: with nothing but 32-bit
// lanes a compiler makes good vectors of a loop that widens, computes and rounds.

using Bfloat16Pair = uint32_t __attribute__((may_alias, aligned(2)));

OLIVINE_OP float low_of(uint32_t pair) { return scalar::bits<float>(pair << 16); }
OLIVINE_OP float high_of(uint32_t pair) { return scalar::bits<float>(pair & 0xffff0000); }

// The upper half is x rounded. For what was computed from bfloat16 only: the lower half of a NaN is
// then zero, and nothing is carried out of it.
OLIVINE_OP uint32_t rounded_computed(float x) {
  const uint32_t u = scalar::bits<uint32_t>(x);
  return u + (((u >> 16) & 1) + 0x7fff);
}
OLIVINE_OP uint32_t rounded_pair(float low, float high) {
  return rounded_computed(low) >> 16 | (rounded_computed(high) & 0xffff0000);
}

}  // namespace
}  // namespace olivine::cpu::OLIVINE_ISA
