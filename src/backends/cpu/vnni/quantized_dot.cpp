// Dot products of packed rows with few rows of fixed point: weights are read once, as they lie.
//
// A lane of a register has the sum over codes of one group; a permutation gives it the scale.
#include "backends/cpu/vnni/codes-inl.h"
#include "backends/cpu/vnni/quantized_kernels.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

template <Code c>
inline constexpr int kColumns = kFields<c> == 8 ? 2 : int(kFixedDotColumns);
// log2 of the codes of a lane.
template <Code c>
inline constexpr int kLaneShift = __builtin_ctz(kChunk<c> / 16);
// Whether 24 bits of x times the codes of a chunk can exceed a lane.
template <Code c>
inline constexpr bool kSplits = 4.0 * kFields<c>* kLargest<c> * 0x7f7f7f > 0x7fffffff;

template <Code c, int N>
OLIVINE_INLINE void add_plane(const __m512i (&codes)[kFields<c>][N], const int8_t* x,
                              __m512i (&sum)[N]) {
#pragma GCC unroll 8
  for (int f = 0; f < kFields<c>; ++f) {
    const __m512i v = _mm512_load_si512(x + 64 * f);
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) add_products(sum[j], codes[f][j], v);
  }
}
template <int N>
OLIVINE_INLINE void next_plane(__m512i (&sum)[N]) {
#pragma GCC unroll 4
  for (int j = 0; j < N; ++j) sum[j] = _mm512_maskz_slli_epi32(0xffff, sum[j], 8);
}

template <int f, int F>
struct Fields {
  template <Code c, int N>
  static OLIVINE_INLINE void take(const __m512i (&raw)[N], __m512i (&codes)[F][N]) {
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) codes[f][j] = field<c, f>(raw[j]);
    if constexpr (f + 1 < F) Fields<f + 1, F>::template take<c>(raw, codes);
  }
};

// N rows of codes with a row of x.
template <Code c, int P, int N>
struct Dot {
  const uint32_t* words[N];
  int64_t ahead;  // words from a row to the one whose turn comes next
  const int8_t* x;
  int64_t plane_bytes;
  __m512i first_code;  // of each lane, within its row
  __m128i shift;       // log2 of the size of a group
  __m512 scales[N];    // of 16 groups
  __m512 acc[N];

  template <bool whole>
  OLIVINE_INLINE void chunk(int64_t i, __mmask16 valid) {
    constexpr int F = kFields<c>;
    __m512i raw[N], codes[F][N], sum[N];
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) {
      const uint32_t* from = words[j] + i * kChunkWords<c>;
      raw[j] = load_chunk<c, whole>(from, valid);
      __builtin_prefetch(from + ahead);
      sum[j] = _mm512_setzero_si512();
    }
    Fields<0, F>::template take<c>(raw, codes);
    const int8_t* at = x + i * kChunk<c>;
    add_plane<c>(codes, at, sum);
    next_plane(sum);
    add_plane<c>(codes, at + plane_bytes, sum);
    if constexpr (P == 3 && !kSplits<c>) {
      next_plane(sum);
      add_plane<c>(codes, at + 2 * plane_bytes, sum);
    }
    __m512 v[N];
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) v[j] = _mm512_maskz_cvtepi32_ps(0xffff, sum[j]);
    if constexpr (P == 3 && kSplits<c>) {
#pragma GCC unroll 4
      for (int j = 0; j < N; ++j) sum[j] = _mm512_setzero_si512();
      add_plane<c>(codes, at + 2 * plane_bytes, sum);
#pragma GCC unroll 4
      for (int j = 0; j < N; ++j) {
        v[j] = _mm512_fmadd_ps(v[j], _mm512_set1_ps(256), _mm512_maskz_cvtepi32_ps(0xffff, sum[j]));
      }
    }
    // The permutation takes the lowest four bits: which of the 16 groups.
    const __m512i group = _mm512_maskz_srl_epi32(0xffff, first_code, shift);
    first_code = _mm512_add_epi32(first_code, _mm512_set1_epi32(kChunk<c>));
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) {
      acc[j] = _mm512_fmadd_ps(v[j], _mm512_maskz_permutexvar_ps(0xffff, group, scales[j]), acc[j]);
    }
  }
};

template <Code c, int P, int N>
void dot_columns(const FixedProductArgs& a, int64_t r, int64_t n) {
  const PackedMatrix& m = a.matrix;
  const FixedRows& x = a.x;
  const float *units = x.units + r * x.group_stride, *sums = x.sums + r * x.group_stride;
  Dot<c, P, N> dot;
  for (int j = 0; j < N; ++j) {
    dot.words[j] = m.words + (n + j) * m.row_words;
    dot.acc[j] = _mm512_setzero_ps();
  }
  dot.ahead = N * m.row_words;
  dot.x = x.planes + r * x.row_bytes;
  dot.plane_bytes = x.plane_bytes;
  dot.first_code = _mm512_maskz_slli_epi32(
      0xffff, _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
      kLaneShift<c>);
  dot.shift = _mm_cvtsi32_si128(__builtin_ctz(uint32_t(m.format.group_size)));
  const int64_t block = 16 * m.format.group_size / kChunk<c>;  // chunks of 16 groups
  const int64_t chunks = m.row_words / kChunkWords<c>, rest = m.row_words % kChunkWords<c>;
  for (int64_t g = 0, i = 0; g < m.row_groups; g += 16) {
    const __mmask16 some = first_lanes(m.row_groups - g);
    const __m512 unit = _mm512_load_ps(units + g) * _mm512_set1_ps(P == 2 ? 256 : 1);
    const __m512 sum = _mm512_load_ps(sums + g);
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) {
      const int64_t at = (n + j) * m.row_groups + g;
      const __m512 scales = load_scales<c>(m, at, some);
      dot.acc[j] = _mm512_fmadd_ps(load_biases<c>(m, at, some, scales), sum, dot.acc[j]);
      dot.scales[j] = scales * unit;
    }
    const int64_t end = smaller(i + block, chunks);
    for (; i < end; ++i) dot.template chunk<true>(i, 0);
    if (rest > 0 && i == chunks && g + 16 >= m.row_groups) {
      dot.template chunk<false>(i, __mmask16((1u << rest) - 1));
    }
  }
  const __m512 sums_of_lanes =
      sum_lanes(dot.acc[0], dot.acc[N > 1], dot.acc[N > 2 ? 2 : 0], dot.acc[N > 2 ? 3 : 0]);
  store_results(a.dtype, a.out, r * a.out_stride + n, N, sums_of_lanes);
}

template <Code c, int N>
void dot_rows(const FixedProductArgs& a, int64_t n) {
  for (int64_t r = 0; r < a.x.rows; ++r) {
    if (a.x.plane_count[r] == 2) {
      dot_columns<c, 2, N>(a, r, n);
    } else if (a.x.plane_count[r] == 3) {
      dot_columns<c, 3, N>(a, r, n);
    }
  }
}

template <Code c>
void dot_all(const FixedProductArgs& a) {
  int64_t n = a.begin;
  for (; n + kColumns<c> <= a.end; n += kColumns<c>) dot_rows<c, kColumns<c>>(a, n);
  for (; n < a.end; ++n) dot_rows<c, 1>(a, n);
}

}  // namespace

void fixed_dot(const FixedProductArgs& a) {
  with_byte_code(a.matrix.format, [&](auto code) { dot_all<decltype(code)::value>(a); });
}

}  // namespace olivine::cpu::OLIVINE_ISA
