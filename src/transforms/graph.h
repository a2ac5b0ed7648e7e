// Walking the lazy graph in topological order without recursion.
#pragma once

#include <span>
#include <vector>

#include "core/node.h"
#include "runtime/process_locks.h"

namespace olivine {

// Guards op, params, inputs, buffers and scratch fields of pending nodes. Held for planning and
// publishing, never while kernels run.
inline std::mutex& graph_lock() { return process_lock(Lock::graph); }

// Evaluates `a` if it is one small element-wise op on computed inputs and the graph lock is free,
// so that a caller may hold its interpreter meanwhile. False: it takes eval().
OLIVINE_API bool try_eval_small(const array& a);

// One node of a walk; `inputs[i]` is the position of its i-th input in the walk, -1 if outside.
struct WalkEntry {
  Node* node;
  SmallVector<int32_t, 3> inputs;
};

// The tracer nodes that `outputs` depend on, inputs before users, stopping at `stops` (which are
// included, with no inputs). Nodes stay alive as long as `outputs` do.
std::vector<WalkEntry> walk_tracers(std::span<const array> outputs, std::span<const array> stops);

// For each entry of a walk: whether it depends on one of `sources` (position in the walk or -1).
std::vector<bool> depends_on(const std::vector<WalkEntry>& walk, std::span<const int32_t> sources,
                             bool through_stop_gradient);
// Position of each array's node in the walk, -1 if absent.
std::vector<int32_t> positions(const std::vector<WalkEntry>& walk, std::span<const array> arrays);

}  // namespace olivine
