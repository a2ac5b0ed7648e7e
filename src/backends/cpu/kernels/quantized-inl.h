// Unpacking codes in registers: sixteen codes become sixteen floats, one 64-byte Wide.
//
// Codes lie in 32-bit words, lowest bits first; a block of 32 codes fills `bits` words, and a half
// of it is unpacked at a time. Codes of up to four bits select from a table in a register where the
// instruction set can.
#pragma once

#include "backends/cpu/vec-math-inl.h"
#include "ops/quantized_params.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

// Unsigned integers of 1 to 8 bits, and floats.
enum class Code { u1 = 1, u2, u3, u4, u5, u6, u8 = 8, e2m1, e4m3 };

constexpr int bits_of(Code c) { return c == Code::e2m1 ? 4 : c == Code::e4m3 ? 8 : int(c); }

// Calls f(constant) for the code of a format.
template <Code c>
struct CodeConstant {
  static constexpr Code value = c;
};
template <class F>
OLIVINE_INLINE void with_code(bool integer, int bits, F f) {
  if (!integer) return bits == 4 ? f(CodeConstant<Code::e2m1>{}) : f(CodeConstant<Code::e4m3>{});
  switch (bits) {
    case 1:
      return f(CodeConstant<Code::u1>{});
    case 2:
      return f(CodeConstant<Code::u2>{});
    case 3:
      return f(CodeConstant<Code::u3>{});
    case 4:
      return f(CodeConstant<Code::u4>{});
    case 5:
      return f(CodeConstant<Code::u5>{});
    case 6:
      return f(CodeConstant<Code::u6>{});
    default:
      return f(CodeConstant<Code::u8>{});
  }
}

// Calls f with the code of a format whose codes fit in bytes.
template <class F>
OLIVINE_INLINE void with_byte_code(const QuantFormat& format, F f) {
  with_code(format.integer(), format.bits, [&](auto code) {
    if constexpr (decltype(code)::value != Code::e4m3) f(code);
  });
}

// Values of e2m1 doubled and moved to where none is negative; what that makes of a value.
inline constexpr float kE2m1Step = 0.5F, kE2m1Zero = 6;

// ---- Values of codes.

OLIVINE_INLINE float e2m1_value(uint32_t code) {
  constexpr float magnitudes[8] = {0, 0.5F, 1, 1.5F, 2, 3, 4, 6};
  const float v = magnitudes[code & 7];
  return code & 8 ? -v : v;
}
// From codes in the low bits, sign-extended or not: moved to where a float has exponent and
// mantissa, too small by 2^120, subnormals included.
OLIVINE_INLINE Native<float> e4m3_values(Native<uint32_t> code) {
  Native<uint32_t> v = code << 20;
  v = (v & 0x07f00000u) | ((code << 24) & 0x80000000u);
  const Native<uint32_t> size = v & 0x7fffffffu;
  const Native<float> r = (Native<float>)v * 0x1p120F;
  return size == 0x07f00000u ? all_lanes<float>(__builtin_nanf("")) : r;
}
OLIVINE_INLINE float e4m3_value(uint32_t code) {
  const uint32_t size = code & 0x7f;
  const float v = __builtin_bit_cast(float, (size << 20) + (120u << 23));
  const float r = size == 0x7f ? __builtin_nanf("") : size < 8 ? v + v - 0x1p-6F : v;
  return code & 0x80 ? -r : r;
}
OLIVINE_INLINE float e8m0_value(uint32_t code) {
  return __builtin_bit_cast(float, code == 0 ? 0x00400000u : code << 23);
}

template <Code c>
OLIVINE_INLINE float code_value(uint32_t code) {
  return c == Code::e2m1 ? e2m1_value(code) : c == Code::e4m3 ? e4m3_value(code) : float(code);
}

