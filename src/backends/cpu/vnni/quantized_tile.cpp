// Tiles of products of packed rows with rows of fixed point: codes are unpacked once per tile.
//
// A lane of a register has one column of the result. Codes are laid out so that a step along k, of
// four codes for each of 32 columns, meets four bytes of x in all lanes.
#include "backends/cpu/vnni/codes-inl.h"
#include "backends/cpu/vnni/quantized_kernels.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

constexpr int kBlock = 8;  // rows of x that share a read of the codes

// Words of 32 bits.
OLIVINE_INLINE void transpose_words(__m512i (&v)[16]) {
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

// What all rows of x meet: codes [step][32 columns][4], scales and biases [group][32 columns].
struct Weights {
  uint8_t* codes;
  float *scales, *biases;
  int64_t groups;
  // A group's steps: `runs` times `lanes` of them, `run_stride` apart.
  int64_t runs, lanes, run_stride;
  int64_t groups_in_chunk, chunk_steps;  // where a chunk has several groups, else 1 and a group's
  // Packed codes to fetch meanwhile, a line at a time.
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

// Scales and biases of 16 rows, from group `first` on, to [group][32 columns].
template <Code c>
void unpack_scales(const PackedMatrix& m, int64_t row, int64_t first, int64_t groups, float* scales,
                   float* biases) {
  for (int64_t g = 0; g < groups; g += 16) {
    const int64_t count = smaller(16, groups - g);
    const __mmask16 some = first_lanes(count);
    __m512i s[16], b[16];
    for (int r = 0; r < 16; ++r) {
      const int64_t at = smaller(row + r, m.rows - 1) * m.row_groups + first + g;
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

template <Code c>
void unpack_tile(const PackedMatrix& m, int64_t row, int64_t k, int64_t depth, Weights& w) {
  const int64_t size = m.format.group_size, first = k / size;
  w.groups = depth / size;
  for (int half = 0; half < 2; ++half) {
    unpack_scales<c>(m, row + 16 * half, first, w.groups, w.scales + 16 * half,
                     w.biases + 16 * half);
    unpack_rows<c>(m, row + 16 * half, k, depth, w.codes + 64 * half);
  }
  w.groups_in_chunk = larger(1, kChunk<c> / size);
  w.chunk_steps = larger(kChunk<c>, size) / 4;
  w.runs = kFields<c>;
  w.lanes = size / 4 / kFields<c>;
  w.run_stride = 16;
  // A part of the columns that follow, in the order that they lie in.
  constexpr int64_t bytes = kFixedColumns * bits_of(c) / 8;
  const bool last = row + kFixedColumns >= m.rows;
  w.next = reinterpret_cast<const char*>(m.words + (row + kFixedColumns) * m.row_words) + bytes * k;
  w.next_lines = last ? 0 : bytes * depth / 64;
}

struct Rows {
  const int8_t* planes;
  const float *units, *sums;
  int64_t plane_bytes, row_bytes, group_stride;
  float* acc;  // [row][32 columns]
};

// sum += a plane of R rows times the codes of a group.
template <int R>
OLIVINE_INLINE void add_group(const Weights& w, const uint8_t* codes, const int8_t* x,
                              int64_t row_bytes, __m512i (&sum)[R][2]) {
  for (int64_t run = 0; run < w.runs; ++run) {
    const uint8_t* from = codes + run * w.run_stride * 4 * kFixedColumns;
    const int8_t* at = x + run * w.run_stride * 4;
    for (int64_t t = 0; t < w.lanes; ++t, from += 4 * kFixedColumns, at += 4) {
      const __m512i low = _mm512_load_si512(from), high = _mm512_load_si512(from + 64);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        int32_t four;
        std::memcpy(&four, at + r * row_bytes, 4);
        const __m512i v = _mm512_set1_epi32(four);
        add_products(sum[r][0], low, v);
        add_products(sum[r][1], high, v);
      }
    }
  }
}

template <int P, int R>
void multiply_rows(const Weights& w, const Rows& x) {
  const int64_t lines = (w.next_lines + w.groups - 1) / w.groups;
  for (int64_t g = 0; g < w.groups; ++g) {
    for (int64_t i = g * lines; i < (g + 1) * lines; ++i) __builtin_prefetch(w.next + 64 * i);
    const int64_t step = g / w.groups_in_chunk * w.chunk_steps + g % w.groups_in_chunk * w.lanes;
    const uint8_t* codes = w.codes + step * 4 * kFixedColumns;
    const int8_t* planes = x.planes + step * 4;
    __m512i sum[R][2] = {};
    __m512 low[R][2];
    if constexpr (P == 3) {
      add_group<R>(w, codes, planes + 2 * x.plane_bytes, x.row_bytes, sum);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
        for (int h = 0; h < 2; ++h) {
          low[r][h] = _mm512_maskz_cvtepi32_ps(0xffff, sum[r][h]);
          sum[r][h] = _mm512_setzero_si512();
        }
      }
    }
    add_group<R>(w, codes, planes, x.row_bytes, sum);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
      for (int h = 0; h < 2; ++h) sum[r][h] = _mm512_maskz_slli_epi32(0xffff, sum[r][h], 8);
    }
    add_group<R>(w, codes, planes + x.plane_bytes, x.row_bytes, sum);
    const __m512 scales[2] = {_mm512_load_ps(w.scales + g * kFixedColumns),
                              _mm512_load_ps(w.scales + g * kFixedColumns + 16)};
    const __m512 biases[2] = {_mm512_load_ps(w.biases + g * kFixedColumns),
                              _mm512_load_ps(w.biases + g * kFixedColumns + 16)};
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const float unit = x.units[r * x.group_stride + g] * (P == 2 ? 256 : 1);
      const __m512 total = _mm512_set1_ps(x.sums[r * x.group_stride + g]);

#pragma GCC unroll 2
      for (int h = 0; h < 2; ++h) {
        float* acc = x.acc + r * kFixedColumns + 16 * h;
        __m512 v = _mm512_maskz_cvtepi32_ps(0xffff, sum[r][h]);
        if constexpr (P == 3) v = _mm512_fmadd_ps(v, _mm512_set1_ps(256), low[r][h]);
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

// The rows after the last whole block.
template <int R>
void multiply_rest(const Weights& w, const FixedRows& x, int64_t row, float* acc) {
  if constexpr (R > 0) {
    if (x.rows - row == R) return multiply_block<R>(w, x, row, acc);
    multiply_rest<R - 1>(w, x, row, acc);
  }
}

template <Code c>
void tile(const FixedProductArgs& a) {
  const PackedMatrix& m = a.matrix;
  const int64_t size = m.format.group_size;
  Weights w{};
  w.codes = static_cast<uint8_t*>(a.work);
  w.scales = reinterpret_cast<float*>(w.codes + kFixedColumns * kFixedDepth);
  w.biases = w.scales + kFixedColumns * (kFixedDepth / 16);
  float* acc = w.biases + kFixedColumns * (kFixedDepth / 16);
  fill(acc, a.x.rows * kFixedColumns, 0.0F);
  for (int64_t k = 0; k < a.x.k; k += kFixedDepth) {
    unpack_tile<c>(m, a.begin, k, smaller(kFixedDepth, a.x.k - k), w);
    FixedRows x = a.x;
    x.planes += k;
    x.units += k / size;
    x.sums += k / size;
    int64_t row = 0;
    for (; row + kBlock <= x.rows; row += kBlock) {
      multiply_block<kBlock>(w, x, row, acc);
      w.next_lines = 0;
    }
    multiply_rest<kBlock - 1>(w, x, row, acc);
  }
  for (int64_t r = 0; r < a.x.rows; ++r) {
    for (int64_t j = 0; j < a.end - a.begin; j += 16) {
      store_results(a.dtype, a.out, r * a.out_stride + a.begin + j, a.end - a.begin - j,
                    _mm512_load_ps(acc + r * kFixedColumns + j));
    }
  }
}

}  // namespace

void fixed_tile(const FixedProductArgs& a) {
  with_byte_code(a.matrix.format, [&](auto code) { tile<decltype(code)::value>(a); });
}

}  // namespace olivine::cpu::OLIVINE_ISA
