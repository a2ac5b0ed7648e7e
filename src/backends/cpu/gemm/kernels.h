// What an instruction set provides to matrix products: one table of functions per dtype.
#pragma once

#include <cstdint>

#include "backends/cpu/isa.h"
#include "olivine/dtype.h"

namespace olivine::cpu {

// Packing turns up to `width` lines (rows of a, columns of b) into a panel: for each step along k
// the elements of all lines side by side, in the type that is computed in, zero up to packed_width.
// A complex product is a real one: each a becomes [re im] along k, each b [[re im] [-im re]].
struct PackArgs {
  const void* src;
  int64_t line_stride, k_stride;
  int64_t width, packed_width;  // lines of src; packed elements per step
  int64_t k;                    // steps along k in src
  void* dst;
};

// Rows [first, last) of panel i of `count` that share `size` lines evenly.
constexpr int64_t split(int64_t i, int64_t count, int64_t size) { return i * size / count; }

// One block along k of a tile of c: acc (+)= a @ b for panels [row_begin, row_end) of a, which
// share `rows` lines evenly, and [col_begin, col_end) of b, all nr wide but the last.
struct MultiplyArgs {
  const void* a;
  const void* b;
  int64_t packed_k;  // steps in a whole panel
  int64_t k_begin, k_end;
  int64_t rows, row_panels, row_begin, row_end;
  int64_t cols, col_begin, col_end;
  void* acc;  // the first element of the tile
  int64_t acc_stride;
  bool accumulate;
};

// c = alpha * acc + beta * addend, converted to the dtype; cols counts elements of c.
struct FinishArgs {
  const void* acc;
  int64_t acc_stride;  // in elements of the type computed in
  int64_t rows, cols;
  double alpha, beta;
  void* c;
  int64_t c_row_stride;
  const void* addend;  // may be null
  int64_t addend_row_stride, addend_col_stride;
};

// y[j] = sum over p of x[p] * matrix(p, j), with x and y contiguous in the type computed in.
struct GemvArgs {
  const void* x;
  const void* matrix;
  int64_t stride;  // of the axis that is not contiguous
  int64_t k, n;
  void* y;
};

struct GemmKernels {
  int mr, nr;       // largest panels of a and b, in packed elements
  int k_block;      // packed steps that are summed before they are added to c
  int parts;        // packed elements per element: 2 if complex
  int packed_size;  // bytes of a packed element
  void (*pack_a)(const PackArgs&);
  void (*pack_b)(const PackArgs&);
  void (*multiply)(const MultiplyArgs&);
  void (*finish)(const FinishArgs&);
  // Null if complex. Contiguous along k, and along n.
  void (*gemv_dot)(const GemvArgs&);
  void (*gemv_axpy)(const GemvArgs&);
};

// In the order of Dtype, from float16 on.
inline constexpr int kGemmDtypes = 6;

#define OLIVINE_DECLARE_GEMM_KERNELS(isa)             \
  namespace isa {                                     \
  extern const GemmKernels gemm_kernels[kGemmDtypes]; \
  }
OLIVINE_DECLARE_GEMM_KERNELS(plain)
OLIVINE_DECLARE_GEMM_KERNELS(avx2)
OLIVINE_DECLARE_GEMM_KERNELS(avx512)
OLIVINE_DECLARE_GEMM_KERNELS(avx512_bf16)
#undef OLIVINE_DECLARE_GEMM_KERNELS

}  // namespace olivine::cpu
