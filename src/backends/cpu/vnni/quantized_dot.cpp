// Dot products of packed rows with few rows of fixed point: weights are read once, as they lie.
//
// A lane of a register has the sum over codes of one group; a permutation gives it the scale.
#include "backends/cpu/vnni/codes-inl.h"
#include "backends/cpu/vnni/quantized_kernels.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

// How many columns are computed at once, by how many rows of x: what registers hold.
template <Code c, int R>
inline constexpr int kColumns = kFields<c> == 8 || R == 4 ? 2 : int(kFixedDotColumns);
// Which of 16 groups the codes of each lane belong to, for the chunks that 16 groups have at most.
template <Code c>
struct LaneGroups {
  static constexpr int64_t kMost = 16 * 128 / kChunk<c>;
  __m512i of[kMost];
  explicit LaneGroups(int64_t group_size) {
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m128i shift = _mm_cvtsi32_si128(__builtin_ctz(uint32_t(group_size)));
    for (int i = 0; i < kMost; ++i) {
      const __m512i code =
          _mm512_maskz_mullo_epi32(0xffff, _mm512_add_epi32(lane, _mm512_set1_epi32(16 * i)),
                                   _mm512_set1_epi32(kChunk<c> / 16));
      of[i] = _mm512_maskz_srl_epi32(0xffff, code, shift);
    }
  }
};
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

// N rows of codes with R rows of x. A pair's result does not depend on the others.
template <Code c, int P, int N, int R>
struct Dot {
  const uint32_t* words[N];
  int64_t ahead;  // words from a row to the one whose turn comes next
  const int8_t* x;
  int64_t plane_bytes, row_bytes;
  __m512 scales[R][N];  // of 16 groups
  __m512 acc[R][N];

  // Sums over the codes of a chunk, in each lane.
  OLIVINE_INLINE void multiply(const __m512i (&codes)[kFields<c>][N], const int8_t* at,
                               __m512 (&v)[N]) {
    __m512i sum[N] = {};
    add_plane<c>(codes, at, sum);
    next_plane(sum);
    add_plane<c>(codes, at + plane_bytes, sum);
    if constexpr (P == 3 && !kSplits<c>) {
      next_plane(sum);
      add_plane<c>(codes, at + 2 * plane_bytes, sum);
    }
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) v[j] = _mm512_maskz_cvtepi32_ps(0xffff, sum[j]);
    if constexpr (P == 3 && kSplits<c>) {
      __m512i low[N] = {};
      add_plane<c>(codes, at + 2 * plane_bytes, low);
#pragma GCC unroll 4
      for (int j = 0; j < N; ++j) {
        v[j] = _mm512_fmadd_ps(v[j], _mm512_set1_ps(256), _mm512_maskz_cvtepi32_ps(0xffff, low[j]));
      }
    }
  }

  template <bool whole>
  OLIVINE_INLINE void chunk(int64_t i, __m512i group, __mmask16 valid) {
    constexpr int F = kFields<c>;
    __m512i raw[N], codes[F][N];
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) {
      const uint32_t* from = words[j] + i * kChunkWords<c>;
      raw[j] = load_chunk<c, whole>(from, valid);
      __builtin_prefetch(from + ahead);
    }
    Fields<0, F>::template take<c>(raw, codes);
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      __m512 v[N];
      multiply(codes, x + r * row_bytes + i * kChunk<c>, v);
#pragma GCC unroll 4
      for (int j = 0; j < N; ++j) {
        const __m512 scale = _mm512_maskz_permutexvar_ps(0xffff, group, scales[r][j]);
        acc[r][j] = _mm512_fmadd_ps(v[j], scale, acc[r][j]);
      }
    }
  }

  // Scales and biases of groups [g, g + 16).
  OLIVINE_INLINE void next_groups(const PackedMatrix& m, const FixedRows& rows, int64_t row,
                                  int64_t n, int64_t g) {
    const __mmask16 some = first_lanes(m.row_groups - g);
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) {
      const int64_t at = (n + j) * m.row_groups + g;
      const __m512 scale = load_scales<c>(m, at, some), bias = load_biases<c>(m, at, some, scale);
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) {
        const int64_t from = (row + r) * rows.group_stride + g;
        const __m512 unit = _mm512_load_ps(rows.units + from) * _mm512_set1_ps(P == 2 ? 256 : 1);
        acc[r][j] = _mm512_fmadd_ps(bias, _mm512_load_ps(rows.sums + from), acc[r][j]);
        scales[r][j] = scale * unit;
      }
    }
  }
};

