// Rows of x as fixed point (quantized_fixed.h): units of groups, then planes of bytes.
#include "backends/cpu/kernels/quantized-prepare-inl.h"
#include "backends/cpu/vnni/codes-inl.h"
#include "backends/cpu/vnni/quantized_kernels.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

template <class T>
uint32_t largest_bits(const T* x, int64_t size) {
  __m512i largest = _mm512_setzero_si512();
  for (int64_t i = 0; i < size; i += 16) {
    const __m512i v = (__m512i)load_native<float>(x + i);
    largest =
        _mm512_maskz_max_epu32(0xffff, largest, _mm512_and_si512(v, _mm512_set1_epi32(0x7fffffff)));
  }
  const auto max = [](__m512i a, __m512i b) __attribute__((always_inline)) {
    return _mm512_maskz_max_epu32(0xffff, a, b);
  };
  return uint32_t(_mm512_cvtsi512_si32(fold_words(largest, max)));
}

// From bytes as the transposition in put_planes() leaves them to the order of fields.
template <Code c>
struct Order {
  alignas(64) uint8_t from[64];
  constexpr Order() : from() {
    constexpr int F = kFields<c>, N = kNeighbours<c>;
    for (int to = 0; to < 64; ++to) {
      const int in_field = to % (64 / F), field = to / (64 / F);
      const int natural = (in_field / N * F + field) * N + in_field % N;
      from[to] = natural % 16 / 4 * 16 + natural / 16 * 4 + natural % 4;
    }
  }
};
template <Code c>
inline constexpr Order<c> kOrder{};

template <Code c>
OLIVINE_INLINE void put_fields(__m512i plane, int8_t* to) {
  constexpr int F = kFields<c>;
  plane = _mm512_maskz_permutexvar_epi8(~0ull, _mm512_load_si512(kOrder<c>.from), plane);
  if constexpr (F == 1) {
    _mm512_storeu_si512(to, plane);
  } else {
    alignas(64) int8_t fields[64];
    _mm512_store_si512(fields, plane);
#pragma GCC unroll 8
    for (int f = 0; f < F; ++f) std::memcpy(to + 64 * f, fields + 64 / F * f, 64 / F);
  }
}

// 64 integers to bytes of the planes.
template <Code c>
OLIVINE_INLINE void put_planes(const __m512i* q, int8_t* to, int64_t plane_bytes) {
  const __m512i digits = _mm512_set1_epi32(0x808080);
  const __m512i turn = _mm512_maskz_broadcast_i32x4(
      0xffff, _mm_setr_epi8(2, 6, 10, 14, 1, 5, 9, 13, 0, 4, 8, 12, 3, 7, 11, 15));
  __m512i v[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    v[i] = _mm512_xor_si512(_mm512_add_epi32(q[i], digits), digits);
    v[i] = _mm512_shuffle_epi8(v[i], turn);
  }
  const __m512i low = _mm512_maskz_unpacklo_epi32(0xffff, v[0], v[1]);
  const __m512i low2 = _mm512_maskz_unpacklo_epi32(0xffff, v[2], v[3]);
  const __m512i high = _mm512_maskz_unpackhi_epi32(0xffff, v[0], v[1]);
  const __m512i high2 = _mm512_maskz_unpackhi_epi32(0xffff, v[2], v[3]);
  put_fields<c>(_mm512_maskz_unpacklo_epi64(0xff, low, low2), to);
  put_fields<c>(_mm512_maskz_unpackhi_epi64(0xff, low, low2), to + plane_bytes);
  put_fields<c>(_mm512_maskz_unpacklo_epi64(0xff, high, high2), to + 2 * plane_bytes);
}

template <int P, Code c, class T>
bool fill_planes(const Row& row, const T* x, float lost) {
  const __m512 sign = _mm512_set1_ps(-0.0F), part = _mm512_set1_ps(lost);
  constexpr float step = P == 2 ? 256 : 1;
  int64_t g = 0, in_group = 0;
  int losses = 0;
  __m512i sum = _mm512_setzero_si512();
  for (int64_t at = 0; at < row.plane_bytes; at += 64) {
    __m512i q[4];
    for (int i = 0; i < 4; ++i) {
      q[i] = _mm512_setzero_si512();
      if (at + 16 * i >= row.k) continue;
      const __m512 scale = _mm512_set1_ps(1 / (row.units[g] * step));
      const __m512 y = (__m512)load_native<float>(x + at + 16 * i) * scale;
      q[i] = _mm512_maskz_cvtps_epi32(0xffff, y);
      const __m512 error = y - _mm512_maskz_cvtepi32_ps(0xffff, q[i]);
      losses += __builtin_popcount(_mm512_cmp_ps_mask(
          _mm512_andnot_ps(sign, error), _mm512_andnot_ps(sign, y) * part, _CMP_GT_OQ));
      if (P == 2) q[i] = _mm512_maskz_slli_epi32(0xffff, q[i], 8);
      sum = _mm512_add_epi32(sum, q[i]);
      in_group += 16;
      if (in_group == row.size) {
        if (losses * kLostParts > row.size) return false;
        const auto add = [](__m512i a, __m512i b) __attribute__((always_inline)) {
          return _mm512_add_epi32(a, b);
        };
        row.sums[g] = float(_mm512_cvtsi512_si32(fold_words(sum, add))) * row.units[g];
        sum = _mm512_setzero_si512();
        in_group = losses = 0;
        ++g;
      }
    }
    put_planes<c>(q, row.planes + at / kChunk<c> * kChunk<c> + at % kChunk<c> / kFields<c>,
                  row.plane_bytes);
  }
  return true;
}

// Codes in the same order share what is made for them.
void prepare(const FixedPrepareArgs& a) {
  switch (a.format.bits) {
    case 1:
      return prepare_codes<Code::u1>(a);
    case 2:
      return prepare_codes<Code::u2>(a);
    case 3:
      return prepare_codes<Code::u3>(a);
    case 4:
      return prepare_codes<Code::u4>(a);
    default:
      return prepare_codes<Code::u8>(a);
  }
}

int64_t chunk(const QuantFormat& format) {
  int64_t codes = 0;
  with_byte_code(format, [&](auto code) { codes = kChunk<decltype(code)::value>; });
  return codes;
}

}  // namespace

const FixedKernels fixed_kernels{chunk, prepare, fixed_dot, fixed_tile, 0};

}  // namespace olivine::cpu::OLIVINE_ISA
