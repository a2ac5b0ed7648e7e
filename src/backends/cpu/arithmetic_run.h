// Runs of short float ops as machine code: one pass over a tile, results in registers.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "backends/cpu/kernel_table.h"

namespace olivine::cpu {

// One op of a run on tiles of floats; what is widened and what was narrowed are 16-bit floats.
// Values are numbered as the caller likes.
struct RunStep {
  Arithmetic op;
  bool rounded;     // to what bfloat16 can hold
  bool stored;      // somebody outside the run reads the result
  bool uniform[2];  // the operand is one element for the whole tile
  uint16_t dst, src[2];
  bool follow_dst = false, follow[2] = {};  // memory goes on behind the tile, and will be read next
};

class CompiledRun {
 public:
  virtual ~CompiledRun() = default;
  // Computes n elements; p[v] is where value v lies.
  void operator()(char* const* p, int64_t n) const { code_(p, n); }

 protected:
  using Code = void (*)(char* const* p, int64_t n);
  Code code_ = nullptr;
};

// Whether this process's instruction set has such code at all.
bool has_machine_code();

// The same bits as the ops' loops one after another. Runs are kept for who asks for them again.
// Null: these steps have no code (too many values at once for the registers, an instruction set
// without vectors, a system that forbids new code).
std::shared_ptr<const CompiledRun> compile_run(std::span<const RunStep> steps);

}  // namespace olivine::cpu
