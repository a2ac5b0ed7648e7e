// Tiles of products of packed rows with rows of fixed point: codes are unpacked once per tile.
//
// A lane of a register has one column of the result. Codes are laid out so that a step along k, of
// four codes for each of 32 columns, meets four bytes of x in all lanes.
#include "backends/cpu/transpose_words-inl.h"
#include "backends/cpu/vnni/codes-inl.h"
#include "backends/cpu/vnni/quantized_kernels.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

constexpr int kBlock = 4;  // rows of x that share a read of the codes

// What all rows of x meet: codes [step][32 columns][4] of a part of the depth, and scales and
// biases [group][32 columns] from its first group on.
struct Weights {
  uint8_t* codes;
  float *scales, *biases;
  int64_t groups;
  // A group's steps: `runs` times `lanes` of them, `run_stride` apart.
  int64_t runs, lanes, run_stride;
  int64_t groups_in_chunk, chunk_steps;  // where a chunk has several groups, else 1 and a group's
  // Packed codes to fetch meanwhile, some lines with each group and block of rows.
  const char* next;
  int64_t next_lines;
};

template <Code c, int f>
OLIVINE_INLINE void store_fields(const __m512i (&words)[16], uint8_t* out) {
  for (int t = 0; t < 16; ++t) {
    _mm512_store_si512(out + t * 4 * kFixedColumns, field<c, f>(words[t]));
  }
  if constexpr (f + 1 < kFields<c>) store_fields<c, f + 1>(words, out + 16 * 4 * kFixedColumns);
}
// Fields of codes that do not divide a byte are words only after they are taken out.
template <Code c, int f>
OLIVINE_INLINE void turn_fields(const __m512i (&chunks)[16], uint8_t* out) {
  __m512i v[16];
  for (int r = 0; r < 16; ++r) v[r] = field<c, f>(chunks[r]);
  transpose_words(v);
  for (int t = 0; t < 16; ++t) _mm512_store_si512(out + t * 4 * kFixedColumns, v[t]);
  if constexpr (f + 1 < kFields<c>) turn_fields<c, f + 1>(chunks, out + 16 * 4 * kFixedColumns);
}

// A chunk of 16 rows.
template <Code c>
void unpack_chunk(const uint32_t* const* rows, int64_t chunk, __mmask16 words, uint8_t* out) {
  __m512i v[16];
  for (int r = 0; r < 16; ++r) {
    v[r] = load_chunk<c, false>(rows[r] + chunk * kChunkWords<c>, words);
  }
  if constexpr (8 % bits_of(c) == 0) {
    transpose_words(v);
    store_fields<c, 0>(v, out);
  } else {
    turn_fields<c, 0>(v, out);
  }
}

// Codes [k, k + depth) of 16 rows; the rows beyond the matrix are its last one.
template <Code c>
void unpack_rows(const PackedMatrix& m, int64_t row, int64_t k, int64_t depth, uint8_t* out) {
  const int64_t first = k / kChunk<c> * kChunkWords<c>;
  const uint32_t* rows[16];
  for (int r = 0; r < 16; ++r) {
    rows[r] = m.words + smaller(row + r, m.rows - 1) * m.row_words + first;
  }
  const int64_t chunks = (depth + kChunk<c> - 1) / kChunk<c>;
  for (int64_t i = 0; i < chunks; ++i) {
    const int64_t words = smaller(kChunkWords<c>, m.row_words - first - i * kChunkWords<c>);
    unpack_chunk<c>(rows, i, __mmask16((1u << words) - 1), out + i * kChunk<c> * kFixedColumns);
  }
}

// All scales and biases of 16 rows, to [group][32 columns].
template <Code c>
void unpack_scales(const PackedMatrix& m, int64_t row, float* scales, float* biases) {
  for (int64_t g = 0; g < m.row_groups; g += 16) {
    const int64_t count = smaller(16, m.row_groups - g);
    const __mmask16 some = first_lanes(count);
    __m512i s[16], b[16];
    for (int r = 0; r < 16; ++r) {
      const int64_t at = smaller(row + r, m.rows - 1) * m.row_groups + g;
      const __m512 v = load_scales<c>(m, at, some);
      s[r] = (__m512i)v;
      b[r] = (__m512i)load_biases<c>(m, at, some, v);
    }
    transpose_words(s);
    transpose_words(b);
    for (int64_t t = 0; t < count; ++t) {
      _mm512_store_si512(scales + (g + t) * kFixedColumns, s[t]);
      _mm512_store_si512(biases + (g + t) * kFixedColumns, b[t]);
    }
  }
}
OLIVINE_INLINE __m512 widen_words(float16_t, __m512i v) {
  return _mm512_maskz_cvtph_ps(0xffff, _mm512_maskz_cvtepi32_epi16(0xffff, v));
}
OLIVINE_INLINE __m512 widen_words(bfloat16_t, __m512i v) {
  return (__m512)_mm512_maskz_slli_epi32(0xffff, v, 16);
}
// The same of 16 bits each, a bias and a scale in a word.
template <class T>
void unpack_halves(const PackedMatrix& m, int64_t row, float* scales, float* biases) {
  for (int64_t g = 0; g < m.row_groups; g += 16) {
    const int64_t count = smaller(16, m.row_groups - g);
    const __mmask16 some = first_lanes(count);
    const auto load = [&](const char* from, int64_t at) __attribute__((always_inline)) {
      return _mm512_maskz_cvtepu16_epi32(0xffff, _mm256_maskz_loadu_epi16(some, from + 2 * at));
    };
    __m512i v[16];
    for (int r = 0; r < 16; ++r) {
      const int64_t at = smaller(row + r, m.rows - 1) * m.row_groups + g;
      const __m512i scale = _mm512_maskz_slli_epi32(0xffff, load(m.scales, at), 16);
      v[r] = _mm512_or_si512(scale, load(m.biases, at));
    }
    transpose_words(v);
    for (int64_t t = 0; t < count; ++t) {
      const __m512i scale = _mm512_maskz_srli_epi32(0xffff, v[t], 16);
      _mm512_store_ps(scales + (g + t) * kFixedColumns, widen_words(T{}, scale));
      _mm512_store_ps(biases + (g + t) * kFixedColumns, widen_words(T{}, v[t]));
    }
  }
}

