// Turns 16 registers of 16 words of 32 bits, for AVX-512.
#pragma once

#include <immintrin.h>

namespace olivine::cpu::OLIVINE_ISA {
namespace {

// The intrinsics without a mask make g++ 12 warn.
__attribute__((always_inline)) inline void transpose_words(__m512i (&v)[16]) {
  __m512i t[16];
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_maskz_unpacklo_epi32(0xffff, v[i], v[i + 1]);
    t[i + 1] = _mm512_maskz_unpackhi_epi32(0xffff, v[i], v[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    v[i] = _mm512_maskz_unpacklo_epi64(0xff, t[i], t[i + 2]);
    v[i + 1] = _mm512_maskz_unpackhi_epi64(0xff, t[i], t[i + 2]);
    v[i + 2] = _mm512_maskz_unpacklo_epi64(0xff, t[i + 1], t[i + 3]);
    v[i + 3] = _mm512_maskz_unpackhi_epi64(0xff, t[i + 1], t[i + 3]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const __m512i a = v[i], b = v[i + 4], c = v[i + 8], d = v[i + 12];
    const __m512i even = _mm512_maskz_shuffle_i32x4(0xffff, a, b, 0x88);
    const __m512i odd = _mm512_maskz_shuffle_i32x4(0xffff, a, b, 0xdd);
    const __m512i even2 = _mm512_maskz_shuffle_i32x4(0xffff, c, d, 0x88);
    const __m512i odd2 = _mm512_maskz_shuffle_i32x4(0xffff, c, d, 0xdd);
    v[i] = _mm512_maskz_shuffle_i32x4(0xffff, even, even2, 0x88);
    v[i + 4] = _mm512_maskz_shuffle_i32x4(0xffff, odd, odd2, 0x88);
    v[i + 8] = _mm512_maskz_shuffle_i32x4(0xffff, even, even2, 0xdd);
    v[i + 12] = _mm512_maskz_shuffle_i32x4(0xffff, odd, odd2, 0xdd);
  }
}

}  // namespace
}  // namespace olivine::cpu::OLIVINE_ISA
