// Dot products of codes of e4m3 with few rows of floats: two tables have the codes as bfloat16,
// which holds them all.
#include "backends/cpu/quantized_e4m3.h"

#include "backends/cpu/vnni/codes-inl.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

constexpr int64_t kWords = kE4m3Chunk / 4, kGroup = 32;
constexpr int kQuarters = 4;  // registers of floats for a chunk

// The bytes of bfloat16 by code; of the high one, the sign is the code's own.
struct E4m3Table {
  alignas(64) uint8_t low[128], high[128];
  constexpr E4m3Table() : low(), high() {
    for (int code = 0; code < 128; ++code) {
      int exponent = code >> 3, mantissa = code & 7;
      int bits = 0;
      if (code == 127) {
        bits = 0x7fc0;
      } else if (exponent > 0) {
        bits = (exponent + 120) << 7 | mantissa << 4;
      } else if (mantissa > 0) {
        exponent = 121;
        while (mantissa < 8) mantissa <<= 1, --exponent;
        bits = exponent << 7 | (mantissa & 7) << 4;
      }
      low[code] = uint8_t(bits & 0xff);
      high[code] = uint8_t(bits >> 8);
    }
  }
};
inline constexpr E4m3Table kTable{};

// Where value i of a chunk goes: the even values of each eight, and the odd ones, lie together.
constexpr int64_t place(int64_t i) {
  return (i % 16 / 8 * 2 + i % 2) * 16 + i / 16 * 4 + i % 8 / 2;
}

void prepare(const PackedProduct& p, float* out) {
  const int64_t size = e4m3_row_size(p.k);
  const auto rows = [&](const auto* x) {
    for (int64_t r = 0; r < p.m; ++r, x += p.k, out += size) {
      std::memset(out + size - kE4m3Chunk, 0, kE4m3Chunk * sizeof(float));
      for (int64_t i = 0; i < p.k; i += kGroup) {
        float values[kGroup];
        store(values, load<float>(x + i));
        store(values + 16, load<float>(x + i + 16));
        const int64_t chunk = i / kE4m3Chunk * kE4m3Chunk, in = i % kE4m3Chunk;
        for (int64_t j = 0; j < kGroup; ++j) out[chunk + place(in + j)] = values[j];
      }
    }
  };
  switch (p.dtype.val()) {
    case Dtype::Val::float16:
      return rows(reinterpret_cast<const float16_t*>(p.x));
    case Dtype::Val::bfloat16:
      return rows(reinterpret_cast<const bfloat16_t*>(p.x));
    default:
      return rows(reinterpret_cast<const float*>(p.x));
  }
}

OLIVINE_INLINE void look_up(__m512i codes, __m512 (&w)[kQuarters]) {
  const auto table = [](const uint8_t* from) { return _mm512_load_si512(from); };
  const __m512i low =
      _mm512_maskz_permutex2var_epi8(~0ull, table(kTable.low), codes, table(kTable.low + 64));
  __m512i high =
      _mm512_maskz_permutex2var_epi8(~0ull, table(kTable.high), codes, table(kTable.high + 64));
  // high | (codes & 0x80)
  high = _mm512_maskz_ternarylogic_epi32(0xffff, high, codes, _mm512_set1_epi8(-0x80), 0xf8);
  const __m512i first = _mm512_maskz_unpacklo_epi8(~0ull, low, high);
  const __m512i second = _mm512_maskz_unpackhi_epi8(~0ull, low, high);
  const __m512i upper = _mm512_set1_epi32(-0x10000);
  w[0] = (__m512)_mm512_maskz_slli_epi32(0xffff, first, 16);
  w[1] = (__m512)_mm512_and_si512(first, upper);
  w[2] = (__m512)_mm512_maskz_slli_epi32(0xffff, second, 16);
  w[3] = (__m512)_mm512_and_si512(second, upper);
}

