// The two halves of vmap, for bindings that trace a function in their own way.
#pragma once

#include <utility>
#include <vector>

#include "olivine/transforms.h"

namespace olivine::detail {

// One placeholder per mapped input (in_axes not -1), without its mapped axis, and the inputs that
// are not mapped as they are; and what fn gives for them.
OLIVINE_API std::pair<std::vector<array>, std::vector<array>> vmap_trace(
    const ArrayFn& fn, const std::vector<array>& inputs, const std::vector<int>& in_axes);
// The traced outputs for whole batches in the places of the placeholders.
OLIVINE_API std::vector<array> vmap_replace(const std::vector<array>& inputs,
                                            const std::vector<array>& traced_inputs,
                                            const std::vector<array>& traced_outputs,
                                            const std::vector<int>& in_axes,
                                            const std::vector<int>& out_axes);

}  // namespace olivine::detail
