// Sums of products along runs of memory: products whose operands are read where they lie.
#pragma once

#include <cstdint>

namespace olivine::cpu {

// Consecutive steps of a sum, and where their first one reads a and b (in elements).
struct Run {
  int64_t a, b, steps;
};

// acc[i][j] (+)= sum over runs and their steps p of
//   a[run.a + i * a_row + p * a_step] * b[run.b + p * b_step + j].
// All of them have the type that is computed in. Either a_row or a_step is 1. If `lanes`, every
// column has values of its own: a[run.a + i * a_row + p * a_step + j], and cols is at most half nr.
struct RunsArgs {
  const void* a;
  const void* b;
  const Run* runs;
  int64_t count;  // of runs
  int64_t a_row, a_step, b_step;
  int64_t rows, cols;  // cols <= run_cols of the kernels; whole vectors of b are read
  void* acc;
  int64_t acc_stride;
  bool accumulate;  // else acc counts as zero
  bool lanes;
};
using RunsFunction = void (*)(const RunsArgs&);

// dst[(p * vectors + v) * width + j] = src[p * span + index[v * width + j]], where width is half nr
// of the kernels. Up to 2 * width elements past the last of src may be read.
struct SpreadArgs {
  const void* src;
  int64_t positions, span;
  const int32_t* index;
  int64_t vectors;
  void* dst;
};
using SpreadFunction = void (*)(const SpreadArgs&);

#define OLIVINE_DECLARE_RUNS(isa)     \
  namespace isa {                     \
  void add_runs_f32(const RunsArgs&); \
  void add_runs_f64(const RunsArgs&); \
  void spread_f32(const SpreadArgs&); \
  void spread_f64(const SpreadArgs&); \
  }
OLIVINE_DECLARE_RUNS(plain)
OLIVINE_DECLARE_RUNS(avx2)
OLIVINE_DECLARE_RUNS(avx512)
#undef OLIVINE_DECLARE_RUNS

}  // namespace olivine::cpu
