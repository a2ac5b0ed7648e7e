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

// Short float ops, of which arithmetic_run.h makes machine code: binary ones, then unary ones, then
// conversions between floats and 16-bit floats in memory.
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
  round_bfloat16,  // to what it can hold
  round_float16,
  widen_bfloat16,
  widen_float16,
  narrow_bfloat16,
  narrow_float16,
  narrow_computed_bfloat16,  // from floats whose NaNs have nothing in their lower half
};

// How loops on 16-bit floats get at their results.
enum class Halves : uint8_t { by_floats, from_bits, by_table };

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
  Halves halves = Halves::by_floats;
};

class KernelTable {
 public:
  // `dtype`: the key dtype (core/op.h KernelKey).
  void add(const char* op, Dtype dtype, Kernel k);
  void add_all(const char* op, std::initializer_list<Dtype> dtypes, Kernel k);
  void add_loops(const char* op, Dtype dtype, Loops loops);
  // An op on floats that hold bfloat16 values, with results rounded to such values.
  void add_rounded_loops(const char* op, Loops loops);
  // An op on floats that hold 16-bit values, with results as accurate as those need.
  void add_half_loops(const char* op, Loops loops) { row(op).half = loops; }
  // Rounding floats to what a 16-bit dtype can hold; narrowing floats that were computed from it.
  void add_rounding(Dtype half, Loops::Unary round, Loops::Unary narrow);

  const Kernel* kernel(int op, Dtype dtype) const;
  const Loops* loops(int op, Dtype dtype) const;
  const Loops* rounded_loops(int op) const;  // null: the op has none
  const Loops* half_loops(int op) const;     // null: the op has none
  const Loops* rounding(Dtype half) const { return &rounding_[half == bfloat16]; }
  const Loops* narrowing(Dtype half) const { return &narrowing_[half == bfloat16]; }

 private:
  struct Row {
    std::array<Kernel, Dtype::kCount> kernels{};
    std::array<Loops, Dtype::kCount> loops{};
    Loops rounded{}, half{};
  };
  std::vector<Row> rows_;  // by op id
  Loops rounding_[2], narrowing_[2];
  Row& row(const char* op);
};

}  // namespace olivine::cpu
