// Blocks of 16-bit floats to float and back, rounding to nearest even, exact on every machine.
#pragma once

#include <cstdint>

#include "backends/scalar_ops.h"
#include "olivine/dtype.h"

#if defined(__F16C__) || defined(__AVX512BW__)
#include <immintrin.h>
#endif

namespace olivine::cpu::OLIVINE_ISA {
namespace {

inline constexpr int64_t kHalfBlock = 512;

OLIVINE_OP float half_to_float(bfloat16_t h) {
  return scalar::bits<float>(static_cast<uint32_t>(h.bits) << 16);
}
OLIVINE_OP bfloat16_t float_to_bfloat16(float x) {
  const uint32_t u = scalar::bits<uint32_t>(x);
  const uint32_t rounded = (u + 0x7fff + ((u >> 16) & 1)) >> 16;
  const uint32_t quiet_nan = (u >> 16) | 0x40;
  return {static_cast<uint16_t>((u & 0x7fffffff) > 0x7f800000 ? quiet_nan : rounded)};
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
OLIVINE_OP float16_t float_to_float16(float x) {
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
  return {static_cast<uint16_t>(r | sign)};
}

#if defined(__AVX512BW__)
// In GCC's vectors: its intrinsics for the same make it warn about their unused lanes.
using Words = uint32_t __attribute__((vector_size(64)));

// Floats whose upper halves are those of v rounded to bfloat16.
OLIVINE_OP Words rounded_to_upper_half(__m512 v) {
  const Words u = (Words)v;
  const Words rounded = u + (((u >> 16) & 1) + 0x7fff);
  const __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
  return (Words)_mm512_mask_blend_epi32(nan, (__m512i)rounded, (__m512i)(u | 0x400000));
}
OLIVINE_OP __m512i upper_halves(Words low, Words high) {
  const __m512i odd =
      _mm512_set_epi16(63, 61, 59, 57, 55, 53, 51, 49, 47, 45, 43, 41, 39, 37, 35, 33, 31, 29, 27,
                       25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
  return _mm512_maskz_permutex2var_epi16(~0u, (__m512i)low, odd, (__m512i)high);
}
#endif

[[maybe_unused, gnu::noinline]] void widen(const bfloat16_t* a, float* o, int64_t n) {
  int64_t i = 0;
#if defined(__AVX512BW__)
  for (; i + 16 <= n; i += 16) {
    const __m256i h = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(a + i));
    const Words wide = (Words)_mm512_maskz_cvtepu16_epi32(0xffff, h);
    _mm512_storeu_si512(o + i, (__m512i)(wide << 16));
  }
#endif
  for (; i < n; ++i) o[i] = half_to_float(a[i]);
}
[[maybe_unused, gnu::noinline]] void narrow(const float* a, bfloat16_t* o, int64_t n) {
  int64_t i = 0;
#if defined(__AVX512BW__)
  for (; i + 32 <= n; i += 32) {
    const Words low = rounded_to_upper_half(_mm512_loadu_ps(a + i));
    const Words high = rounded_to_upper_half(_mm512_loadu_ps(a + i + 16));
    _mm512_storeu_si512(o + i, upper_halves(low, high));
  }
#endif
  for (; i < n; ++i) o[i] = float_to_bfloat16(a[i]);
}

#if defined(__F16C__)
// Rounding mode 0 is to nearest even. The masked forms differ only in what the compiler thinks of
// the unused lanes.
[[maybe_unused, gnu::noinline]] void widen(const float16_t* a, float* o, int64_t n) {
  int64_t i = 0;
#if defined(__AVX512F__)
  for (; i + 16 <= n; i += 16) {
    const __m256i h = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(a + i));
    _mm512_storeu_ps(o + i, _mm512_maskz_cvtph_ps(0xffff, h));
  }
#endif
  for (; i + 8 <= n; i += 8) {
    const __m128i h = _mm_loadu_si128(reinterpret_cast<const __m128i*>(a + i));
    _mm256_storeu_ps(o + i, _mm256_cvtph_ps(h));
  }
  for (; i < n; ++i) o[i] = _cvtsh_ss(a[i].bits);
}
[[maybe_unused, gnu::noinline]] void narrow(const float* a, float16_t* o, int64_t n) {
  int64_t i = 0;
#if defined(__AVX512F__)
  for (; i + 16 <= n; i += 16) {
    const __m256i h = _mm512_maskz_cvtps_ph(0xffff, _mm512_loadu_ps(a + i), 0);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(o + i), h);
  }
#endif
  for (; i + 8 <= n; i += 8) {
    const __m128i h = _mm256_cvtps_ph(_mm256_loadu_ps(a + i), 0);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(o + i), h);
  }
  for (; i < n; ++i) o[i].bits = _cvtss_sh(a[i], 0);
}
#else
[[maybe_unused, gnu::noinline]] void widen(const float16_t* a, float* o, int64_t n) {
  for (int64_t i = 0; i < n; ++i) o[i] = half_to_float(a[i]);
}
[[maybe_unused, gnu::noinline]] void narrow(const float* a, float16_t* o, int64_t n) {
  for (int64_t i = 0; i < n; ++i) o[i] = float_to_float16(a[i]);
}
#endif

}  // namespace
}  // namespace olivine::cpu::OLIVINE_ISA