// Not inlined: GCC takes a third longer for one large function.
template <Code c, int P, int N, int R>
[[gnu::noinline]] void dot_columns(const FixedProductArgs& a, const LaneGroups<c>& groups,
                                   int64_t row, int64_t n) {
  const PackedMatrix& m = a.matrix;
  const FixedRows& x = a.x;
  Dot<c, P, N, R> dot;
  for (int j = 0; j < N; ++j) {
    dot.words[j] = m.words + (n + j) * m.row_words;
    for (int r = 0; r < R; ++r) dot.acc[r][j] = _mm512_setzero_ps();
  }
  dot.ahead = N * m.row_words;
  dot.x = x.planes + row * x.row_bytes;
  dot.plane_bytes = x.plane_bytes;
  dot.row_bytes = x.row_bytes;
  const int64_t block = 16 * m.format.group_size / kChunk<c>;  // chunks of 16 groups
  const int64_t chunks = m.row_words / kChunkWords<c>, rest = m.row_words % kChunkWords<c>;
  for (int64_t g = 0, i = 0; g < m.row_groups; g += 16) {
    dot.next_groups(m, x, row, n, g);
    const int64_t end = smaller(i + block, chunks);
    const __m512i* of = groups.of;
    for (; i < end; ++i) dot.template chunk<true>(i, *of++, 0);
    if (rest > 0 && i == chunks && g + 16 >= m.row_groups) {
      dot.template chunk<false>(i, *of, __mmask16((1u << rest) - 1));
    }
  }
  for (int r = 0; r < R; ++r) {
    const __m512* acc = dot.acc[r];
    const __m512 sums = sum_lanes(acc[0], acc[N > 1], acc[N > 2 ? 2 : 0], acc[N > 2 ? 3 : 0]);
    store_results(a.dtype, a.out, (row + r) * a.out_stride + n, N, sums);
  }
}

template <Code c, int N, int R>
OLIVINE_INLINE void dot_rows(const FixedProductArgs& a, const LaneGroups<c>& groups, int64_t row,
                             int64_t n) {
  int planes = 0;
  for (int r = 0; r < R; ++r)
    planes = planes > a.x.plane_count[row + r] ? planes : a.x.plane_count[row + r];
  if (planes == 2) dot_columns<c, 2, N, R>(a, groups, row, n);
  if (planes == 3) dot_columns<c, 3, N, R>(a, groups, row, n);
}

template <Code c, int R>
OLIVINE_INLINE void dot_block(const FixedProductArgs& a, const LaneGroups<c>& groups, int64_t row,
                              int64_t n, int64_t end) {
  for (; n + kColumns<c, R> <= end; n += kColumns<c, R>)
    dot_rows<c, kColumns<c, R>, R>(a, groups, row, n);
  for (; n < end; ++n) {
    for (int r = 0; r < R; ++r) dot_rows<c, 1, 1>(a, groups, row + r, n);
  }
}

// A few columns with all rows of x, so that the codes are read once.
template <Code c>
void dot_all(const FixedProductArgs& a) {
  const LaneGroups<c> groups(a.matrix.format.group_size);
  for (int64_t n = a.begin; n < a.end; n += kFixedDotColumns) {
    const int64_t end = smaller(n + kFixedDotColumns, a.end);
    int64_t row = 0;
    for (; row + 4 <= a.x.rows; row += 4) dot_block<c, 4>(a, groups, row, n, end);
    for (; row + 2 <= a.x.rows; row += 2) dot_block<c, 2>(a, groups, row, n, end);
    for (; row < a.x.rows; ++row) dot_block<c, 1>(a, groups, row, n, end);
  }
}

}  // namespace

void fixed_dot(const FixedProductArgs& a) {
  with_byte_code(a.matrix.format, [&](auto code) { dot_all<decltype(code)::value>(a); });
}

}  // namespace olivine::cpu::OLIVINE_ISA
