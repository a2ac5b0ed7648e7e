// One vector of 16-bit floats to floats and back, rounding to nearest even; NaN stays NaN.
//
// For kernel files only: everything here has internal linkage, so that no other file can end up
// with instructions of this one's set.
#pragma once

#include <cstdint>

#include "olivine/dtype.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace olivine::cpu::OLIVINE_ISA {
namespace {

#if defined(__AVX512BW__)
inline constexpr int kVectorBytes = 64;
#elif defined(__AVX2__)
inline constexpr int kVectorBytes = 32;
#else
inline constexpr int kVectorBytes = 16;
#endif

#define OLIVINE_INLINE __attribute__((always_inline)) inline

using FloatLanes = float __attribute__((vector_size(kVectorBytes)));
using WordLanes = uint32_t __attribute__((vector_size(kVectorBytes)));
using HalfLanes = uint16_t __attribute__((vector_size(kVectorBytes / 2)));

// GCC 12 makes several instructions of a conversion of lanes, where there is one for it. The masked
// intrinsics differ from the plain ones only in that it does not warn about their unused lanes.
OLIVINE_INLINE WordLanes widen_words(HalfLanes h) {
#if defined(__AVX512BW__)
  return (WordLanes)_mm512_maskz_cvtepu16_epi32(0xffff, (__m256i)h);
#elif defined(__AVX2__)
  return (WordLanes)_mm256_cvtepu16_epi32((__m128i)h);
#else
  return __builtin_convertvector(h, WordLanes);
#endif
}
// The upper halves of the lanes.
OLIVINE_INLINE HalfLanes upper_halves(WordLanes u) {
#if defined(__AVX512BW__)
  const __m512i odd =
      _mm512_set_epi16(63, 61, 59, 57, 55, 53, 51, 49, 47, 45, 43, 41, 39, 37, 35, 33, 31, 29, 27,
                       25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
  const __m512i all = _mm512_maskz_permutexvar_epi16(0xffffffff, odd, (__m512i)u);
  return (HalfLanes)_mm512_castsi512_si256(all);
#elif defined(__AVX2__)
  const __m256i words = _mm256_srli_epi32((__m256i)u, 16);
  const __m256i twice = _mm256_packus_epi32(words, words);
  return (HalfLanes)_mm256_castsi256_si128(_mm256_permute4x64_epi64(twice, 0x08));
#elif defined(__SSE2__)
  const __m128i words = _mm_srai_epi32((__m128i)u, 16);  // packing saturates signed words
  const __m128i twice = _mm_packs_epi32(words, words);
  HalfLanes h;
  __builtin_memcpy(&h, &twice, sizeof h);
  return h;
#else
  return __builtin_convertvector(u >> 16, HalfLanes);
#endif
}

// ---- bfloat16

// Lanes whose upper halves are x rounded to bfloat16.
OLIVINE_INLINE WordLanes rounded_to_upper_half(FloatLanes x) {
  const WordLanes u = (WordLanes)x;
  const WordLanes rounded = u + (((u >> 16) & 1) + 0x7fff);
  return (WordLanes)(x != x) ? u | 0x400000 : rounded;
}

OLIVINE_INLINE FloatLanes floats_of(bfloat16_t, HalfLanes h) {
  return (FloatLanes)(widen_words(h) << 16);
}
OLIVINE_INLINE HalfLanes bits_of(bfloat16_t, FloatLanes x) {
  return upper_halves(rounded_to_upper_half(x));
}

// ---- float16

OLIVINE_INLINE FloatLanes floats_of(float16_t, HalfLanes h) {
#if defined(__AVX512BW__)
  return (FloatLanes)_mm512_maskz_cvtph_ps(0xffff, (__m256i)h);
#elif defined(__AVX2__)
  return (FloatLanes)_mm256_cvtph_ps((__m128i)h);
#else
  // The scaling makes subnormals exact; infinities and NaN get the full exponent back. A signalling
  // NaN becomes quiet, as in hardware.
  const WordLanes u = widen_words(h), magnitude = u & 0x7fff;
  const WordLanes scaled = (WordLanes)((FloatLanes)(magnitude << 13) * 0x1p112f);
  const WordLanes special = (WordLanes)(magnitude >= 0x7c00) & 0x7f800000;
  const WordLanes quiet = (WordLanes)(magnitude > 0x7c00) & 0x400000;
  return (FloatLanes)(scaled | special | quiet | ((u & 0x8000) << 16));
#endif
}
OLIVINE_INLINE HalfLanes bits_of(float16_t, FloatLanes x) {
#if defined(__AVX512BW__)
  return (HalfLanes)_mm512_maskz_cvtps_ph(0xffff, (__m512)x, 0);
#elif defined(__AVX2__)
  return (HalfLanes)_mm256_cvtps_ph((__m256)x, 0);
#else
  const WordLanes u = (WordLanes)x, magnitude = u & 0x7fffffff;
  const WordLanes normal = (magnitude - 0x38000000 + 0xfff + ((magnitude >> 13) & 1)) >> 13;
  // The last bit of 0.5 + x weighs 2^-24, as does that of a subnormal float16.
  const WordLanes tiny = (WordLanes)((FloatLanes)magnitude + 0.5f) - 0x3f000000;
  const WordLanes nan = ((magnitude >> 13) & 0x3ff) | 0x7e00;
  WordLanes r = (WordLanes)(magnitude < 0x38800000) ? tiny : normal;
  r = (WordLanes)(magnitude >= 0x477ff000) ? WordLanes{} + 0x7c00 : r;
  r = (WordLanes)(magnitude > 0x7f800000) ? nan : r;
  return upper_halves((r | ((u >> 16) & 0x8000)) << 16);
#endif
}

// ---- In memory

template <class H>
OLIVINE_INLINE FloatLanes load_halves(const H* p) {
  HalfLanes h;
  __builtin_memcpy(&h, p, sizeof h);
  return floats_of(H{}, h);
}
template <class H>
OLIVINE_INLINE void store_halves(H* p, FloatLanes x) {
  const HalfLanes h = bits_of(H{}, x);
  __builtin_memcpy(p, &h, sizeof h);
}

}  // namespace
}  // namespace olivine::cpu::OLIVINE_ISA
