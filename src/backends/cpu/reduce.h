// Reductions over any layout, for any associative operation, from a few loops over contiguous data.
//
// The plan gives few dimensions, innermost last. Then one of three ways:
//   rows     the innermost step is along a reduced axis: each output reduces runs of memory
//   columns  it is along a kept axis: rows are accumulated into a tile of outputs that stays in L1
//   short    few elements per output: loops over outputs innermost
// Runs, row blocks and parts are split by shape alone and combined as trees, so results do not
// depend on the number of threads and the error of float sums grows with the logarithm of n.
#pragma once

#include <cstdint>

#include "backends/backend.h"

namespace olivine::cpu {

// One loop: its length and the steps, in elements, of input and output.
struct LoopDim {
  int64_t size, in, out;
};

// Dimensions of size 1 are gone, neighbours that form one run are merged, steps are not negative,
// and each list goes from the largest input step to the smallest (step 0 counts as the largest).
struct ReducePlan {
  // Every dimension left has size >= 2 and the sizes' product fits 63 bits.
  static constexpr int kMaxDims = 64;
  LoopDim keep[kMaxDims], reduce[kMaxDims];  // `out` is unused in `reduce`
  int kept = 0, reduced = 0;
  int64_t outputs = 1, length = 1;        // products of the sizes
  int64_t in_offset = 0, out_offset = 0;  // of the first element, in elements
};

// For a call whose parameters are ReduceParams. `components`: how many scalars make one element (2
// to sum complex numbers as pairs); they become a kept dimension.
void plan_reduction(const KernelCall& call, int components, ReducePlan& plan);
// The same for one axis, which keeps its direction; there is always one reduced dimension.
void plan_along_axis(const KernelCall& call, ReducePlan& plan);

// Sizes before, along and after the one axis of a call on row-contiguous data.
void axis_extents(const KernelCall& call, int64_t& outer, int64_t& n, int64_t& inner);

// Walks the multi-indices of a list of loops in row-major order.
struct LoopCursor {
  const LoopDim* dims;
  int count;
  int64_t in = 0, out = 0;
  int64_t index[ReducePlan::kMaxDims];

  // Starts at linear index `at`.
  LoopCursor(const LoopDim* dims, int count, int64_t at);
  void next();
};

// to[i] = from[i * step] for elements of 1, 2, 4, 8 or 16 bytes.
void pack(const void* from, int64_t step, int64_t n, void* to, int64_t size);

// An operation's loops for one dtype, built per instruction set (kernels/reduce-inl.h). An
// accumulator is a value of the type that the operation computes in, of at most 16 bytes.
struct ReduceLoops {
  int64_t in_size, acc_size, out_size;
  bool rounds;     // order matters: combine as a tree
  int components;  // see plan_reduction
  // acc[i] = the reduction of p[i * step .. i * step + n), i < rows, n <= kReduceRun.
  void (*runs)(const void* p, int64_t step, int64_t rows, int64_t n, void* acc);
  // acc[j] = acc[j] op p[j], p[j + step], … (`rows` of them), j < cols.
  void (*columns)(const void* p, int64_t step, int64_t rows, int64_t cols, void* acc);
  // acc[j] = acc[j] op p[j * step], j < n.
  void (*strided)(const void* p, int64_t step, int64_t n, void* acc);
  // acc[j] = acc[j] op other[j].
  void (*merge)(void* acc, const void* other, int64_t n);
  // acc[j] = the identity.
  void (*clear)(void* acc, int64_t n);
  // out[j * step] = acc[j].
  void (*finish)(const void* acc, int64_t n, void* out, int64_t step);
};
inline constexpr int64_t kReduceRun = 2048;

void reduce(const KernelCall& call, const ReduceLoops& loops);

}  // namespace olivine::cpu
