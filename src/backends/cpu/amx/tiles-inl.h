// Packing of bfloat16 panels for tile registers, and their products.
#pragma once

#include "backends/cpu/amx/tile_ops.h"
#include "backends/cpu/gemm/tiles.h"
#include "backends/cpu/transpose_words-inl.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

// The intrinsics without a mask make g++ 12 warn.
constexpr __mmask16 kAll = 0xffff;

// 32 steps of 16 lines, each a vector of pairs of steps; `steps` of each are there, the rest zero.
inline void load_lines(const uint16_t* src, int64_t line_stride, int64_t lines, int64_t steps,
                       __m512i (&v)[16]) {
  const __mmask32 some = steps >= 32 ? ~0u : (1u << steps) - 1;
  for (int64_t i = 0; i < 16; ++i) {
    v[i] =
        i < lines ? _mm512_maskz_loadu_epi16(some, src + i * line_stride) : _mm512_setzero_si512();
  }
}

// The same of lines that lie side by side, a vector of all lines for each pair of steps.
inline void load_pairs(const uint16_t* src, int64_t k_stride, int64_t lines, int64_t steps,
                       __m512i (&v)[16]) {
  const __mmask16 some = (1u << lines) - 1;
  for (int64_t p = 0; p < 16; ++p) {
    const uint16_t* at = src + 2 * p * k_stride;
    const __m256i even =
        2 * p < steps ? _mm256_maskz_loadu_epi16(some, at) : _mm256_setzero_si256();
    const __m256i odd =
        2 * p + 1 < steps ? _mm256_maskz_loadu_epi16(some, at + k_stride) : _mm256_setzero_si256();
    v[p] =
        _mm512_or_si512(_mm512_maskz_cvtepu16_epi32(kAll, even),
                        _mm512_maskz_slli_epi32(kAll, _mm512_maskz_cvtepu16_epi32(kAll, odd), 16));
  }
}

inline void load_strided(const uint16_t* src, const TilePackArgs& args, int64_t steps,
                         __m512i (&v)[16]) {
  alignas(64) uint16_t copy[16][32] = {};
  for (int64_t i = 0; i < args.lines; ++i) {
    for (int64_t p = 0; p < steps; ++p) copy[i][p] = src[i * args.line_stride + p * args.k_stride];
  }
  for (int i = 0; i < 16; ++i) v[i] = _mm512_load_si512(copy[i]);
}

// A tile has a vector for each line, or for each pair of steps.
template <bool by_lines>
void pack(const TilePackArgs& args) {
  const uint16_t* src = static_cast<const uint16_t*>(args.src);
  char* dst = static_cast<char*>(args.dst);
  for (int64_t k = 0; k < args.k; k += kTileSteps, dst += kTileBytes) {
    const int64_t steps = args.k - k < kTileSteps ? args.k - k : kTileSteps;
    const uint16_t* at = src + k * args.k_stride;
    __m512i v[16];
    bool has_lines = true;
    if (args.k_stride == 1) {
      load_lines(at, args.line_stride, args.lines, steps, v);
    } else if (args.line_stride == 1) {
      load_pairs(at, args.k_stride, args.lines, steps, v);
      has_lines = false;
    } else {
      load_strided(at, args, steps, v);
    }
    if (has_lines != by_lines) transpose_words(v);
    for (int i = 0; i < 16; ++i) _mm512_store_si512(dst + 64 * i, v[i]);
  }
}

// rows x cols tiles of sums, in registers 0 to 3, from panels that follow each other.
template <int rows, int cols>
void multiply_block(const char* a, const char* b, int64_t k_tiles, float* sums, int64_t stride,
                    bool accumulate) {
  const int64_t panel = k_tiles * kTileBytes, row_bytes = 4 * stride;
  float *const right = sums + kTileLines, *const below = sums + kTileLines * stride,
               *const across = below + kTileLines;
  if (accumulate) {
    tile_load<0>(sums, row_bytes);
    if constexpr (cols > 1) tile_load<1>(right, row_bytes);
    if constexpr (rows > 1) tile_load<2>(below, row_bytes);
    if constexpr (rows > 1 && cols > 1) tile_load<3>(across, row_bytes);
  } else {
    tile_zero<0>();
    if constexpr (cols > 1) tile_zero<1>();
    if constexpr (rows > 1) tile_zero<2>();
    if constexpr (rows > 1 && cols > 1) tile_zero<3>();
  }
  for (int64_t k = 0; k < k_tiles; ++k, a += kTileBytes, b += kTileBytes) {
    tile_load<4>(a, 64);
    tile_load<6>(b, 64);
    tile_multiply<0, 4, 6>();
    if constexpr (cols > 1) {
      tile_load<7>(b + panel, 64);
      tile_multiply<1, 4, 7>();
    }
    if constexpr (rows > 1) {
      tile_load<5>(a + panel, 64);
      tile_multiply<2, 5, 6>();
    }
    if constexpr (rows > 1 && cols > 1) tile_multiply<3, 5, 7>();
  }
  tile_store<0>(sums, row_bytes);
  if constexpr (cols > 1) tile_store<1>(right, row_bytes);
  if constexpr (rows > 1) tile_store<2>(below, row_bytes);
  if constexpr (rows > 1 && cols > 1) tile_store<3>(across, row_bytes);
}

// Two panels of a at most stay in the L1 cache while those of b stream past them.
void multiply(const TileMultiplyArgs& args) {
  [[maybe_unused]] const TileState state;
  const int64_t panel = args.k_tiles * kTileBytes;
  for (int64_t row = 0; row < args.row_panels; row += 2) {
    for (int64_t col = 0; col < args.col_panels; col += 2) {
      const bool two_rows = row + 1 < args.row_panels, two_cols = col + 1 < args.col_panels;
      const auto block = two_rows ? (two_cols ? multiply_block<2, 2> : multiply_block<2, 1>)
                                  : (two_cols ? multiply_block<1, 2> : multiply_block<1, 1>);
      block(args.a + row * panel, args.b + col * panel, args.k_tiles,
            args.sums + (row * args.sum_stride + col) * kTileLines, args.sum_stride,
            args.accumulate);
    }
  }
}

}  // namespace
}  // namespace olivine::cpu::OLIVINE_ISA
