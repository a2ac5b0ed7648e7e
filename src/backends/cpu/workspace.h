// What kernels of the CPU take of the allocator while they run, by family.
#pragma once

#include "backends/backend.h"

namespace olivine::cpu {

// Counted as the allocator counts, from shapes, strides and parameters; there are no addresses.
int64_t matmul_workspace(const KernelCall& call);
int64_t addmm_workspace(const KernelCall& call);
int64_t conv_workspace(const KernelCall& call);
int64_t conv_weight_workspace(const KernelCall& call);

}  // namespace olivine::cpu