template <Code c>
void unpack_tile(const PackedMatrix& m, int64_t row, int64_t end, int64_t k, int64_t depth,
                 Weights& w) {
  const int64_t size = m.format.group_size;
  w.groups = depth / size;
  for (int half = 0; half < 2; ++half) {
    unpack_rows<c>(m, row + 16 * half, k, depth, w.codes + 64 * half);
  }
  w.groups_in_chunk = larger(1, kChunk<c> / size);
  w.chunk_steps = larger(kChunk<c>, size) / 4;
  w.runs = kFields<c>;
  w.lanes = size / 4 / kFields<c>;
  w.run_stride = 16;
  // A part of the columns that follow, in the order that they lie in.
  constexpr int64_t bytes = kFixedColumns * bits_of(c) / 8;
  const bool last = row + 2 * kFixedColumns > end;
  w.next = reinterpret_cast<const char*>(m.words + (row + kFixedColumns) * m.row_words) + bytes * k;
  w.next_lines = last ? 0 : bytes * depth / 64;
}

struct Rows {
  const int8_t* planes;
  const float *units, *sums;
  int64_t plane_bytes, row_bytes, group_stride;
  float* acc;  // [row][32 columns]
};

// sum[p] += plane p of R rows times the codes of `lanes` steps, each of which is read once.
template <int P, int R>
OLIVINE_INLINE void add_steps(const uint8_t* codes, const int8_t* planes, const Rows& x,
                              int64_t lanes, __m512i (&sum)[P][R][2]) {
  // Few enough addresses for the registers: one of each plane, and three distances.
  const int64_t to[4] = {0, x.row_bytes, 2 * x.row_bytes, 3 * x.row_bytes};
  const int8_t* at[P];
  for (int p = 0; p < P; ++p) at[p] = planes + p * x.plane_bytes;
  const auto step = [&](int t) __attribute__((always_inline)) {
    const __m512i low = _mm512_load_si512(codes + t * 4 * kFixedColumns);
    const __m512i high = _mm512_load_si512(codes + t * 4 * kFixedColumns + 64);
#pragma GCC unroll 3
    for (int p = 0; p < P; ++p) {
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) {
        int32_t four;
        std::memcpy(&four, at[p] + to[r] + 4 * t, 4);
        const __m512i v = _mm512_set1_epi32(four);
        add_products(sum[p][r][0], low, v);
        add_products(sum[p][r][1], high, v);
      }
    }
  };
  const auto advance = [&](int steps) __attribute__((always_inline)) {
    codes += steps * 4 * kFixedColumns;
    for (int p = 0; p < P; ++p) at[p] += 4 * steps;
  };
  for (; lanes >= 4; lanes -= 4) {
#pragma GCC unroll 4
    for (int t = 0; t < 4; ++t) step(t);
    advance(4);
  }
  for (; lanes > 0; --lanes) {
    step(0);
    advance(1);
  }
}

