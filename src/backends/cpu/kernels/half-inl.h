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

#if defined(__SSE2__) && !defined(__AVX2__)
// ---- Sums, products and quotients of finite float16, without instructions for them

OLIVINE_INLINE __m128i eight(const float16_t* p, bool all) {
  return all ? _mm_set1_epi16(static_cast<int16_t>(p->bits))
             : _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
}

// Eight results of F; of sums on scaled operands, which are as exact. Products and quotients are
// made of magnitudes and rounded where all are normal or zero; else nothing is done.
template <class F>
OLIVINE_INLINE bool finite_eight(__m128i a, __m128i b, float16_t* o) {
  constexpr bool product = std::is_same_v<F, scalar::Multiply>;
  const __m128i sign = _mm_set1_epi16(INT16_MIN);
  FloatLanes u, v, s, t;
  scaled_magnitudes(_mm_andnot_si128(sign, a), u, v);
  scaled_magnitudes(_mm_andnot_si128(sign, b), s, t);
  // The smallest product, 2^-48, is held exactly when scaled by 2^-100. Quotients are not scaled.
  if (product) s *= 0x1p124f, t *= 0x1p124f;
  u = F{}(u, s), v = F{}(v, t);
  if (!product) {  // 0 / 0 has a sign
    u = (FloatLanes)((WordLanes)u & 0x7fffffff);
    v = (FloatLanes)((WordLanes)v & 0x7fffffff);
  }
  constexpr int bias = product ? 27 : 127;
  const __m128i r = normal_float16<bias>(u, v);
  if (__builtin_expect(!normal_or_zero(r), 0)) return false;
  const __m128i signs = _mm_and_si128(_mm_xor_si128(a, b), sign);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(o),
                   _mm_or_si128(_mm_max_epi16(r, _mm_setzero_si128()), signs));
  return true;
}
template <class F>
OLIVINE_INLINE void finite_sums(__m128i a, __m128i b, float16_t* o) {
  FloatLanes u, v, s, t;
  scaled(a, u, v);
  scaled(b, s, t);
  store_scaled(reinterpret_cast<ScaledFloat16*>(o), F{}(u, s), F{}(v, t));
}

// Blocks of finite float16, up to the first that has others; returns where that begins. scalar_a,
// scalar_b: which operand is one element.
template <class F, bool scalar_a, bool scalar_b>
int64_t finite_binary(const float16_t* a, const float16_t* b, float16_t* o, int64_t n) {
  constexpr int64_t block = 256;
  constexpr bool sum = std::is_same_v<F, scalar::Add> || std::is_same_v<F, scalar::Subtract>;
  if ((scalar_a && !all_finite(a, 1)) || (scalar_b && !all_finite(b, 1))) return 0;
  int64_t i = 0;
  for (int64_t end; i + 8 <= n; i = end) {
    end = i + block < n ? i + block : n / 8 * 8;
    if ((!scalar_a && !all_finite(a + i, end - i)) || (!scalar_b && !all_finite(b + i, end - i))) {
      break;
    }
    for (int64_t k = i; k < end; k += 8) {
      const __m128i u = eight(scalar_a ? a : a + k, scalar_a);
      const __m128i v = eight(scalar_b ? b : b + k, scalar_b);
      if constexpr (sum) {
        finite_sums<F>(u, v, o + k);
      } else if (!finite_eight<F>(u, v, o + k)) {
        FloatLanes x[2], y[2];
        scaled(u, x[0], x[1]);
        scaled(v, y[0], y[1]);
        for (int h = 0; h < 2; ++h) x[h] = F{}(x[h] * 0x1p112f, y[h] * 0x1p112f);
        store_halves(o + k, x[0], x[1]);
      }
    }
  }
  return i;
}
#endif

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
