// A traced function with the plans made of it: what compiled functions, loops and branches run.
#pragma once

#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "transforms/footprint.h"
#include "transforms/plan.h"
#include "transforms/traced.h"

namespace olivine {

struct PlannedGraph {
  struct Planned {
    int checked;
    std::vector<Layout> leaves;
    std::shared_ptr<const Plan> plan;
  };
  std::shared_ptr<TracedGraph> traced;
  std::vector<Planned> plans;  // under the graph lock
  size_t memory_limit = 0;     // of a plan's peak; 0: none
  std::vector<bool> donated;   // by input: given up by callers; empty: none
};

// The plan for inputs that lie so, made if it is new. Under the graph lock. `checked`: what results
// are looked at for (nonfinite.h). `atomic`: an interrupt leaves every input whole (Plan::tail).
std::shared_ptr<const Plan> plan_for(PlannedGraph& planned, std::span<const Layout> leaves,
                                     int checked, bool atomic);

// ---- What a plan takes, as the allocator counts it.
std::vector<LeafMemory> leaf_memory(const PlannedGraph& planned, const Plan& plan);
size_t input_bytes(const PlannedGraph& planned);
size_t constant_bytes(const Plan& plan);
size_t peak_of(const PlannedGraph& planned, const Plan& plan);

}  // namespace olivine
