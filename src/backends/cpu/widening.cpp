// Chains of 16-bit floats computed as floats.
//
// A loop on 16-bit floats widens its operands, computes floats and rounds the result. In a chain of
// such loops every value would be narrowed only to be widened again. Here a value is kept as floats
// that are rounded to what the 16-bit dtype can hold: the same numbers, and the bits of an output
// are those that op after op would give. An operand is widened once, an output narrowed once.
//
// Two kinds of ops stay with 16 bits: those that look their results up, and select. Conversions
// around them join the machine code of their neighbours (arithmetic_run.h).
#include "backends/cpu/widening.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "backends/cpu/arithmetic_run.h"
#include "backends/cpu/half_chain.h"
#include "core/error.h"
#include "core/op.h"

namespace olivine::cpu {
namespace {

bool is_half(Dtype t) { return t == float16 || t == bfloat16; }

// Ops whose result is one of the operands, or as short as they are.
bool keeps_digits(std::string_view op) {
  constexpr std::array<std::string_view, 10> ops = {
      "abs", "ceil", "floor", "maximum", "minimum", "negative", "round", "select", "sign", "trunc"};
  return std::find(ops.begin(), ops.end(), op) != ops.end();
}
bool is_cast(std::string_view op) { return op.starts_with("astype_"); }

constexpr int kNone = -1;

class Planner {
 public:
  Planner(const Program& program, const KernelTable& table);
  Steps take() { return std::move(out_); }

 private:
  // The forms of a value of the program that exist so far, as values of the steps.
  struct Forms {
    Dtype dtype;
    int plain = kNone;      // in its own dtype
    int wide = kNone;       // 16-bit floats as floats
    int unrounded = kNone;  // the same before rounding
    int op = kNone;         // the op that computed `unrounded` for this value alone
    size_t step = 0;        // and its step
  };

  void plan(const Instr& i);
  void plan_wide(const Instr& i);
  bool plan_short(const Instr& i);
  bool is_arithmetic(const Instr& i) const {
    return has_machine_code() && loops(i.op, float32)->arithmetic != Arithmetic::none;
  }
  uint16_t plain(uint16_t value);
  uint16_t wide(uint16_t value);
  template <class F>
  uint16_t emit_all(const Loops* loops, const Instr& i, F operand, size_t itemsize);
  const Loops* half_floats(const Instr& i) const;
  uint16_t emit(const Loops* loops, std::initializer_list<uint16_t> src, size_t itemsize);
  const Loops* loops(int op, Dtype key) const;
  const Loops* cast(Dtype from, Dtype to) const {
    return loops(op_id("astype_" + std::string(name(to))), from);
  }

