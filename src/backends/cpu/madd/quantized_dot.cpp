// Dot products of packed rows with few rows of fixed point, by products of words of 16 bits.
//
// Sums over a group are integers; scales, times the units of x, are floats in scratch memory.
#include "backends/cpu/kernels/quantized-scales-inl.h"
#include "backends/cpu/madd/quantized_kernels.h"
#include "backends/cpu/madd/words-inl.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

OLIVINE_INLINE __m256i load_words(const int8_t* from) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
}
OLIVINE_INLINE __m256i widen_bytes(const int8_t* from) {
  return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}
OLIVINE_INLINE float sum_lanes(__m256 v) {
  __m128 r = _mm256_castps256_ps128(v) + _mm256_extractf128_ps(v, 1);
  r += _mm_movehl_ps(r, r);
  return _mm_cvtss_f32(r) + _mm_cvtss_f32(_mm_shuffle_ps(r, r, 1));
}

// N rows of codes with R rows of x. A pair's result does not depend on the others.
template <Code c, int P, int N, int R>
struct Dot {
  const uint8_t* codes[N];
  int64_t ahead;  // bytes from a row to the one whose turn comes next
  const int8_t* x;
  int64_t low_plane, row_bytes;
  const float* scales[R][N];  // of groups, times the units of x
  __m256i sum[R][N], low[R][N];
  __m256 acc[R][N];

  OLIVINE_INLINE void clear() {
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (int j = 0; j < N; ++j) sum[r][j] = low[r][j] = _mm256_setzero_si256();
    }
  }
  OLIVINE_INLINE void add_step(int64_t i) {
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) {
      __m256i v[2];
      unpack_step<c>(codes[j] + i * kStepBytes<c>, v);
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) {
        const int8_t* at = x + r * row_bytes;
        const int8_t* words = at + 2 * kStep * i;
        sum[r][j] = _mm256_add_epi32(sum[r][j], _mm256_madd_epi16(v[0], load_words(words)));
        sum[r][j] = _mm256_add_epi32(sum[r][j], _mm256_madd_epi16(v[1], load_words(words + 32)));
        if constexpr (P == 3) {
          const int8_t* bytes = at + low_plane + kStep * i;
          low[r][j] = _mm256_add_epi32(low[r][j], _mm256_madd_epi16(v[0], widen_bytes(bytes)));
          low[r][j] = _mm256_add_epi32(low[r][j], _mm256_madd_epi16(v[1], widen_bytes(bytes + 16)));
        }
      }
    }
  }
  // A step of two groups of 16 codes, each in a register.
  OLIVINE_INLINE void add_halves(int64_t g) {
    const int64_t i = g / 2;
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) {
      __m256i v[2];
      unpack_step<c>(codes[j] + i * kStepBytes<c>, v);
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) {
        const int8_t *words = x + r * row_bytes + 2 * kStep * i,
                     *bytes = x + r * row_bytes + low_plane + kStep * i;
#pragma GCC unroll 2
        for (int h = 0; h < 2; ++h) {
          __m256 sums = _mm256_cvtepi32_ps(_mm256_madd_epi16(v[h], load_words(words + 32 * h)));
          if constexpr (P == 3) {
            const __m256i lows = _mm256_madd_epi16(v[h], widen_bytes(bytes + 16 * h));
            sums = _mm256_fmadd_ps(sums, _mm256_set1_ps(256), _mm256_cvtepi32_ps(lows));
          }
          acc[r][j] = _mm256_fmadd_ps(sums, _mm256_broadcast_ss(scales[r][j] + g + h), acc[r][j]);
        }
      }
    }
  }
  // `two`: groups of 16 codes, of which a step has two, the first in the lower lanes.
  template <bool two>
  OLIVINE_INLINE void finish(int64_t g) {
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (int j = 0; j < N; ++j) {
        __m256 v = _mm256_cvtepi32_ps(sum[r][j]);
        if constexpr (P == 3) {
          v = _mm256_fmadd_ps(v, _mm256_set1_ps(256), _mm256_cvtepi32_ps(low[r][j]));
        }
        __m256 scale = _mm256_broadcast_ss(scales[r][j] + g);
        if constexpr (two) {
          scale = _mm256_blend_ps(scale, _mm256_broadcast_ss(scales[r][j] + g + 1), 0xf0);
        }
        acc[r][j] = _mm256_fmadd_ps(v, scale, acc[r][j]);
      }
    }
  }
  OLIVINE_INLINE void prefetch(int64_t i) {
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) __builtin_prefetch(codes[j] + i * kStepBytes<c> + ahead);
  }

  void run(int64_t groups, int64_t group_size) {
    for (int r = 0; r < R; ++r) {
      for (int j = 0; j < N; ++j) acc[r][j] = _mm256_setzero_ps();
    }
    if (group_size < kStep) {
      for (int64_t g = 0; g < groups; g += 2) {
        if (g % 8 == 0) prefetch(g / 2);
        if constexpr (kPairs<c>) {
          clear();
          add_step(g / 2);
          finish<true>(g);
        } else {
          add_halves(g);
        }
      }
      return;
    }
    const int64_t steps = group_size / kStep;
    for (int64_t g = 0; g < groups; ++g) {
      clear();
      for (int64_t i = g * steps; i < (g + 1) * steps; ++i) {
        if (i * kStepBytes<c> % 64 < kStepBytes<c>) prefetch(i);
        add_step(i);
      }
      finish<false>(g);
    }
  }
};

