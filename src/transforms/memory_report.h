// What a plan takes of memory, for people.
#pragma once

#include "olivine/memory_plan.h"
#include "transforms/planned.h"

namespace olivine {

// Not under the graph lock: places in the user's program are described.
MemoryPlan describe_memory(const PlannedGraph& planned, const Plan& plan);

}  // namespace olivine