// Scales of 16 groups.
OLIVINE_INLINE __m512 load_powers(const PackedMatrix& m, int64_t at, __mmask16 some) {
  const __m512i codes = _mm512_maskz_cvtepu8_epi32(some, _mm_maskz_loadu_epi8(some, m.scales + at));
  const __m512 scales = (__m512)_mm512_maskz_slli_epi32(some, codes, 23);
  return _mm512_mask_blend_ps(_mm512_mask_testn_epi32_mask(some, codes, codes), scales,
                              _mm512_set1_ps(0x1p-127F));
}

// N rows of codes with R rows of x. A pair's result does not depend on the others.
template <int N, int R>
void dot_tile(const PackedProduct& p, const float* x, int64_t row, int64_t n) {
  const PackedMatrix& m = p.matrix;
  const int64_t size = e4m3_row_size(p.k);
  const __m512i second_half = _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
  x += row * size;
  __m512 acc[R][N], scales[N];
  for (int j = 0; j < N; ++j) {
    scales[j] = _mm512_setzero_ps();
    for (int r = 0; r < R; ++r) acc[r][j] = _mm512_setzero_ps();
  }
  for (int64_t i = 0; i * kE4m3Chunk < p.k; ++i) {
    const int64_t g = 2 * i, words = m.row_words - i * kWords;
    if (g % 16 == 0) {
      for (int j = 0; j < N; ++j) {
        scales[j] = load_powers(m, (n + j) * m.row_groups + g, first_lanes(m.row_groups - g));
      }
    }
    const __m512i group = _mm512_add_epi32(second_half, _mm512_set1_epi32(int(g)));
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) {
      const uint32_t* from = m.words + (n + j) * m.row_words + i * kWords;
      __builtin_prefetch(from + N * m.row_words);
      __m512 w[kQuarters];
      look_up(_mm512_maskz_loadu_epi32(first_lanes(words), from), w);
      const __m512 scale = _mm512_maskz_permutexvar_ps(0xffff, group, scales[j]);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const float* at = x + r * size + i * kE4m3Chunk;
        __m512 v = w[0] * _mm512_loadu_ps(at);
        v = _mm512_fmadd_ps(w[1], _mm512_loadu_ps(at + 16), v);
        v = _mm512_fmadd_ps(w[2], _mm512_loadu_ps(at + 32), v);
        v = _mm512_fmadd_ps(w[3], _mm512_loadu_ps(at + 48), v);
        acc[r][j] = _mm512_fmadd_ps(v, scale, acc[r][j]);
      }
    }
  }
  for (int r = 0; r < R; ++r) {
    const __m512* a = acc[r];
    const __m512 sums = sum_lanes(a[0], a[N > 1], a[N > 2 ? 2 : 0], a[N > 2 ? 3 : 0]);
    store_results(p.dtype, p.out, (row + r) * p.n + n, N, sums);
  }
}

template <int N, int R>
OLIVINE_INLINE void dot_rows(const PackedProduct& p, const float* x, int64_t row, int64_t begin,
                             int64_t end) {
  int64_t n = begin;
  for (; n + N <= end; n += N) dot_tile<N, R>(p, x, row, n);
  for (; n < end; ++n) dot_tile<1, R>(p, x, row, n);
}

void dot(const PackedProduct& p, const float* x, int64_t begin, int64_t end) {
  for (int64_t n = begin; n < end; n += 4) {
    const int64_t last = smaller(n + 4, end);
    int64_t row = 0;
    for (; row + 8 <= p.m; row += 8) dot_rows<1, 8>(p, x, row, n, last);
    for (; row + 4 <= p.m; row += 4) dot_rows<2, 4>(p, x, row, n, last);
    for (; row + 2 <= p.m; row += 2) dot_rows<4, 2>(p, x, row, n, last);
    if (row < p.m) dot_rows<4, 1>(p, x, row, n, last);
  }
}

}  // namespace

const E4m3Kernels e4m3_kernels{prepare, dot, 32};

}  // namespace olivine::cpu::OLIVINE_ISA
