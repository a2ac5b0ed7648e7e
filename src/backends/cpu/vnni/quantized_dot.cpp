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
  const float* scales[N];
  __m512i groups;  // of the lanes, from the first of a chunk
  __m512 acc[N];

  template <bool whole>
  OLIVINE_INLINE void chunk(int64_t i, int64_t group, __mmask16 valid) {
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
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) {
      const __m512 scale =
          _mm512_maskz_permutexvar_ps(0xffff, groups, _mm512_loadu_ps(scales[j] + group));
      acc[j] = _mm512_fmadd_ps(v[j], scale, acc[j]);
    }
  }

  void run(int64_t row_words, int64_t group_size) {
    const int64_t chunks = row_words / kChunkWords<c>;
    if (kChunk<c> >= group_size) {
      const int64_t step = kChunk<c> / group_size;
      for (int64_t i = 0; i < chunks; ++i) chunk<true>(i, i * step, 0);
    } else {
      for (int64_t i = 0; i < chunks; ++i) chunk<true>(i, i * kChunk<c> / group_size, 0);
    }
    const int64_t rest = row_words % kChunkWords<c>;
    if (rest > 0) chunk<false>(chunks, chunks * kChunk<c> / group_size, (1u << rest) - 1);
  }
};

// Products of a row's scales and the units of x; returns the biases' part of the sum, spread over
// lanes.
template <Code c>
OLIVINE_INLINE __m512 scale_row(const PackedMatrix& m, int64_t row, const float* units,
                                const float* sums, float step, float* products) {
  const int64_t groups = m.row_groups, first = row * groups;
  __m512 acc = _mm512_setzero_ps();
  for (int64_t g = 0; g < groups; g += 16) {
    const __mmask16 some = first_lanes(groups - g);
    const __m512 scales = load_scales<c>(m, first + g, some);
    const __m512 biases = load_biases<c>(m, first + g, some, scales);
    _mm512_store_ps(products + g, scales * (_mm512_load_ps(units + g) * _mm512_set1_ps(step)));
    acc = _mm512_fmadd_ps(biases, _mm512_load_ps(sums + g), acc);
  }
  return acc;
}

template <Code c, int P, int N>
void dot_columns(const FixedProductArgs& a, int64_t r, int64_t n) {
  const PackedMatrix& m = a.matrix;
  const FixedRows& x = a.x;
  const int64_t stride = x.group_stride, size = m.format.group_size;
  Dot<c, P, N> dot;
  for (int j = 0; j < N; ++j) {
    float* products = static_cast<float*>(a.work) + j * stride;
    dot.acc[j] = scale_row<c>(m, n + j, x.units + r * stride, x.sums + r * stride, P == 2 ? 256 : 1,
                              products);
    dot.scales[j] = products;
    dot.words[j] = m.words + (n + j) * m.row_words;
  }
  dot.ahead = N * m.row_words;
  dot.x = x.planes + r * x.row_bytes;
  dot.plane_bytes = x.plane_bytes;
  const __m512i codes = _mm512_maskz_slli_epi32(
      0xffff, _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
      kLaneShift<c>);
  dot.groups = _mm512_maskz_srli_epi32(0xffff, codes, uint32_t(__builtin_ctz(uint32_t(size))));
  dot.run(m.row_words, size);
  const __m512 sums =
      sum_lanes(dot.acc[0], dot.acc[N > 1], dot.acc[N > 2 ? 2 : 0], dot.acc[N > 2 ? 3 : 0]);
  store_results(a.dtype, a.out, r * a.out_stride + n, N, sums);
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