  const KernelTable& table_;
  bool widens_;
  std::vector<Forms> forms_;
  Steps out_;
};

Planner::Planner(const Program& program, const KernelTable& table) : table_(table) {
  // A single op has loops that do all of it.
  widens_ = std::count_if(program.code.begin(), program.code.end(),
                          [](const Instr& i) { return is_half(i.key); }) > 1;
  for (Dtype t : program.leaves) {
    forms_.push_back({t, static_cast<int>(out_.itemsize.size())});
    out_.itemsize.push_back(static_cast<uint8_t>(t.size()));
  }
  for (const Instr& i : program.code) plan(i);
  for (uint16_t v : program.outputs) out_.outputs.push_back(plain(v));
}

void Planner::plan(const Instr& i) {
  if (i.op <= kChain) {
    Forms f{i.out};
    f.plain = emit(nullptr, {plain(i.src[0])}, i.out.size());
    out_.steps.back().chain = static_cast<uint16_t>(kChain - i.op);
    return forms_.push_back(f);
  }
  if (widens_ && is_half(i.key)) return plan_wide(i);
  Forms f{i.out};
  if (widens_ && i.key == float32 && is_half(i.out)) {
    f.unrounded = plain(i.src[0]);
  } else {
    f.plain = emit_all(
        loops(i.op, i.key), i, [&](uint16_t v) { return plain(v); }, i.out.size());
  }
  forms_.push_back(f);
}

// Ops on 16-bit floats as they are.
bool Planner::plan_short(const Instr& i) {
  const Loops* l = table_.loops(i.op, i.key);
  if (!l || (l->halves != Halves::by_table && l->halves != Halves::from_bits)) return false;
  // Narrowing takes a step of its own, or belongs to a run that this op then joins.
  bool plain_operands = true;
  for (int k = 0; k < i.arity; ++k) plain_operands &= forms_[i.src[k]].plain != kNone;
  if (is_arithmetic(i)) {
    if (l->halves == Halves::by_table || i.arity == 1 || !plain_operands) return false;
  } else if (l->halves == Halves::from_bits && !has_machine_code() && !plain_operands) {
    return false;
  }
  Forms f{i.out};
  f.plain = emit_all(
      l, i, [&](uint16_t v) { return plain(v); }, i.out.size());
  forms_.push_back(f);
  return true;
}

void Planner::plan_wide(const Instr& i) {
  const std::string_view op = op_name(i.op);
  if (plan_short(i)) return;
  Forms f{i.out};
  if (is_cast(op)) {
    if (is_half(i.out)) {
      f.unrounded = wide(i.src[0]);
    } else if (i.out == float32) {
      f.plain = wide(i.src[0]);
    } else {
      f.plain = emit(loops(i.op, float32), {wide(i.src[0])}, i.out.size());
    }
    return forms_.push_back(f);
  }
  const auto operand = [&](uint16_t v) { return is_half(forms_[v].dtype) ? wide(v) : plain(v); };
  const size_t itemsize = is_half(i.out) ? sizeof(float) : i.out.size();
  const uint16_t result = emit_all(half_floats(i), i, operand, itemsize);
  (!is_half(i.out) ? f.plain : keeps_digits(op) ? f.wide : f.unrounded) = result;
  f.op = i.op;
  f.step = out_.steps.size() - 1;
  forms_.push_back(f);
}

uint16_t Planner::plain(uint16_t value) {
  const Forms f = forms_[value];
  if (f.plain == kNone) {
    // Narrowing rounds too.
    const bool computed = f.wide != kNone || f.op != kNone;
    const int from = f.wide != kNone ? f.wide : f.unrounded;
    forms_[value].plain = emit(computed ? table_.narrowing(f.dtype) : cast(float32, f.dtype),
                               {static_cast<uint16_t>(from)}, f.dtype.size());
  }
  return static_cast<uint16_t>(forms_[value].plain);
}

uint16_t Planner::wide(uint16_t value) {
  Forms f = forms_[value];
  if (f.wide == kNone && f.op != kNone && f.dtype == bfloat16) {
    // The step may round its result itself; who narrowed it gets the same from the rounded one.
    if (const Loops* rounded = table_.rounded_loops(f.op)) {
      out_.steps[f.step].loops = rounded;
      forms_[value].wide = f.wide = f.unrounded;
    }
  }
  if (f.wide == kNone) {
    const bool narrow = f.unrounded == kNone;
    const Loops* l = narrow ? cast(f.dtype, float32) : table_.rounding(f.dtype);
    const int from = narrow ? f.plain : f.unrounded;
    forms_[value].wide = emit(l, {static_cast<uint16_t>(from)}, sizeof(float));
  }
  return static_cast<uint16_t>(forms_[value].wide);
}

// A step with the operands of `i` in the form that `operand` gives them.
template <class F>
uint16_t Planner::emit_all(const Loops* loops, const Instr& i, F operand, size_t itemsize) {
  uint16_t src[3] = {};
  for (int k = 0; k < i.arity; ++k) src[k] = operand(i.src[k]);
  if (i.arity == 1) return emit(loops, {src[0]}, itemsize);
  if (i.arity == 2) return emit(loops, {src[0], src[1]}, itemsize);
  return emit(loops, {src[0], src[1], src[2]}, itemsize);
}

// What computes a 16-bit op on floats.
const Loops* Planner::half_floats(const Instr& i) const {
  const Loops* l = table_.half_loops(i.op);
  return l ? l : loops(i.op, float32);
}

uint16_t Planner::emit(const Loops* loops, std::initializer_list<uint16_t> src, size_t itemsize) {
  Step step{loops, static_cast<uint8_t>(src.size()), {}};
  std::copy(src.begin(), src.end(), step.src);
  out_.steps.push_back(step);
  out_.itemsize.push_back(static_cast<uint8_t>(itemsize));
  return static_cast<uint16_t>(out_.itemsize.size() - 1);
}

const Loops* Planner::loops(int op, Dtype key) const {
  const Loops* l = table_.loops(op, key);
  if (!l) fail("[", op_name(op), "] expected a dtype with a CPU kernel; got ", key);
  return l;
}

}  // namespace

Steps plan_steps(const Program& program, const KernelTable& table) {
  return Planner(program, table).take();
}

}  // namespace olivine::cpu
