// Codes as unsigned bytes, 64 of them in a register, in the order of the planes of x.
//
// A chunk is what 64 bytes of packed codes hold, or 128 codes of 3 bits, or 64 of 5 or 6. It is
// taken apart into F fields: of codes that divide a byte, field f has the codes f, f + F, f + 2 F
// and so on; of 3 bits, it has every other four.
#pragma once

#include <immintrin.h>

#include <cstring>

#include "backends/cpu/kernels/quantized-inl.h"
#include "backends/cpu/quantized_fixed.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

template <Code c>
inline constexpr int kFields = c == Code::u3         ? 2
                               : 8 % bits_of(c) == 0 ? 8 / bits_of(c)
                                                     : 1;
template <Code c>
inline constexpr int kNeighbours = c == Code::u3 ? 4 : 1;  // codes that stay together in a field
template <Code c>
inline constexpr int kChunk = 64 * kFields<c>;
template <Code c>
inline constexpr int kChunkWords = kChunk<c>* bits_of(c) / 32;

// Adds products of four unsigned bytes with four signed ones to each lane. Not the intrinsic,
// around which g++ 12 copies registers.
OLIVINE_INLINE void add_products(__m512i& sum, __m512i codes, __m512i x) {
  __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(codes), "v"(x));
}

// op over all lanes, in each of them. The intrinsics for it make g++ 12 warn.
template <class F>
OLIVINE_INLINE __m512i fold_words(__m512i v, F op) {
  v = op(v, _mm512_maskz_shuffle_i32x4(0xffff, v, v, 0x4e));
  v = op(v, _mm512_maskz_shuffle_i32x4(0xffff, v, v, 0xb1));
  v = op(v, _mm512_maskz_shuffle_epi32(0xffff, v, _MM_PERM_BADC));
  return op(v, _mm512_maskz_shuffle_epi32(0xffff, v, _MM_PERM_CDAB));
}
// The sums of four, in the first four lanes.
OLIVINE_INLINE __m512 sum_lanes(__m512 a, __m512 b, __m512 c, __m512 d) {
  const __m512 ab = _mm512_maskz_unpacklo_ps(0xffff, a, b) + _mm512_maskz_unpackhi_ps(0xffff, a, b);
  const __m512 cd = _mm512_maskz_unpacklo_ps(0xffff, c, d) + _mm512_maskz_unpackhi_ps(0xffff, c, d);
  __m512 v =
      _mm512_maskz_shuffle_ps(0xffff, ab, cd, 0x44) + _mm512_maskz_shuffle_ps(0xffff, ab, cd, 0xee);
  v += _mm512_maskz_shuffle_f32x4(0xffff, v, v, 0x4e);
  return v + _mm512_maskz_shuffle_f32x4(0xffff, v, v, 0xb1);
}

// What a code counts as: e2m1 is doubled, and moved to where no value is negative.
template <Code c>
inline constexpr int kLargest = c == Code::e2m1 ? 24 : (1 << bits_of(c)) - 1;

// Of codes that do not divide a byte: those of two lanes to each word of 64 bits, then to bytes.
template <Code c>
struct Spread {
  alignas(64) uint8_t bytes[64];
  alignas(64) uint8_t shifts[kFields<c>][64];
  constexpr Spread() : bytes(), shifts() {
    for (int i = 0; i < 64; ++i) {
      const int at = i / 8 * kFields<c> * bits_of(c) + i % 8;
      bytes[i] = at < 64 ? at : 63;
      for (int f = 0; f < kFields<c>; ++f) {
        const int code = (i % 8 / 4 * kFields<c> + f) * 4 + i % 4;
        shifts[f][i] = code * bits_of(c);
      }
    }
  }
};
template <Code c>
inline constexpr Spread<c> kSpread{};

// A chunk, of which `words` lie within the row.
template <Code c, bool whole>
OLIVINE_INLINE __m512i load_chunk(const uint32_t* from, __mmask16 words) {
  __m512i v;
  if constexpr (whole && kChunkWords<c> == 16) {
    v = _mm512_loadu_si512(from);
  } else if constexpr (whole) {
    v = _mm512_maskz_loadu_epi32((1 << kChunkWords<c>)-1, from);
  } else {
    v = _mm512_maskz_loadu_epi32(words, from);
  }
  if constexpr (8 % bits_of(c) != 0) {
    v = _mm512_maskz_permutexvar_epi8(~0ull, _mm512_load_si512(kSpread<c>.bytes), v);
  }
  return v;
}

// What codes of e2m1 count as, in each quarter: whatever lies above a code selects a quarter.
struct E2m1Table {
  alignas(64) uint8_t value[64];
  constexpr E2m1Table() : value() {
    constexpr uint8_t doubled[8] = {0, 1, 2, 3, 4, 6, 8, 12};
    for (int i = 0; i < 64; ++i) value[i] = i & 8 ? 12 - doubled[i & 7] : 12 + doubled[i & 7];
  }
};
inline constexpr E2m1Table kE2m1Table{};

