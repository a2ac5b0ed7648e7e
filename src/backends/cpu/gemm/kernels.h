// What an instruction set provides to matrix products: one table of functions per dtype.
#pragma once

#include <cstdint>

#include "backends/cpu/gemm/runs.h"
#include "backends/cpu/gemm/winograd.h"
#include "backends/cpu/isa.h"
#include "olivine/dtype.h"

namespace olivine::cpu {

// Packing turns up to `width` lines (rows of a, columns of b) into a panel: for each step along k
// the elements of all lines side by side, in the type that is computed in, zero up to packed_width.
// Complex elements of b are pairs; of a, a step has the real parts of all lines, then the others.
struct PackArgs {
  const void* src;
  int64_t line_stride, k_stride;
  // Lines of src, and packed elements per step. Lines side by side may be those of several panels,
  // which follow each other.
  int64_t width, packed_width;
  int64_t k;  // steps along k in src
  void* dst;  // nothing past the panel is written: threads pack neighbours
};

// Rows [first, last) of panel i of `count` that share `size` lines evenly.
constexpr int64_t split(int64_t i, int64_t count, int64_t size) { return i * size / count; }
// Where a block along k begins: even, so that steps can be packed in pairs.
constexpr int64_t block_bound(int64_t i, int64_t count, int64_t k) {
  return i == count ? k : split(i, count, k) / 2 * 2;
}

// Memory to fetch to the L2 cache, a little at a time: runs of `lines` cache lines.
struct Fetch {
  const char* next = nullptr;
  int64_t lines = 0, left = 0;  // of a run; of this one
  int64_t gap = 0;              // bytes from the end of a run to the next
  int64_t all = 0;              // lines to come
  int64_t rate = 0;             // lines for each kPrefetchSteps steps
};

// acc (+)= a @ b, or out = acc + a @ b, over k steps, for panels [row_begin, row_end) of the
// row_panels that share `rows` lines of a evenly, and for `cols` packed columns in panels of nr,
// the last maybe narrower.
struct MultiplyArgs {
  const void* a;  // panel row_begin; the others follow
  const void* b;
  int64_t b_step;        // 0: b is in panels too; else it lies in rows this far apart, and
  const void* b_narrow;  // this is its last panel, packed, if that takes no whole vectors
  int64_t k;
  int64_t rows, row_panels, row_begin, row_end;
  int64_t cols;
  void* acc;  // null if it is neither read nor written
  int64_t acc_stride;
  bool accumulate;  // else acc counts as zero
  void* out;        // in the dtype, or null
  int64_t out_stride;
  // Memory to prefetch meanwhile, one cache line per kPrefetchSteps: the j-th panel of rows or of
  // columns, whichever are several, starts j * ahead_panel bytes further while j < ahead_panels,
  // and each line is ahead_line after the last.
  const char* ahead;
  int64_t ahead_panels, ahead_panel, ahead_line;
  Fetch* fetch;           // more such memory, or null
  bool subtract = false;  // acc -= a @ b, if it accumulates; not complex
};
inline constexpr int kPrefetchSteps = 16;
// Panels of lines side by side that are best packed at once.
inline constexpr int kPanelsAtOnce = 4;

// c (+)= a @ b over k <= k_block steps, of a and b in the type computed in. Columns of b lie side
// by side, in panels of nr. Strides and columns count packed elements, two of them if complex.
struct DirectArgs {
  const void *a, *b;
  int64_t a_row, a_step, b_step, b_panel;  // from one row, step or panel to the next
  int64_t rows, cols, k;
  void* c;
  int64_t c_row;
  bool accumulate;
  bool subtract = false;  // c -= a @ b, if it accumulates; not complex
  // Memory to fetch to the L2 cache meanwhile: what the next product of a batch uses.
  struct Range {
    const char* begin;
    int64_t bytes;
  } ahead[3];
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

// y[j] = sum over p of x[p] * matrix(p, j), with x and y contiguous in the type computed in. Counts
// and strides are those of elements.
struct GemvArgs {
  const void* x;
  const void* matrix;
  int64_t stride;  // of the axis that is not contiguous
  int64_t k, n;
  void* y;
};

struct GemmKernels {
  int mr, nr;        // largest panels: rows of a, and packed elements of b
  int k_block;       // steps that are summed before they are added to c
  int group_panels;  // of a, packed at a time where that pays
  int parts;         // packed elements per element: 2 if complex
  int packed_size;   // bytes of a packed element
  void (*pack_a)(const PackArgs&);
  void (*pack_b)(const PackArgs&);
  void (*multiply)(const MultiplyArgs&);
  void (*finish)(const FinishArgs&);
  // Contiguous along k, and along n.
  void (*gemv_dot)(const GemvArgs&);
  void (*gemv_axpy)(const GemvArgs&);
  // To the dtype, and to the type computed in.
  void (*multiply_direct)(const DirectArgs&);
  void (*sum_direct)(const DirectArgs&);
  // Null if complex.
  RunsFunction add_runs;
  int64_t run_cols;  // that those take at once, at least nr
  SpreadFunction spread;
  const WinogradKernels* winograd;  // null unless computed in float
};

// In the order of Dtype, from float16 on; then the complex ones.
inline constexpr int kRealGemmDtypes = 4, kComplexGemmDtypes = 2;

#define OLIVINE_DECLARE_GEMM_KERNELS(isa)                            \
  namespace isa {                                                    \
  extern const GemmKernels gemm_kernels[kRealGemmDtypes];            \
  extern const GemmKernels complex_gemm_kernels[kComplexGemmDtypes]; \
  }
OLIVINE_DECLARE_GEMM_KERNELS(plain)
OLIVINE_DECLARE_GEMM_KERNELS(avx2)
OLIVINE_DECLARE_GEMM_KERNELS(avx512)
#undef OLIVINE_DECLARE_GEMM_KERNELS

// Throws TypeError unless the dtype is floating or complex.
const GemmKernels& gemm_kernels_for(Dtype dtype, Isa isa);

}  // namespace olivine::cpu
