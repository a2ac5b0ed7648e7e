// How the CPU's kernel families enter the table: each provides one function per instruction set.
//
// A kernel file defines, in namespace olivine::cpu::OLIVINE_ISA, `void
// register_FAMILY(KernelTable&)`. It is compiled once per instruction set; cpu_backend() calls the
// set chosen at start.
#pragma once

#include <array>
#include <vector>

#include "backends/backend.h"

namespace olivine::cpu {

// Short float ops, of which arithmetic_run.h makes machine code. Binary ones come first.
enum class Arithmetic : uint8_t {
  none,
  add,
  subtract,
  multiply,
  divide,
  maximum,
  minimum,
  negative,
  abs,
  square,
  sqrt,
  rsqrt,
  reciprocal,
};

// Contiguous loops of an elementwise op. `n` elements; null: that form does not exist.
struct Loops {
  using Unary = void (*)(const void* a, void* out, int64_t n);
  using Binary = void (*)(const void* a, const void* b, void* out, int64_t n);
  using Ternary = void (*)(const void* a, const void* b, const void* c, void* out, int64_t n);
  Unary v = nullptr;
  Binary vv = nullptr, sv = nullptr, vs = nullptr;  // s: the operand is one element
  Ternary vvv = nullptr;
  Arithmetic arithmetic = Arithmetic::none;  // what the loops do to floats, if it is one of those
  bool rounded = false;                      // and then round to what bfloat16 can hold
};

class KernelTable {
 public:
  // `dtype`: the key dtype (core/op.h KernelKey).
  void add(const char* op, Dtype dtype, Kernel k);
  void add_all(const char* op, std::initializer_list<Dtype> dtypes, Kernel k);
  void add_loops(const char* op, Dtype dtype, Loops loops);
  // An op on floats that hold bfloat16 values, with results rounded to such values.
  void add_rounded_loops(const char* op, Loops loops);
  // Rounds floats to what a 16-bit dtype can hold.
  void add_rounding(Dtype half, Loops::Unary loop) { rounding_[half == bfloat16].v = loop; }

  const Kernel* kernel(int op, Dtype dtype) const;
  const Loops* loops(int op, Dtype dtype) const;
  const Loops* rounded_loops(int op) const;  // null: the op has none
  const Loops* rounding(Dtype half) const { return &rounding_[half == bfloat16]; }

 private:
  struct Row {
    std::array<Kernel, Dtype::kCount> kernels{};
    std::array<Loops, Dtype::kCount> loops{};
    Loops rounded{};
  };
  std::vector<Row> rows_;  // by op id
  Loops rounding_[2];
  Row& row(const char* op);
};

}  // namespace olivine::cpu
