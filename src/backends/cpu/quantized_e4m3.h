// Products of few rows with codes of e4m3 (mxfp8), which no integers of a byte can stand for.
#pragma once

#include "backends/cpu/quantized.h"

namespace olivine::cpu {

// Floats of a prepared row: whole chunks, in the order that codes are looked up in.
inline constexpr int64_t kE4m3Chunk = 64;
constexpr int64_t e4m3_row_size(int64_t k) {
  return (k + kE4m3Chunk - 1) / kE4m3Chunk * kE4m3Chunk;
}

struct E4m3Kernels {
  void (*prepare)(const PackedProduct& p, float* out);
  // Columns [begin, end) of the result.
  void (*dot)(const PackedProduct& p, const float* x, int64_t begin, int64_t end);
  int64_t most_rows;  // of x, up to which it is faster than gemm
};

namespace avx512_bf16 {
extern const E4m3Kernels e4m3_kernels;
}

// Whether multiply_e4m3() is the way to the product.
bool has_e4m3_product(const PackedProduct& p);
void multiply_e4m3(const PackedProduct& p);

}  // namespace olivine::cpu
