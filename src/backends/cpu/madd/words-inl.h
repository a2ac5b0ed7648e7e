// Codes as words of 16 bits, 32 of them in two registers, in the order that x is prepared in.
#pragma once

#include <immintrin.h>

#include "backends/cpu/kernels/quantized-inl.h"
#include "backends/cpu/quantized_fixed.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

constexpr int64_t kStep = 32;  // codes that are unpacked at once
template <Code c>
inline constexpr int kStepBytes = kStep* bits_of(c) / 8;

// Codes of four bits: the even ones of a step come first.
template <Code c>
inline constexpr bool kPairs = bits_of(c) == 4;

// Where codes do not fill bytes: from 16 bytes, those that each code starts in, then shifts by
// multiplication, so that the code has the highest bits of its word.
template <Code c>
struct Windows {
  alignas(32) uint8_t bytes[2][32];
  alignas(32) uint16_t factors[2][16];
  static constexpr int from[2] = {0, kStepBytes<c> > 16 ? kStepBytes<c> - 16 : 0};
  constexpr Windows() : bytes(), factors() {
    for (int i = 0; i < kStep; ++i) {
      const int at = i * bits_of(c), half = i / 16, byte = at / 8 - from[half];
      bytes[half][i % 16 * 2] = byte;
      bytes[half][i % 16 * 2 + 1] = byte + 1 < 16 ? byte + 1 : 0x80;
      factors[half][i % 16] = 1 << (16 - bits_of(c) - at % 8);
    }
  }
};
template <Code c>
inline constexpr Windows<c> kWindows{};

template <class T>
OLIVINE_INLINE __m256i load_table(const T* from) {
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(from));
}
OLIVINE_INLINE __m128i load_16(const uint8_t* from) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
}

// 16 bytes in both halves, of which those of the step matter; none beyond it is read.
template <Code c, int half>
OLIVINE_INLINE __m256i load_window(const uint8_t* from) {
  if constexpr (kStepBytes<c> >= 16) {
    return _mm256_broadcastsi128_si256(load_16(from + Windows<c>::from[half]));
  } else if constexpr (kStepBytes<c> == 12) {
    int32_t last;
    std::memcpy(&last, from + 8, 4);
    const __m128i first = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(from));
    return _mm256_broadcastsi128_si256(_mm_insert_epi32(first, last, 2));
  } else if constexpr (kStepBytes<c> == 8) {
    long long all;
    std::memcpy(&all, from, 8);
    return _mm256_set1_epi64x(all);
  } else {
    int32_t all;
    std::memcpy(&all, from, 4);
    return _mm256_set1_epi32(all);
  }
}
template <Code c, int half>
OLIVINE_INLINE __m256i window(const uint8_t* from) {
  const auto& t = kWindows<c>;
  const __m256i v = _mm256_shuffle_epi8(load_window<c, half>(from), load_table(t.bytes[half]));
  return _mm256_srli_epi16(_mm256_mullo_epi16(v, load_table(t.factors[half])), 16 - bits_of(c));
}

// A step's codes, e2m1 doubled and moved to where no value is negative.
template <Code c>
OLIVINE_INLINE void unpack_step(const uint8_t* from, __m256i (&v)[2]) {
  if constexpr (c == Code::u8) {
    v[0] = _mm256_cvtepu8_epi16(load_16(from));
    v[1] = _mm256_cvtepu8_epi16(load_16(from + 16));
  } else if constexpr (c == Code::u4) {
    const __m256i bytes = _mm256_cvtepu8_epi16(load_16(from));
    v[0] = _mm256_and_si256(bytes, _mm256_set1_epi16(15));
    v[1] = _mm256_srli_epi16(bytes, 4);
  } else if constexpr (c == Code::e2m1) {
    // The highest bit of a byte makes the table's answer zero.
    const __m256i table = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0));
    const __m256i bytes =
        _mm256_or_si256(_mm256_cvtepu8_epi16(load_16(from)), _mm256_set1_epi16(-0x8000));
    v[0] = _mm256_shuffle_epi8(table, _mm256_and_si256(bytes, _mm256_set1_epi16(-0x7ff1)));
    v[1] = _mm256_shuffle_epi8(table, _mm256_srai_epi16(bytes, 4));
  } else {
    v[0] = window<c, 0>(from);
    v[1] = window<c, 1>(from);
  }
}

}  // namespace
}  // namespace olivine::cpu::OLIVINE_ISA
