// Matrix products on raw pointers: c = alpha * a @ b + beta * addend, batched, with any strides.
#pragma once

#include "backends/cpu/isa.h"
#include "olivine/dtype.h"
#include "olivine/shape.h"

namespace olivine::cpu {

// Strides are in elements and may be zero or negative.
struct Matrix {
  const void* data = nullptr;
  int64_t row_stride = 0;
  int64_t col_stride = 0;
};

struct GemmArgs {
  Dtype dtype = float32;  // of all operands; floating or complex
  int64_t m = 0, n = 0, k = 0;
  Matrix a = {};  // m x k
  Matrix b = {};  // k x n
  void* c = nullptr;
  int64_t c_row_stride = 0;  // the columns of c are contiguous
  // m x n, not read when data is null. It may be c itself, with the same strides.
  Matrix addend = {};
  double alpha = 1, beta = 1;
  // The products of a batch: its dimensions, and the strides of each operand along them.
  Shape batch = {};
  Strides a_batch = {}, b_batch = {}, c_batch = {}, addend_batch = {};
};

// Results depend on the instruction set, never on the number of threads. c may overlap a and b
// nowhere. Throws TypeError for other dtypes, OutOfMemory, Interrupted.
void gemm(const GemmArgs& args);
// The same with the kernels of one instruction set, which must be available.
void gemm(const GemmArgs& args, Isa isa);

}  // namespace olivine::cpu
