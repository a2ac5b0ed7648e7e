// What running a plan takes of memory, task by task, without running it.
//
// Follows run.cpp: the arena is there from the first task to the last, outputs come when the first
// task writes them (in the memory of an input that is given up, if the plan says so), what nested
// plans and kernels bring along goes when nobody reads it any more, and a kernel's workspace is
// there while it runs. Sizes are those that the allocator counts.
#pragma once

#include <span>
#include <vector>

#include "transforms/plan.h"

namespace olivine {

// An input of a plan: what it counts, and whether its memory is the plan's to overwrite and free.
struct LeafMemory {
  size_t bytes = 0;
  bool donated = false;
};

struct Footprint {
  int64_t peak = 0;  // most during any task, beyond all inputs
  int32_t peak_task = -1;
  int64_t left = 0;               // what the results take when the arena is gone
  std::vector<int64_t> held;      // by task: most during it, beyond all inputs
  std::vector<size_t> workspace;  // by task
};

// `placed`: by slot, outputs whose memory is somebody else's (empty: none).
Footprint footprint_of(const Plan& plan, std::span<const LeafMemory> leaves,
                       const std::vector<bool>& placed = {});

}  // namespace olivine
