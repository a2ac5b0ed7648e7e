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
  using AllHalves = uint16_t __attribute__((vector_size(kVectorBytes)));
  const auto all = (AllHalves)_mm512_maskz_permutexvar_epi16(0xffffffff, odd, (__m512i)u);
  return __builtin_shufflevector(all, all, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
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

// Stores the upper halves of two vectors, one after the other. (No pair is returned: GCC 12 would
// pass it through memory.)
OLIVINE_INLINE void store_upper_halves(void* p, WordLanes u, WordLanes v) {
#if defined(__AVX512BW__)
  const __m512i odd =
      _mm512_set_epi16(63, 61, 59, 57, 55, 53, 51, 49, 47, 45, 43, 41, 39, 37, 35, 33, 31, 29, 27,
                       25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
  _mm512_storeu_si512(p, _mm512_maskz_permutex2var_epi16(0xffffffff, (__m512i)u, odd, (__m512i)v));
#elif defined(__AVX2__)
  const __m256i mixed =
      _mm256_packus_epi32(_mm256_srli_epi32((__m256i)u, 16), _mm256_srli_epi32((__m256i)v, 16));
  _mm256_storeu_si256(static_cast<__m256i*>(p), _mm256_permute4x64_epi64(mixed, 0xd8));
#elif defined(__SSE2__)
  _mm_storeu_si128(static_cast<__m128i*>(p),
                   _mm_packs_epi32(_mm_srai_epi32((__m128i)u, 16), _mm_srai_epi32((__m128i)v, 16)));
#else
  const HalfLanes first = upper_halves(u), second = upper_halves(v);
  __builtin_memcpy(p, &first, sizeof first);
  __builtin_memcpy(static_cast<char*>(p) + sizeof first, &second, sizeof second);
#endif
}

// ---- bfloat16

// Lanes whose upper halves are x rounded to bfloat16: any x, or one that was computed from 16-bit
// floats. Of such a NaN the lower half is as good as zero, and nothing is carried out of it.
OLIVINE_INLINE WordLanes any_to_upper_half(FloatLanes x) {
  const WordLanes u = (WordLanes)x;
  const WordLanes rounded = u + (((u >> 16) & 1) + 0x7fff);
  return (WordLanes)(x != x) ? u | 0x400000 : rounded;
}
OLIVINE_INLINE WordLanes rounded_to_upper_half(FloatLanes x) {
  const WordLanes u = (WordLanes)x;
#if defined(__AVX512BW__)
  const __m512i up = (__m512i)(u + 0x7fff);
  const __mmask16 odd = _mm512_test_epi32_mask((__m512i)u, _mm512_set1_epi32(0x10000));
  return (WordLanes)_mm512_mask_add_epi32(up, odd, up, _mm512_set1_epi32(1));
#else
  return u + (((u >> 16) & 1) + 0x7fff);
#endif
}

OLIVINE_INLINE FloatLanes floats_of(bfloat16_t, HalfLanes h) {
#if defined(__SSE2__) && !defined(__AVX2__)
  long long bits;
  __builtin_memcpy(&bits, &h, sizeof bits);
  return (FloatLanes)_mm_unpacklo_epi16(_mm_setzero_si128(), _mm_cvtsi64_si128(bits));
#else
  return (FloatLanes)(widen_words(h) << 16);
#endif
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
  // The sign is spread over what the exponent will take; infinities and NaN get the full exponent.
  // The scaling makes subnormals exact, and a signalling NaN quiet, as in hardware.
#if defined(__SSE2__)
  long long bits;
  __builtin_memcpy(&bits, &h, sizeof bits);
  const __m128i upper = _mm_unpacklo_epi16(_mm_setzero_si128(), _mm_cvtsi64_si128(bits));
  const WordLanes spread = (WordLanes)_mm_srai_epi32(upper, 3);
#else
  using IntLanes = int32_t __attribute__((vector_size(kVectorBytes)));
  const WordLanes spread =
      (WordLanes)((IntLanes)(__builtin_convertvector(h, WordLanes) << 16) >> 3);
#endif
  using Signed = int32_t __attribute__((vector_size(kVectorBytes)));
  const WordLanes u = spread & 0x8fffe000;
  const WordLanes special = (WordLanes)((Signed)(u + u) > 0x1effffff) & 0x70000000;
  return (FloatLanes)(u | special) * 0x1p112f;
#endif
}
#if !defined(__AVX2__)
// Lanes whose upper halves are x rounded to float16.
OLIVINE_INLINE WordLanes float16_in_upper_half(FloatLanes x) {
  using Signed = int32_t __attribute__((vector_size(kVectorBytes)));
  const WordLanes u = (WordLanes)x, all = u & 0x7fffffff;
  // From 2^16 on everything is infinite.
#if defined(__SSE2__)
  const FloatLanes magnitude = (FloatLanes)_mm_min_ps((__m128)all, _mm_set1_ps(0x1p16f));
#else
  const FloatLanes magnitude = (FloatLanes)all < 0x1p16f ? (FloatLanes)all : 0x1p16f - FloatLanes{};
#endif
  const WordLanes m = (WordLanes)magnitude;
  const WordLanes normal = (m + (0xfff - 0x38000000) + ((m >> 13) & 1)) >> 13;
  // The last bit of 0.5 + x weighs 2^-24, as does that of a subnormal float16.
  const WordLanes tiny = (WordLanes)(magnitude + 0.5f) - 0x3f000000;
  const WordLanes is_tiny = (WordLanes)((Signed)m < 0x38800000);
  const WordLanes nan = (WordLanes)(x != x) & 0x200;
  const WordLanes r = (tiny & is_tiny) | (normal & ~is_tiny) | nan;
  return (r << 16) | (u & 0x80000000);
}
#endif
OLIVINE_INLINE HalfLanes bits_of(float16_t, FloatLanes x) {
#if defined(__AVX512BW__)
  return (HalfLanes)_mm512_maskz_cvtps_ph(0xffff, (__m512)x, 0);
#elif defined(__AVX2__)
  return (HalfLanes)_mm256_cvtps_ph((__m256)x, 0);
#else
  return upper_halves(float16_in_upper_half(x));
#endif
}

// ---- In memory

template <class H>
OLIVINE_INLINE FloatLanes load_halves(const H* p) {
  HalfLanes h;
  __builtin_memcpy(&h, p, sizeof h);
  return floats_of(H{}, h);
}
// Of lanes that were computed from 16-bit floats.
template <class H>
OLIVINE_INLINE void store_halves(H* p, FloatLanes x) {
  const HalfLanes h = bits_of(H{}, x);
  __builtin_memcpy(p, &h, sizeof h);
}
OLIVINE_INLINE void store_halves(bfloat16_t* p, FloatLanes x, FloatLanes y) {
  store_upper_halves(p, rounded_to_upper_half(x), rounded_to_upper_half(y));
}
OLIVINE_INLINE void store_any_halves(bfloat16_t* p, FloatLanes x, FloatLanes y) {
  store_upper_halves(p, any_to_upper_half(x), any_to_upper_half(y));
}
OLIVINE_INLINE void store_halves(float16_t* p, FloatLanes x, FloatLanes y) {
#if defined(__AVX2__)
  store_halves(p, x);
  store_halves(p + kVectorBytes / 4, y);
#else
  store_upper_halves(p, float16_in_upper_half(x), float16_in_upper_half(y));
#endif
}
OLIVINE_INLINE void store_any_halves(float16_t* p, FloatLanes x, FloatLanes y) {
  store_halves(p, x, y);
}

}  // namespace
}  // namespace olivine::cpu::OLIVINE_ISA
