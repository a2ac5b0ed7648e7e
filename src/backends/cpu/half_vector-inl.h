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

#if !defined(__AVX2__)
// The floats of which the upper halves are float16; the lower halves are ignored.
OLIVINE_INLINE FloatLanes any_float16(WordLanes upper) {
  // The sign is spread over what the exponent will take; infinities and NaN get the full exponent.
  // The scaling makes subnormals exact, and a signalling NaN quiet, as in hardware.
  using Signed = int32_t __attribute__((vector_size(kVectorBytes)));
  const WordLanes u = (WordLanes)((Signed)upper >> 3) & 0x8fffe000;
  const WordLanes special = (WordLanes)((Signed)(u + u) > 0x1effffff) & 0x70000000;
  return (FloatLanes)(u | special) * 0x1p112f;
}
// Without infinities and NaN.
OLIVINE_INLINE FloatLanes scaled_float16(WordLanes upper) {
  using Signed = int32_t __attribute__((vector_size(kVectorBytes)));
  return (FloatLanes)((WordLanes)((Signed)upper >> 3) & 0x8fffe000);
}
OLIVINE_INLINE FloatLanes finite_float16(WordLanes upper) {
  return scaled_float16(upper) * 0x1p112f;
}
#endif
OLIVINE_INLINE FloatLanes floats_of(float16_t, HalfLanes h) {
#if defined(__AVX512BW__)
  return (FloatLanes)_mm512_maskz_cvtph_ps(0xffff, (__m256i)h);
#elif defined(__AVX2__)
  return (FloatLanes)_mm256_cvtph_ps((__m128i)h);
#else
#if defined(__SSE2__)
  long long bits;
  __builtin_memcpy(&bits, &h, sizeof bits);
  return any_float16((WordLanes)_mm_unpacklo_epi16(_mm_setzero_si128(), _mm_cvtsi64_si128(bits)));
#else
  return any_float16(__builtin_convertvector(h, WordLanes) << 16);
#endif
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

// ---- Finite float16 without a float16's instructions

// A float16 that is read as if it were no infinity and no NaN, which takes fewer steps where the
// machine has no instruction for it. What is stored may be any.
struct FiniteFloat16 {
  uint16_t bits;
};
// The same, as the number times 2^-112, which takes a multiplication less.
struct ScaledFloat16 {
  uint16_t bits;
};
#if defined(__SSE2__) && !defined(__AVX2__)
inline constexpr bool kFiniteFirst = true;

OLIVINE_INLINE FloatLanes floats_of(FiniteFloat16, HalfLanes h) {
  long long bits;
  __builtin_memcpy(&bits, &h, sizeof bits);
  return finite_float16(
      (WordLanes)_mm_unpacklo_epi16(_mm_setzero_si128(), _mm_cvtsi64_si128(bits)));
}
OLIVINE_INLINE FloatLanes floats_of(ScaledFloat16, HalfLanes h) {
  long long bits;
  __builtin_memcpy(&bits, &h, sizeof bits);
  return scaled_float16(
      (WordLanes)_mm_unpacklo_epi16(_mm_setzero_si128(), _mm_cvtsi64_si128(bits)));
}
// Eight elements times 2^-112: the two halves of the floats are made apart.
OLIVINE_INLINE void scaled(__m128i h, FloatLanes& x, FloatLanes& y) {
  const __m128i low = _mm_slli_epi16(h, 13);
  const __m128i high = _mm_and_si128(_mm_srai_epi16(h, 3), _mm_set1_epi16(int16_t(0x8fff)));
  x = (FloatLanes)_mm_unpacklo_epi16(low, high);
  y = (FloatLanes)_mm_unpackhi_epi16(low, high);
}
OLIVINE_INLINE void load_scaled(const ScaledFloat16* p, FloatLanes& x, FloatLanes& y) {
  scaled(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)), x, y);
}
OLIVINE_INLINE void load_pair(const FiniteFloat16* p, FloatLanes& x, FloatLanes& y) {
  scaled(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)), x, y);
  x *= 0x1p112f, y *= 0x1p112f;
}
// Eight float16 without their signs.
OLIVINE_INLINE void scaled_magnitudes(__m128i h, FloatLanes& x, FloatLanes& y) {
  const __m128i low = _mm_slli_epi16(h, 13), high = _mm_srli_epi16(h, 3);
  x = (FloatLanes)_mm_unpacklo_epi16(low, high);
  y = (FloatLanes)_mm_unpackhi_epi16(low, high);
}
// The signs in places of 16 bits: packing saturates a float's bits to one end or the other.
OLIVINE_INLINE __m128i packed_signs(FloatLanes x, FloatLanes y) {
  return _mm_and_si128(_mm_packs_epi32((__m128i)x, (__m128i)y), _mm_set1_epi16(INT16_MIN));
}
// What was computed from finite numbers scaled by 2^-112: there a float16's subnormals end where
// floats' do, so only what is too large is left to care for.
OLIVINE_INLINE void store_scaled(ScaledFloat16* p, FloatLanes x, FloatLanes y) {
  const auto magnitude = [](FloatLanes v) {
    const WordLanes m = (WordLanes)v & 0x7fffffff;
    return (__m128i)((m + 0xfff + ((m >> 13) & 1)) >> 13);
  };
  const __m128i r =
      _mm_min_epi16(_mm_packs_epi32(magnitude(x), magnitude(y)), _mm_set1_epi16(0x7c00));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm_or_si128(r, packed_signs(x, y)));
}
// Whether the eight elements of each vector are finite.
OLIVINE_INLINE bool are_finite(__m128i magnitudes) {
  return _mm_movemask_epi8(_mm_cmpgt_epi16(magnitudes, _mm_set1_epi16(0x7bff))) == 0;
}
[[maybe_unused]] inline bool all_finite(const float16_t* p, int64_t n) {
  const __m128i magnitude = _mm_set1_epi16(0x7fff);
  __m128i most = _mm_setzero_si128();
  int64_t i = 0;
#pragma GCC unroll 4
  for (; i + 8 <= n; i += 8) {
    const __m128i h = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + i));
    most = _mm_max_epi16(most, _mm_and_si128(h, magnitude));
  }
  bool finite = are_finite(most);
  for (; i < n; ++i) finite &= (p[i].bits & 0x7fff) < 0x7c00;
  return finite;
}
#else
inline constexpr bool kFiniteFirst = false;
[[maybe_unused]] inline bool all_finite(const void*, int64_t) { return false; }
#endif

