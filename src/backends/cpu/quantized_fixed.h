// Products with packed weights by integer dot products, where the CPU has them.
//
// Each group of a row of x becomes fixed point: integers of 16 or 24 bits times a power of two of
// its own, split into planes: of signed bytes for dot products of bytes (vnni/), of words and bytes
// for those of words (madd/). Codes times planes add up exactly within a group; then come one
// conversion and one multiplication by the scales.
#pragma once

#include "backends/cpu/quantized.h"

namespace olivine::cpu {

inline constexpr int kPlanes = 3;

// A row has 2 planes where 16 bits say what its dtype does, else 3, and none where a group has too
// wide a range or is not finite: such a row is for the float kernels.
struct FixedRows {
  int64_t rows = 0, k = 0;
  int64_t plane_bytes = 0;   // of a plane of a row: k and zeros up to whole chunks
  int64_t row_bytes = 0;     // from a row's planes to the next one's
  int64_t group_stride = 0;  // groups of a row, and zeros
  int8_t* planes = nullptr;  // [row][plane][byte], the highest plane first, in a chunk's order; or
                             // [row], a plane of words, and one of bytes
  float* units = nullptr;    // [row][group]: what the lowest bit of the third plane stands for
  float* sums = nullptr;     // [row][group]: of the values
  uint8_t* plane_count = nullptr;  // [row]
};

struct FixedPrepareArgs {
  QuantFormat format;
  Dtype dtype = float32;
  const void* x = nullptr;
  int64_t row = 0, rows = 0;  // of x and of `out`
  const FixedRows& out;
};

// out[r, n] = sum over k of x[r, k] w[n, k] for the rows of x, and rows [begin, end) of w.
struct FixedProductArgs {
  const PackedMatrix& matrix;
  const FixedRows& x;
  int64_t begin = 0, end = 0;
  Dtype dtype = float32;
  void* out = nullptr;
  int64_t out_stride = 0;
  void* work = nullptr;  // 64-byte aligned; fixed_tile_work() bytes for a tile
};

struct FixedKernels {
  int64_t (*chunk)(const QuantFormat&);  // codes that are unpacked at once; 0 where there is no way
  void (*prepare)(const FixedPrepareArgs&);
  void (*dot)(const FixedProductArgs&);   // for few rows of x: reads each weight once
  void (*tile)(const FixedProductArgs&);  // for more rows; begin: whole tiles
  int64_t dot_work;                       // bytes of `work` that dot() needs for each group
};

inline constexpr int64_t kFixedColumns = 32;    // of the result, in a tile
inline constexpr int64_t kFixedDepth = 512;     // codes of a row that a tile unpacks at once
inline constexpr int64_t kFixedDotColumns = 4;  // of the result, that dot() computes at once

constexpr int64_t fixed_group_stride(int64_t groups) { return (groups + 31) / 16 * 16; }
// Codes; scales and biases; sums.
constexpr int64_t fixed_tile_work(int64_t rows, int64_t groups) {
  return kFixedColumns * (kFixedDepth + (2 * groups + rows) * int64_t(sizeof(float)));
}

namespace avx2 {
extern const FixedKernels fixed_kernels;  // without tile(); whole chunks only
}
namespace avx512_bf16 {
extern const FixedKernels fixed_kernels;
}

// Whether multiply_fixed() is the way to the product.
bool has_fixed_product(const PackedProduct& p);
void multiply_fixed(const PackedProduct& p);

}  // namespace olivine::cpu