// One code, whatever the instruction set: the reference, and the plain one's way.
template <Code c>
OLIVINE_INLINE float unpack_one(const uint32_t* words, int64_t i) {
  constexpr int bits = bits_of(c);
  const int64_t at = i * bits;
  uint32_t v = words[at / 32] >> (at % 32);
  if (at % 32 + bits > 32) v |= words[at / 32 + 1] << (32 - at % 32);
  return code_value<c>(v & ((1u << bits) - 1));
}

// ---- Sixteen codes.

#if defined(__AVX512BW__)

template <Code c>
struct Tables {
  alignas(64) float value[16];
  alignas(64) uint32_t low[2][16], high[2][16], down[2][16], up[2][16];
  constexpr Tables() : value(), low(), high(), down(), up() {
    constexpr int bits = bits_of(c);
    constexpr float magnitudes[8] = {0, 0.5F, 1, 1.5F, 2, 3, 4, 6};
    for (int i = 0; i < 16; ++i) {
      value[i] = c == Code::e2m1 ? (i < 8 ? magnitudes[i] : -magnitudes[i - 8])
                                 : float(i & ((1 << bits) - 1));
      for (int half = 0; half < 2; ++half) {
        const int at = (16 * half + i) * bits;
        low[half][i] = at / 32;
        high[half][i] = at / 32 + 1 < bits ? at / 32 + 1 : bits - 1;
        down[half][i] = at % 32;
        // Where no bits come from the next word, those that do lie above the code.
        up[half][i] = at % 32 == 0 ? 31 : 32 - at % 32;
      }
    }
  }
};
template <Code c>
inline constexpr Tables<c> kTables{};

// Whether codes of one word may alternate with those of the next: then no lane has to cross.
template <Code c>
inline constexpr bool kAlternates = bits_of(c) == 4;

template <Code c, int half, bool natural>
OLIVINE_INLINE Wide<float> unpack(const uint32_t* block) {
  using U = Native<uint32_t>;
  constexpr int bits = bits_of(c);
  const auto& t = kTables<c>;
  const auto table = [](const uint32_t* p) { return load_native<uint32_t>(p); };
  // The masked forms: g++ 12 warns about the plain ones' undefined source registers.
  const auto select = [&](const uint32_t* lanes, __m512i words) {
    return (U)_mm512_maskz_permutexvar_epi32(0xffff, (__m512i)table(lanes), words);
  };
  U v;
  if constexpr (bits == 8) {
    v = (U)_mm512_maskz_cvtepu8_epi32(
        0xffff, _mm_loadu_si128(reinterpret_cast<const __m128i*>(block + 4 * half)));
  } else if constexpr (bits <= 2) {
    v = all_lanes<uint32_t>(block[bits == 2 ? half : 0]) >> table(t.down[bits == 2 ? 0 : half]);
  } else if constexpr (bits == 4 && !natural) {
    int64_t pair;
    std::memcpy(&pair, block + 2 * half, sizeof pair);
    alignas(64) static constexpr uint32_t shifts[16] = {0,  0,  4,  4,  8,  8,  12, 12,
                                                        16, 16, 20, 20, 24, 24, 28, 28};
    v = (U)_mm512_set1_epi64(pair) >> table(shifts);
  } else {
    const __m512i words = _mm512_maskz_loadu_epi32((1 << bits) - 1, block);
    v = select(t.low[half], words) >> table(t.down[half]);
    if constexpr (32 % bits != 0) v |= select(t.high[half], words) << table(t.up[half]);
  }
  if constexpr (bits <= 4) {
    return {
        {(Native<float>)_mm512_maskz_permutexvar_ps(0xffff, (__m512i)v, _mm512_load_ps(t.value))}};
  } else if constexpr (c == Code::e4m3) {
    return {{e4m3_values(v)}};
  } else {
    if constexpr (bits < 8) v &= (1 << bits) - 1;
    return {{__builtin_convertvector((Native<int32_t>)v, Native<float>)}};
  }
}

#elif defined(__AVX2__)