// ---- Split: a stretch of 16-bit floats with its even elements in one vector and the odd ones in
// the next. Words of memory hold neighbours, so that takes no shuffles.

#if defined(__SSE2__) && !defined(__AVX512BW__)
OLIVINE_INLINE void load_even_odd(const bfloat16_t* p, FloatLanes& even, FloatLanes& odd) {
  WordLanes w;
  __builtin_memcpy(&w, p, sizeof w);
  even = (FloatLanes)(w << 16);
  odd = (FloatLanes)(w & 0xffff0000);
}
OLIVINE_INLINE void store_even_odd(bfloat16_t* p, FloatLanes even, FloatLanes odd) {
  const WordLanes low = rounded_to_upper_half(even) >> 16, high = rounded_to_upper_half(odd);
#if defined(__AVX2__)
  const WordLanes w = (WordLanes)_mm256_blend_epi16((__m256i)low, (__m256i)high, 0xaa);
#else
  const WordLanes w = low | (high & 0xffff0000);
#endif
  __builtin_memcpy(p, &w, sizeof w);
}
#endif
#if defined(__SSE2__) && !defined(__AVX2__)
OLIVINE_INLINE void load_even_odd(const ScaledFloat16* p, FloatLanes& even, FloatLanes& odd) {
  WordLanes w;
  __builtin_memcpy(&w, p, sizeof w);
  even = scaled_float16(w << 16);
  odd = scaled_float16(w);
}
#endif

// ---- In memory

template <class H>
OLIVINE_INLINE FloatLanes load_halves(const H* p) {
  HalfLanes h;
  __builtin_memcpy(&h, p, sizeof h);
  return floats_of(H{}, h);
}
#if defined(__AVX2__) && !defined(__AVX512BW__)
// A shuffle that puts each element into the upper half of its place.
template <>
OLIVINE_INLINE FloatLanes load_halves(const bfloat16_t* p) {
  const __m256i both = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i*)p));
  const __m256i places =
      _mm256_setr_epi8(-1, -1, 0, 1, -1, -1, 2, 3, -1, -1, 4, 5, -1, -1, 6, 7,  //
                       -1, -1, 8, 9, -1, -1, 10, 11, -1, -1, 12, 13, -1, -1, 14, 15);
  return (FloatLanes)_mm256_shuffle_epi8(both, places);
}
#endif
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
#if defined(__SSE2__) && !defined(__AVX2__)
// Magnitudes times 2^(15 - bias) as float16, in places of 16 bits: right where they are normal,
// below zero where they are zero.
template <int bias>
OLIVINE_INLINE __m128i normal_float16(FloatLanes x, FloatLanes y) {
  const auto round = [](FloatLanes v) {
    const WordLanes m = (WordLanes)v;
    return _mm_srai_epi32((__m128i)(m + (0xfff - ((bias - 15u) << 23)) + ((m >> 13) & 1)), 13);
  };
  return _mm_packs_epi32(round(x), round(y));
}
// Whether such results are all normal or zero: what lies below 2^-25 is rounded to zero. Positions
// are turned round so that those between have one border.
OLIVINE_INLINE bool normal_or_zero(__m128i r) {
  const __m128i turned = _mm_add_epi16(r, _mm_set1_epi16(0x2800 + INT16_MIN));
  const __m128i tiny = _mm_cmplt_epi16(turned, _mm_set1_epi16(0x2c00 + INT16_MIN));
  const __m128i large = _mm_cmpgt_epi16(r, _mm_set1_epi16(0x7bff));
  return _mm_movemask_epi8(_mm_or_si128(tiny, large)) == 0;
}
#endif
OLIVINE_INLINE void store_halves(float16_t* p, FloatLanes x, FloatLanes y) {
#if defined(__AVX2__)
  store_halves(p, x);
  store_halves(p + kVectorBytes / 4, y);
#elif defined(__SSE2__)
  const __m128i r = normal_float16<127>((FloatLanes)((WordLanes)x & 0x7fffffff),
                                        (FloatLanes)((WordLanes)y & 0x7fffffff));
  if (__builtin_expect(!normal_or_zero(r), 0)) {
    return store_upper_halves(p, float16_in_upper_half(x), float16_in_upper_half(y));
  }
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                   _mm_or_si128(_mm_max_epi16(r, _mm_setzero_si128()), packed_signs(x, y)));
#else
  store_upper_halves(p, float16_in_upper_half(x), float16_in_upper_half(y));
#endif
}
OLIVINE_INLINE void store_any_halves(float16_t* p, FloatLanes x, FloatLanes y) {
  store_halves(p, x, y);
}
#if defined(__SSE2__) && !defined(__AVX2__)
OLIVINE_INLINE void store_halves(FiniteFloat16* p, FloatLanes x, FloatLanes y) {
  store_halves(reinterpret_cast<float16_t*>(p), x, y);
}
#endif

}  // namespace
}  // namespace olivine::cpu::OLIVINE_ISA
