// How much memory of the allocator a kernel takes while it runs, from its operands' layouts alone.
#pragma once

#include "backends/backend.h"

namespace olivine {

// In bytes as the allocator counts them, on the calling machine's number of threads. `call` has no
// addresses. 0 for kernels that need none worth counting.
size_t kernel_workspace(int op, const KernelCall& call);

}  // namespace olivine
