// Codes as unsigned bytes, 64 of them in a register, in the order of the planes of x.
//
// A chunk is what 64 bytes of packed codes hold, or 64 codes of 3, 5 or 6 bits. Codes that divide a
// byte are taken apart by shifts: field f of a chunk has the codes f, f + F, f + 2 F and so on.
#pragma once

#include <immintrin.h>

#include "backends/cpu/kernels/quantized_scales-inl.h"
#include "backends/cpu/quantized_fixed.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

template <Code c>
inline constexpr int kFields = 8 % bits_of(c) == 0 ? 8 / bits_of(c) : 1;
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
OLIVINE_INLINE __m512 sum_lanes(__m512 v) {
  return (__m512)fold_words((__m512i)v,
                            [](__m512i a, __m512i b) { return (__m512i)((__m512)a + (__m512)b); });
}

// What a code counts as: e2m1 is doubled, and moved to where no value is negative.
template <Code c>
inline constexpr int kLargest = c == Code::e2m1 ? 24 : (1 << bits_of(c)) - 1;
inline constexpr float kE2m1Step = 0.5F, kE2m1Zero = 6;

// Calls f with the code of a format whose codes fit in bytes.
template <class F>
OLIVINE_INLINE void with_byte_code(const QuantFormat& format, F f) {
  with_code(format.mode == QuantMode::affine, format.bits, [&](auto code) {
    if constexpr (decltype(code)::value != Code::e4m3) f(code);
  });
}

template <Code c>
struct Spread {
  alignas(64) uint8_t bytes[64];   // codes 8 i to 8 i + 7 to word i of 64 bits
  alignas(64) uint8_t shifts[64];  // then each code to a byte
  constexpr Spread() : bytes(), shifts() {
    for (int i = 0; i < 64; ++i) {
      const int at = i / 8 * bits_of(c) + i % 8;
      bytes[i] = at < 64 ? at : 63;
      shifts[i] = i % 8 * bits_of(c);
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
    v = _mm512_maskz_multishift_epi64_epi8(~0ull, _mm512_load_si512(kSpread<c>.shifts), v);
  }
  return v;
}

template <Code c, int f>
OLIVINE_INLINE __m512i field(__m512i chunk) {
  constexpr int bits = bits_of(c);
  if constexpr (bits == 8) return chunk;
  if constexpr (f > 0) chunk = _mm512_maskz_srli_epi32(0xffff, chunk, f * bits);
  chunk = _mm512_and_si512(chunk, _mm512_set1_epi8((1 << bits) - 1));
  if constexpr (c == Code::e2m1) {
    const __m128i values = _mm_setr_epi8(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0);
    chunk = _mm512_shuffle_epi8(_mm512_maskz_broadcast_i32x4(0xffff, values), chunk);
  }
  return chunk;
}

// `count` scales of a row as floats for byte codes, and what goes with the sums of x.
template <Code c>
void byte_scales(const PackedMatrix& m, int64_t row, int64_t first, int64_t count, float* scales,
                 float* biases) {
  row_scales(m, row, first, count, scales);
  if constexpr (c == Code::e2m1) {
    for (int64_t g = 0; g < count; ++g) {
      biases[g] = scales[g] * -kE2m1Zero;
      scales[g] *= kE2m1Step;
    }
  } else {
    row_biases(m, row, first, count, biases);
  }
}

template <class T>
OLIVINE_INLINE void store_first_of(void* out, int64_t at, int64_t n, __m512 v) {
  if (n >= 16) return store_native(static_cast<T*>(out) + at, (Native<float>)v);
  T lanes[16];
  store_native(lanes, (Native<float>)v);
  for (int64_t i = 0; i < n; ++i) static_cast<T*>(out)[at + i] = lanes[i];
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
