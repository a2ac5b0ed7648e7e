// What an instruction set provides for packed weights (ops/quantized_params.h has the formats).
#pragma once

#include <cstdint>

#include "backends/cpu/isa.h"
#include "ops/quantized_params.h"

namespace olivine::cpu {

// Rows of packed codes. Floating scales and biases have dtype `scale_dtype`, others are bytes.
struct PackedMatrix {
  QuantFormat format;
  Dtype scale_dtype = uint8;
  const uint32_t* words = nullptr;
  const char* scales = nullptr;
  const char* biases = nullptr;  // null unless the format has them
  float global = 1;              // all scales are multiplied by it
  int64_t rows = 0, row_words = 0, row_groups = 0;
};

// Groups of float16, bfloat16 or float32 values into codes.
struct QuantizeArgs {
  QuantFormat format;
  Dtype dtype = float32;
  const void* values = nullptr;
  int64_t groups = 0;
  float inverse_global = 1;  // 2688 / global scale
  bool has_global = false;
  uint32_t* words = nullptr;
  void* scales = nullptr;
  void* biases = nullptr;
};

// Values [col, col + cols) of rows [row, row + rows); col and cols are whole groups and multiples
// of 32, but for the end of a row.
struct DequantizeArgs {
  const PackedMatrix& matrix;
  Dtype dtype = float32;
  int64_t row = 0, rows = 0, col = 0, cols = 0;
  void* out = nullptr;
  int64_t out_stride = 0;  // in elements
  bool exact = true;       // scale * code rounded before the bias is added, as in arithmetic on T
};

// Rows of x prepared for dot(): floats in the order that codes are unpacked in, zero from k to the
// next multiple of 32, then the sums over groups.
struct PrepareArgs {
  const PackedMatrix& matrix;
  Dtype dtype = float32;
  const void* x = nullptr;
  int64_t rows = 0, k = 0;
  float* out = nullptr;
};

// out[r, n] = sum over k of x[r, k] w[n, k] for rows [begin, end) of w.
inline constexpr int64_t kDotWork = 8;
struct DotArgs {
  const PackedMatrix& matrix;
  const float* x = nullptr;  // prepared
  int64_t x_rows = 0, k = 0;
  int64_t begin = 0, end = 0;
  Dtype dtype = float32;
  void* out = nullptr;
  int64_t out_stride = 0;
  float* work = nullptr;  // room for kDotWork * row_groups
};

// Contiguous rows of x with one matrix.
struct PackedProduct {
  const PackedMatrix& matrix;
  Dtype dtype;
  bool transpose;
  const char* x;
  int64_t m, k, n;
  char* out;
};

using QuantizeFn = void (*)(const QuantizeArgs&);
struct QuantizedKernels {
  void (*dequantize)(const DequantizeArgs&);
  void (*prepare)(const PrepareArgs&);
  void (*dot)(const DotArgs&);
  int64_t few_rows;  // of x, up to which dot() is faster than unpacking for gemm
};

#define OLIVINE_DECLARE_QUANTIZED_KERNELS(isa)     \
  namespace isa {                                  \
  extern const QuantizedKernels quantized_kernels; \
  extern const QuantizeFn quantize_groups;         \
  }
OLIVINE_DECLARE_QUANTIZED_KERNELS(plain)
OLIVINE_DECLARE_QUANTIZED_KERNELS(avx2)
OLIVINE_DECLARE_QUANTIZED_KERNELS(avx512)
#undef OLIVINE_DECLARE_QUANTIZED_KERNELS

// Dot products of floats, for few rows of x.
void multiply_few(const PackedProduct& p);

// Floats of a prepared row, its group sums included.
constexpr int64_t prepared_size(int64_t k, int64_t groups) { return (k + 31) / 32 * 32 + groups; }

}  // namespace olivine::cpu
