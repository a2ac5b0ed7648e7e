// What kernels of the CPU take of the allocator while they run, by family.
#pragma once

#include "backends/backend.h"

namespace olivine::cpu {

struct GemmArgs;

// What ScratchBytes(count, size) counts as in the allocator.
int64_t counted_scratch(int64_t count, size_t size);
// The memory of the allocator that gemm(args) takes at most while it runs. Of the pointers, only
// whether there is an addend counts.
int64_t gemm_workspace(const GemmArgs& args);

// Counted as the allocator counts, from shapes, strides and parameters; there are no addresses.
int64_t matmul_workspace(const KernelCall& call);
int64_t addmm_workspace(const KernelCall& call);
int64_t conv_workspace(const KernelCall& call);
int64_t conv_weight_workspace(const KernelCall& call);

}  // namespace olivine::cpu
