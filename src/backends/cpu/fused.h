// Running element-wise programs tile by tile.
#pragma once

#include <memory>

#include "backends/cpu/kernel_table.h"

namespace olivine::cpu {

// Fails if an instruction has no loop in `table`; `table` must outlive the result.
std::unique_ptr<PreparedProgram> prepare_program(const Program& program, const KernelTable& table);

// Elements of one parallel chunk of a program of `steps` instructions.
int64_t elementwise_grain(size_t steps);

}  // namespace olivine::cpu
