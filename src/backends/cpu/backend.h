// The CPU backend for one instruction set, whichever cpu_backend() uses (tests compare them).
#pragma once

#include <memory>

#include "backends/cpu/isa.h"
#include "backends/cpu/kernel_table.h"

namespace olivine::cpu {

// `isa` must be available on this machine (isa.h).
KernelTable make_kernel_table(Isa isa);
std::unique_ptr<Backend> make_cpu_backend(Isa isa);

}  // namespace olivine::cpu