template <int P, int R>
void multiply_rows(const Weights& w, const Rows& x) {
  const int64_t lines = (w.next_lines + w.groups - 1) / w.groups;
  for (int64_t g = 0; g < w.groups; ++g) {
    for (int64_t i = g * lines; i < (g + 1) * lines; ++i) {
      __builtin_prefetch(w.next + 64 * i, 0, 2);  // not to the first cache: the tile is there
    }
    const int64_t step = g / w.groups_in_chunk * w.chunk_steps + g % w.groups_in_chunk * w.lanes;
    __m512i sum[P][R][2] = {};
    for (int64_t run = 0; run < w.runs; ++run) {
      const int64_t at = 4 * (step + run * w.run_stride);
      add_steps<P, R>(w.codes + at * kFixedColumns, x.planes + at, x, w.lanes, sum);
    }
    const __m512 scales[2] = {_mm512_load_ps(w.scales + g * kFixedColumns),
                              _mm512_load_ps(w.scales + g * kFixedColumns + 16)};
    const __m512 biases[2] = {_mm512_load_ps(w.biases + g * kFixedColumns),
                              _mm512_load_ps(w.biases + g * kFixedColumns + 16)};
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      const float unit = x.units[r * x.group_stride + g] * (P == 2 ? 256 : 1);
      const __m512 total = _mm512_set1_ps(x.sums[r * x.group_stride + g]);
#pragma GCC unroll 2
      for (int h = 0; h < 2; ++h) {
        float* acc = x.acc + r * kFixedColumns + 16 * h;
        const __m512i high = _mm512_maskz_slli_epi32(0xffff, sum[0][r][h], 8);
        __m512 v = _mm512_maskz_cvtepi32_ps(0xffff, _mm512_add_epi32(high, sum[1][r][h]));
        if constexpr (P == 3) {
          v = _mm512_fmadd_ps(v, _mm512_set1_ps(256),
                              _mm512_maskz_cvtepi32_ps(0xffff, sum[2][r][h]));
        }
        const __m512 before = _mm512_fmadd_ps(biases[h], total, _mm512_load_ps(acc));
        _mm512_store_ps(acc, _mm512_fmadd_ps(v, scales[h] * _mm512_set1_ps(unit), before));
      }
    }
  }
}

template <int R>
void multiply_block(const Weights& w, const FixedRows& x, int64_t row, float* acc) {
  const int64_t group = row * x.group_stride;
  const Rows rows{x.planes + row * x.row_bytes,
                  x.units + group,
                  x.sums + group,
                  x.plane_bytes,
                  x.row_bytes,
                  x.group_stride,
                  acc + row * kFixedColumns};
  bool three = false;
  for (int r = 0; r < R; ++r) three = three || x.plane_count[row + r] == 3;
  if (three) {
    multiply_rows<3, R>(w, rows);
  } else {
    multiply_rows<2, R>(w, rows);
  }
}

// All rows of x, in blocks of about the same size.
void multiply_tile(Weights& w, const FixedRows& x, float* acc) {
  const int64_t blocks = (x.rows + kBlock - 1) / kBlock;
  w.next_lines = (w.next_lines + blocks - 1) / blocks;
  for (int64_t b = 0; b < blocks; ++b, w.next += 64 * w.next_lines) {
    const int64_t row = b * x.rows / blocks;
    switch ((b + 1) * x.rows / blocks - row) {
      case 1:
        multiply_block<1>(w, x, row, acc);
        break;
      case 2:
        multiply_block<2>(w, x, row, acc);
        break;
      case 3:
        multiply_block<3>(w, x, row, acc);
        break;
      default:
        multiply_block<4>(w, x, row, acc);
    }
  }
}

// Columns [n, n + 32) of the result, or those before `end`.
template <Code c>
void tile(const FixedProductArgs& a, int64_t n) {
  const PackedMatrix& m = a.matrix;
  const int64_t size = m.format.group_size, columns = smaller(kFixedColumns, a.end - n);
  Weights w{};
  w.codes = static_cast<uint8_t*>(a.work);
  w.scales = reinterpret_cast<float*>(w.codes + kFixedColumns * kFixedDepth);
  w.biases = w.scales + kFixedColumns * m.row_groups;
  float* acc = w.biases + kFixedColumns * m.row_groups;
  fill(acc, a.x.rows * kFixedColumns, 0.0F);
  for (int half = 0; half < 2; ++half) {
    float *scales = w.scales + 16 * half, *biases = w.biases + 16 * half;
    const bool halves = c != Code::e2m1 && m.biases && m.scale_dtype.size() == 2;
    if (halves && m.scale_dtype == bfloat16) {
      unpack_halves<bfloat16_t>(m, n + 16 * half, scales, biases);
    } else if (halves) {
      unpack_halves<float16_t>(m, n + 16 * half, scales, biases);
    } else {
      unpack_scales<c>(m, n + 16 * half, scales, biases);
    }
  }
  for (int64_t k = 0; k < a.x.k; k += kFixedDepth) {
    unpack_tile<c>(m, n, a.end, k, smaller(kFixedDepth, a.x.k - k), w);
    FixedRows x = a.x;
    x.planes += k;
    x.units += k / size;
    x.sums += k / size;
    multiply_tile(w, x, acc);
    w.scales += w.groups * kFixedColumns;
    w.biases += w.groups * kFixedColumns;
  }
  for (int64_t r = 0; r < a.x.rows; ++r) {
    for (int64_t j = 0; j < columns; j += 16) {
      store_results(a.dtype, a.out, r * a.out_stride + n + j, columns - j,
                    _mm512_load_ps(acc + r * kFixedColumns + j));
    }
  }
}

}  // namespace

void fixed_tile(const FixedProductArgs& a) {
  with_byte_code(a.matrix.format, [&](auto code) {
    for (int64_t n = a.begin; n < a.end; n += kFixedColumns) tile<decltype(code)::value>(a, n);
  });
}

}  // namespace olivine::cpu::OLIVINE_ISA
