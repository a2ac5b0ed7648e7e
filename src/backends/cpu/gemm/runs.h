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
// All of them have the type that is computed in. Either a_row or a_step is 1.
struct RunsArgs {
  const void* a;
  const void* b;
  const Run* runs;
  int64_t count;  // of runs
  int64_t a_row, a_step, b_step;
  int64_t rows, cols;  // cols <= nr of the kernels; whole vectors of b are read
  void* acc;
  int64_t acc_stride;
  bool accumulate;  // else acc counts as zero
};
using RunsFunction = void (*)(const RunsArgs&);

#define OLIVINE_DECLARE_RUNS(isa)     \
  namespace isa {                     \
  void add_runs_f32(const RunsArgs&); \
  void add_runs_f64(const RunsArgs&); \
  }
OLIVINE_DECLARE_RUNS(plain)
OLIVINE_DECLARE_RUNS(avx2)
OLIVINE_DECLARE_RUNS(avx512)
OLIVINE_DECLARE_RUNS(avx512_bf16)
#undef OLIVINE_DECLARE_RUNS

}  // namespace olivine::cpu
