// Fitting a plan into less memory by computing values again where they are read late.
//
// Idea: at the step with the most temporaries (the end of the forward pass, in a training step)
// many values only wait for readers far behind it. Those that are not kept are computed again by
// copies of their entries, which stand right before the first late reader and read what is kept, or
// other copies. What is kept are values that cost much per byte, and cuts: all that the
// computation goes on with at a few narrow places, so that what is computed again at once is the
// stretch between two cuts; n layers with about sqrt(n) cuts take about sqrt(n) of the memory
// (Chen et al. 2016, "Training deep nets with sublinear memory cost"). Each choice is planned like
// any other graph, and judged by the memory of its plan, workspace and all; once the memory at that
// step is down, the next round looks at the step that has the most then.
//
// Copies are entries, not nodes: nothing merges them again, and results are the same bits, since
// the same kernels run on the same operands.
#pragma once

#include <functional>
#include <vector>

#include "transforms/plan.h"

namespace olivine {

struct RecomputeSearch {
  // Plans entries as a draft.
  std::function<PlanBuilder(const std::vector<PlanEntry>&)> build;
  // The peak of a plan, in bytes.
  std::function<size_t(const PlanBuilder&)> peak;
  size_t limit;
};

// The entries of a plan whose peak is within the limit. Throws, naming the least peak that was
// reached, if there is none.
std::vector<PlanEntry> entries_within(const std::vector<PlanEntry>& collected,
                                      const RecomputeSearch& search);

// How many tasks of a plan compute a value again.
int32_t count_recomputed(const std::vector<PlanEntry>& entries);

}  // namespace olivine