template <Code c>
struct Tables {
  alignas(32) uint32_t low[4][8], high[4][8], down[4][8], up[4][8];
  alignas(32) uint32_t loaded[8];
  constexpr Tables() : low(), high(), down(), up(), loaded() {
    constexpr int bits = bits_of(c);
    for (int i = 0; i < 32; ++i) {
      const int at = i * bits, q = i / 8, l = i % 8;
      low[q][l] = at / 32;
      high[q][l] = at / 32 + 1 < bits ? at / 32 + 1 : bits - 1;
      down[q][l] = at % 32;
      up[q][l] = 32 - at % 32;  // a shift by 32 leaves nothing
    }
    for (int i = 0; i < 8; ++i) loaded[i] = i < bits ? ~0u : 0;
  }
};
template <Code c>
inline constexpr Tables<c> kTables{};
template <Code c>
inline constexpr bool kAlternates = false;

template <Code c, int quarter>
OLIVINE_INLINE Native<float> unpack_quarter(const uint32_t* block) {
  constexpr int bits = bits_of(c);
  const auto& t = kTables<c>;
  const auto vector = [](const uint32_t* p) {
    return _mm256_load_si256(reinterpret_cast<const __m256i*>(p));
  };
  __m256i v;
  if constexpr (bits == 8) {
    v = _mm256_cvtepu8_epi32(
        _mm_loadl_epi64(reinterpret_cast<const __m128i*>(block + 2 * quarter)));
  } else if constexpr (32 % bits == 0) {
    constexpr int word = quarter * 8 * bits / 32;
    v = _mm256_srlv_epi32(_mm256_set1_epi32(int(block[word])), vector(t.down[quarter]));
  } else {
    const __m256i words =
        _mm256_maskload_epi32(reinterpret_cast<const int*>(block), vector(t.loaded));
    const __m256i next = _mm256_permutevar8x32_epi32(words, vector(t.high[quarter]));
    v = _mm256_srlv_epi32(_mm256_permutevar8x32_epi32(words, vector(t.low[quarter])),
                          vector(t.down[quarter]));
    v = _mm256_or_si256(v, _mm256_sllv_epi32(next, vector(t.up[quarter])));
  }
  if constexpr (c == Code::e4m3) return e4m3_values((Native<uint32_t>)v);
  if constexpr (c == Code::e2m1) {
    const __m256 sizes = _mm256_setr_ps(0, 0.5F, 1, 1.5F, 2, 3, 4, 6);
    const __m256i sign = _mm256_slli_epi32(_mm256_and_si256(v, _mm256_set1_epi32(8)), 28);
    return (Native<float>)_mm256_or_ps(_mm256_permutevar8x32_ps(sizes, v), (__m256)sign);
  }
  if constexpr (bits < 8) v = _mm256_and_si256(v, _mm256_set1_epi32((1 << bits) - 1));
  return (Native<float>)_mm256_cvtepi32_ps(v);
}
template <Code c, int half, bool natural>
OLIVINE_INLINE Wide<float> unpack(const uint32_t* block) {
  return {{unpack_quarter<c, 2 * half>(block), unpack_quarter<c, 2 * half + 1>(block)}};
}

#else

template <Code c>
inline constexpr bool kAlternates = false;

template <Code c, int half, bool natural>
OLIVINE_INLINE Wide<float> unpack(const uint32_t* block) {
  float lanes[16];
  for (int i = 0; i < 16; ++i) lanes[i] = unpack_one<c>(block, 16 * half + i);
  return load<float>(lanes);
}

#endif

// The place of value i of a row in the order that unpack<c, ., false> gives.
template <Code c>
OLIVINE_INLINE int64_t unpacked_place(int64_t i) {
  if (!kAlternates<c>) return i;
  const int64_t in = i % 16;
  return i - in + (in % 8) * 2 + in / 8;
}

}  // namespace
}  // namespace olivine::cpu::OLIVINE_ISA