template <Code c, int f>
OLIVINE_INLINE __m512i field(__m512i chunk) {
  constexpr int bits = bits_of(c);
  if constexpr (bits == 8) return chunk;
  if constexpr (8 % bits != 0) {
    chunk =
        _mm512_maskz_multishift_epi64_epi8(~0ull, _mm512_load_si512(kSpread<c>.shifts[f]), chunk);
  } else if constexpr (f > 0) {
    chunk = _mm512_maskz_srli_epi32(0xffff, chunk, f * bits);
  }
  if constexpr (c == Code::e2m1) {
    return _mm512_maskz_permutexvar_epi8(~0ull, chunk, _mm512_load_si512(kE2m1Table.value));
  }
  return _mm512_and_si512(chunk, _mm512_set1_epi8(char((1 << bits) - 1)));
}

// ---- Scales and biases: 16 or fewer from position `at` on, zeros where `some` has none.

OLIVINE_INLINE __m512 load_some(Dtype dtype, const char* from, int64_t at, __mmask16 some) {
  if (dtype == float32) return _mm512_maskz_loadu_ps(some, from + 4 * at);
  const __m256i halves = _mm256_maskz_loadu_epi16(some, from + 2 * at);
  if (dtype == float16) return _mm512_maskz_cvtph_ps(0xffff, halves);
  return (__m512)_mm512_maskz_slli_epi32(0xffff, _mm512_maskz_cvtepu16_epi32(0xffff, halves), 16);
}
// 16 or fewer bytes times the factors of their blocks: of 16 groups, or two of 8.
OLIVINE_INLINE __m512 load_nested(const QuantFormat& f, const char* from, int64_t at,
                                  __mmask16 some) {
  const auto half = [](const char* p) __attribute__((always_inline)) {
    uint16_t v;
    std::memcpy(&v, p, sizeof v);
    return _mm_cvtph_ps(_mm_cvtsi32_si128(v));
  };
  if (f.group_size == 16) {
    const char* block = from + at / 16 * 18;
    const __m128i bytes = _mm_maskz_loadu_epi8(some, block + 2);
    return _mm512_maskz_cvtepi32_ps(some, _mm512_maskz_cvtepi8_epi32(some, bytes)) *
           _mm512_maskz_broadcastss_ps(some, half(block));
  }
  const char *first = from + at / 8 * 10, *second = some > 0xff ? first + 10 : first;
  long long low, high;
  std::memcpy(&low, first + 2, sizeof low);
  std::memcpy(&high, second + 2, sizeof high);
  const __m128i bytes = _mm_set_epi64x(high, low);
  const __m512 factors = _mm512_mask_broadcastss_ps(
      _mm512_maskz_broadcastss_ps(0xffff, half(first)), 0xff00, half(second));
  return _mm512_maskz_cvtepi32_ps(some, _mm512_maskz_cvtepi8_epi32(some, bytes)) * factors;
}
// For byte codes.
template <Code c>
OLIVINE_INLINE __m512 load_scales(const PackedMatrix& m, int64_t at, __mmask16 some) {
  if constexpr (c != Code::e2m1) {
    if (m.format.nested()) return load_nested(m.format, m.scales, at, some);
    return load_some(m.scale_dtype, m.scales, at, some);
  }
  const __m512i codes = _mm512_maskz_cvtepu8_epi32(some, _mm_maskz_loadu_epi8(some, m.scales + at));
  __m512 scales;
  if (m.format.mode == QuantMode::nvfp4) {
    scales = (__m512)e4m3_values((Native<uint32_t>)codes) * _mm512_set1_ps(m.global);
  } else {
    scales = (__m512)_mm512_maskz_slli_epi32(some, codes, 23);
    scales = _mm512_mask_blend_ps(_mm512_mask_testn_epi32_mask(some, codes, codes), scales,
                                  _mm512_set1_ps(0x1p-127F));
  }
  return scales * _mm512_set1_ps(kE2m1Step);
}
// What goes with the sums of x.
template <Code c>
OLIVINE_INLINE __m512 load_biases(const PackedMatrix& m, int64_t at, __mmask16 some,
                                  __m512 scales) {
  if constexpr (c == Code::e2m1) return scales * _mm512_set1_ps(-kE2m1Zero / kE2m1Step);
  if (m.biases == nullptr) return scales * _mm512_set1_ps(float(-m.format.offset()));
  if (m.format.nested()) return load_nested(m.format, m.biases, at, some);
  return load_some(m.scale_dtype, m.biases, at, some);
}
OLIVINE_INLINE __mmask16 first_lanes(int64_t n) {
  return n >= 16 ? 0xffff : __mmask16((1u << n) - 1);
}

template <class T>
OLIVINE_INLINE void store_first_of(void* out, int64_t at, int64_t n, __m512 v) {
  T* to = static_cast<T*>(out) + at;
  if (n >= 16) return store_native(to, (Native<float>)v);
  if constexpr (sizeof(T) == 4) {
    _mm512_mask_storeu_ps(to, first_lanes(n), v);
  } else {
    T lanes[16];
    store_native(lanes, (Native<float>)v);
    _mm256_mask_storeu_epi16(to, first_lanes(n),
                             _mm256_loadu_si256(reinterpret_cast<const __m256i*>(lanes)));
  }
}
// The first n of 16 results.
OLIVINE_INLINE void store_results(Dtype dtype, void* out, int64_t at, int64_t n, __m512 v) {
  switch (dtype.val()) {
    case Dtype::Val::float16:
      return store_first_of<float16_t>(out, at, n, v);
    case Dtype::Val::bfloat16:
      return store_first_of<bfloat16_t>(out, at, n, v);
    default:
      return store_first_of<float>(out, at, n, v);
  }
}

}  // namespace
}  // namespace olivine::cpu::OLIVINE_ISA