// Scales of a row of codes times the units of a row of x; returns the sum over groups of biases
// times sums of x.
template <Code c, int P>
float scale_units(const FixedProductArgs& a, const float* scales, const float* biases, int64_t row,
                  float* to) {
  const float* units = a.x.units + row * a.x.group_stride;
  const float* sums = a.x.sums + row * a.x.group_stride;
  constexpr float step = (P == 2 ? 256 : 1) * (c == Code::e2m1 ? kE2m1Step : 1);
  const int64_t groups = a.matrix.row_groups;
  __m256 total = _mm256_setzero_ps();
  float rest = 0;
  int64_t g = 0;
  for (; g + 8 <= groups; g += 8) {
    _mm256_storeu_ps(
        to + g, _mm256_loadu_ps(scales + g) * (_mm256_loadu_ps(units + g) * _mm256_set1_ps(step)));
    total = _mm256_fmadd_ps(_mm256_loadu_ps(biases + g), _mm256_loadu_ps(sums + g), total);
  }
  for (; g < groups; ++g) {
    to[g] = scales[g] * (units[g] * step);
    rest += biases[g] * sums[g];
  }
  total *= _mm256_set1_ps(c == Code::e2m1 ? -kE2m1Zero : 1);
  return sum_lanes(total) + rest * (c == Code::e2m1 ? -kE2m1Zero : 1);
}

// Not inlined: GCC takes a third longer for one large function.
template <Code c, int P, int N, int R>
[[gnu::noinline]] void dot_tile(const FixedProductArgs& a, int64_t row, int64_t n) {
  const PackedMatrix& m = a.matrix;
  const int64_t groups = m.row_groups;
  Dot<c, P, N, R> dot;
  dot.ahead = N * m.row_words * 4;
  dot.x = a.x.planes + row * a.x.row_bytes;
  dot.low_plane = 2 * a.x.plane_bytes;
  dot.row_bytes = a.x.row_bytes;
  float* work = static_cast<float*>(a.work);
  float *scales = work, *biases = c == Code::e2m1 ? scales : work + groups;
  float bias[R][N];
  for (int j = 0; j < N; ++j) {
    dot.codes[j] = reinterpret_cast<const uint8_t*>(m.words + (n + j) * m.row_words);
    row_scales(m, n + j, 0, groups, scales);
    if (c != Code::e2m1) row_biases(m, n + j, 0, groups, biases);
    for (int r = 0; r < R; ++r) {
      float* to = work + (2 + j * R + r) * groups;
      bias[r][j] = scale_units<c, P>(a, scales, biases, row + r, to);
      dot.scales[r][j] = to;
    }
  }
  dot.run(groups, m.format.group_size);
  for (int r = 0; r < R; ++r) {
    for (int j = 0; j < N; ++j) {
      put(a.dtype, a.out, (row + r) * a.out_stride + n + j, sum_lanes(dot.acc[r][j]) + bias[r][j]);
    }
  }
}

template <Code c, int N, int R>
OLIVINE_INLINE void dot_rows(const FixedProductArgs& a, int64_t row, int64_t n) {
  int planes = 0;
  for (int r = 0; r < R; ++r) {
    planes = planes > a.x.plane_count[row + r] ? planes : a.x.plane_count[row + r];
  }
  if (planes == 2) dot_tile<c, 2, N, R>(a, row, n);
  if (planes == 3) dot_tile<c, 3, N, R>(a, row, n);
}

template <Code c, int N, int R>
OLIVINE_INLINE void dot_block(const FixedProductArgs& a, int64_t row, int64_t n, int64_t end) {
  for (; n + N <= end; n += N) dot_rows<c, N, R>(a, row, n);
  for (; n < end; ++n) dot_rows<c, 1, R>(a, row, n);
}

// A few columns with all rows of x, so that the codes are read once.
template <Code c>
void dot_all(const FixedProductArgs& a) {
  for (int64_t n = a.begin; n < a.end; n += kFixedDotColumns) {
    const int64_t end = smaller(n + kFixedDotColumns, a.end);
    int64_t row = 0;
    for (; row + 4 <= a.x.rows; row += 4) dot_block<c, 1, 4>(a, row, n, end);
    for (; row + 2 <= a.x.rows; row += 2) dot_block<c, 2, 2>(a, row, n, end);
    for (; row < a.x.rows; ++row) dot_block<c, 4, 1>(a, row, n, end);
  }
}

}  // namespace

void fixed_dot(const FixedProductArgs& a) {
  with_byte_code(a.matrix.format, [&](auto code) { dot_all<decltype(code)::value>(a); });
}

}  // namespace olivine::cpu::OLIVINE_ISA
