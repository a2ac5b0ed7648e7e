// Products of small float matrices that lie in cache: a register block of c, looped over a tile.
#pragma once

#include "backends/cpu/vec-math-inl.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

// c (+)= a @ b with m rows, n columns and k steps. Elements of a have any strides; the rows of b
// and c are n contiguous floats, n a multiple of a vector's lanes.
struct TileProduct {
  const float* a;
  int64_t a_row, a_step;
  const float* b;
  int64_t b_step;
  float* c;
  int64_t c_row;
  int64_t m, n, k;
  bool accumulate;
};

// Accumulators, one row of b and one element of a stay in registers. Of an odd number of vectors
// the last three go together, where there are registers for fewer rows of them: one alone has too
// few accumulators to hide the latency of each.
#if defined(__AVX512BW__)
constexpr int kBlockVectors = 4, kMostVectors = 4;
constexpr int block_rows(int) { return 6; }
#elif defined(__AVX2__)
constexpr int kBlockVectors = 2, kMostVectors = 3;
constexpr int block_rows(int vectors) { return vectors == 3 ? 4 : 6; }
#else
constexpr int kBlockVectors = 4, kMostVectors = 4;
constexpr int block_rows(int) { return 2; }
#endif

template <int rows, int vectors>
void block_product(const TileProduct& t, int64_t i, int64_t j) {
  constexpr int lanes = kVectorBytes / 4;
  const float* a = t.a + i * t.a_row;
  const float* b = t.b + j;
  Native<float> acc[rows][vectors] = {};
  for (int64_t p = 0; p < t.k; ++p) {
    Native<float> row[vectors];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) row[v] = load_native<float>(b + v * lanes);
#pragma GCC unroll 6
    for (int r = 0; r < rows; ++r) {
      const Native<float> x = all_lanes<float>(a[r * t.a_row]);
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) acc[r][v] = mul_add(x, row[v], acc[r][v]);
    }
    a += t.a_step;
    b += t.b_step;
  }
#pragma GCC unroll 6
  for (int r = 0; r < rows; ++r) {
    float* c = t.c + (i + r) * t.c_row + j;
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) {
      Native<float> x = acc[r][v];
      if (t.accumulate) x = x + load_native<float>(c + v * lanes);
      store_native(c + v * lanes, x);
    }
  }
}

using BlockProduct = void (*)(const TileProduct&, int64_t, int64_t);
using BlockProductTable = BlockProduct[6][kMostVectors];

template <int rows, int vectors>
constexpr void fill_block_products(BlockProductTable& table) {
  table[rows - 1][vectors - 1] = block_product<rows, vectors>;
  if constexpr (rows > 1) {
    fill_block_products<rows - 1, vectors>(table);
  } else if constexpr (vectors > 1) {
    fill_block_products<block_rows(vectors - 1), vectors - 1>(table);
  }
}
struct BlockProducts {
  BlockProductTable at;
  constexpr BlockProducts() : at() {
    fill_block_products<block_rows(kMostVectors), kMostVectors>(at);
  }
};
constexpr BlockProducts kBlockProducts{};

inline void multiply(const TileProduct& t) {
  constexpr int64_t lanes = kVectorBytes / 4;
  for (int64_t j = 0; j < t.n;) {
    const int64_t left = (t.n - j) / lanes;
    const int64_t vectors = left == kMostVectors ? left : smaller(kBlockVectors, left);
    const int64_t rows = block_rows(static_cast<int>(vectors));
    for (int64_t i = 0; i < t.m; i += rows) {
      kBlockProducts.at[smaller(rows, t.m - i) - 1][vectors - 1](t, i, j);
    }
    j += vectors * lanes;
  }
}

}  // namespace
}  // namespace olivine::cpu::OLIVINE_ISA
