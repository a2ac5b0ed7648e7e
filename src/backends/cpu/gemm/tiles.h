// Products of bfloat16 by a unit that multiplies tiles of 16 rows by 64 bytes (AMX).
//
// A packed panel holds 16 rows of a, or 16 columns of b, as one tile of 1 KiB for every 32 steps
// along k, padded with zeros. A tile of a has a row's 32 steps side by side, one of b has for each
// two steps the pairs of all columns.
#pragma once

#include <cstdint>

#include "backends/cpu/gemm/product.h"

namespace olivine::cpu {

inline constexpr int64_t kTileLines = 16, kTileSteps = 32, kTileBytes = 1024;

// Up to 16 lines (rows of a, columns of b); strides count elements.
struct TilePackArgs {
  const void* src;
  int64_t line_stride, k_stride;
  int64_t lines, k;
  void* dst;
};

// sums (+)= a @ b for whole panels.
struct TileMultiplyArgs {
  const char *a, *b;
  int64_t row_panels, col_panels, k_tiles;
  float* sums;
  int64_t sum_stride;
  bool accumulate;
};

struct TileKernels {
  void (*pack_rows)(const TilePackArgs&);
  void (*pack_cols)(const TilePackArgs&);
  void (*multiply)(const TileMultiplyArgs&);
};

namespace amx {
extern const TileKernels tile_kernels;
}

// Null if the instruction set has none for the dtype.
const TileKernels* tile_kernels_for(Dtype dtype, Isa isa);
// Large enough to pay for packing.
bool suits_tiles(const Product& product);
void multiply_tiles(const Product& product);
// What it allocates, as it is counted, on so many threads.
int64_t tiles_workspace(const Product& product, int64_t threads);

}  // namespace olivine::cpu
