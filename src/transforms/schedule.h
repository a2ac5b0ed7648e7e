// The order of a plan's tasks, where the graph leaves it open.
#pragma once

#include <vector>

#include "transforms/plan.h"

namespace olivine {

// Entries as collected, in an order in which kernels that let go of more memory than they fill run
// as soon as their operands are there.
std::vector<PlanEntry> scheduled(std::vector<PlanEntry> entries);

}  // namespace olivine
