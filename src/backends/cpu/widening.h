// The steps of an element-wise program, with chains of 16-bit floats computed as floats.
#pragma once

#include <vector>

#include "backends/cpu/kernel_table.h"

namespace olivine::cpu {

// Steps work on values: first the leaves, then the step's results in order.
struct Step {
  const Loops* loops;  // null: the step is a chain (half_chain.h)
  uint8_t arity;
  uint16_t src[3];
  uint16_t chain = 0;
};
struct Steps {
  std::vector<uint8_t> itemsize;  // per value
  std::vector<Step> steps;
  std::vector<uint16_t> outputs;
};

// Fails if an instruction has no loop in `table`.
Steps plan_steps(const Program& program, const KernelTable& table);

}  // namespace olivine::cpu
