// One product of a batch, through the kernels of an instruction set.
#pragma once

#include "backends/cpu/gemm/gemm.h"
#include "backends/cpu/gemm/kernels.h"

namespace olivine::cpu {

// Where the operands of one product begin.
struct Operands {
  const char* a;
  const char* b;
  char* c;
  const char* addend;  // null if there is none
};

struct TileKernels;

struct Product {
  const GemmArgs& args;  // its pointers and batch are not read
  const GemmKernels& kernels;
  const TileKernels* tiles;  // may be null
  Operands at;

  double flops() const;
  // c += a @ b or c -= a @ b, by kernels that do that.
  bool accumulates() const;
  // c is the product as it is, or that is added to it.
  bool is_plain() const { return (args.alpha == 1 && !at.addend) || accumulates(); }
  // Waking other threads up would not pay for this many operations.
  static bool is_small(double flops) { return flops < 1.5e6; }
};

// Any k > 0.
void multiply_packed(const Product& product);
// Small matrices: suits_direct() says so. The second does all of c on this thread, with
// direct_scratch() bytes.
bool suits_direct(const Product& product);
void multiply_direct(const Product& product);
// `next` is the product that follows.
void multiply_direct(const Product& product, const Operands& next, char* scratch);
int64_t direct_scratch(const Product& product);
// What they allocate, as it is counted, on so many threads.
int64_t packed_workspace(const Product& product, int64_t threads);
int64_t direct_workspace(const Product& product, int64_t threads);
int64_t vector_workspace(const Product& product);
// m == 1 or n == 1, and the matrix has unit stride along one axis: has_vector() says so.
bool has_vector(const Product& product);
void multiply_vector(const Product& product);
// k == 0.
void multiply_nothing(const Product& product);

// Writes rows [row, row + rows) and columns [col, col + cols) of c from sums at acc.
void finish(const Product& product, const void* acc, int64_t acc_stride, int64_t row, int64_t rows,
            int64_t col, int64_t cols);

}  // namespace olivine::cpu
