// What a call of a compiled function takes of memory, told before it runs.
#pragma once

#include <string>
#include <vector>

#include "olivine/array.h"
#include "olivine/transforms.h"

namespace olivine {

// All sizes in bytes, as get_peak_memory counts them.
struct MemoryPlan {
  // Most that is active at once: arguments, constants, results, temporaries and workspace.
  size_t peak = 0;
  size_t arguments = 0;    // all inputs
  size_t donated = 0;      // of these, what the caller gives up
  size_t constants = 0;    // arrays that the function captured
  size_t results = 0;      // beyond the memory that they take over from donated arguments
  size_t temporaries = 0;  // the arena, from the first step to the last
  size_t workspace = 0;    // the most that a step's kernel takes for itself
  size_t recomputed = 0;   // steps that compute a value again to stay within the memory limit

  // A value that is there at the peak.
  struct Value {
    std::string op;  // that made it; "argument", "constant", "workspace"
    Shape shape;
    Dtype dtype = float32;
    size_t bytes = 0;
    std::string line;  // where the user made it; may be empty
  };
  // A kernel, fused region or copy.
  struct Step {
    std::string op;
    std::string line;
    size_t active = 0;  // at most during it
    size_t live = 0;    // of these, what holds values that are still read, and workspace
  };
  std::vector<Value> at_peak;  // largest first
  std::vector<Step> steps;
  size_t peak_step = 0;

  // The totals, the `rows` largest values at the peak, and a picture of live bytes over the steps.
  OLIVINE_API std::string text(size_t rows = 10) const;
  // The picture, as SVG.
  OLIVINE_API std::string svg() const;
};

// The plan of calling `fn`, which compile() returned or which is compiled for it, on inputs of
// these shapes. Traces the function if that is new; runs no kernel for the call and allocates none
// of what it describes. Inputs may be lazy: they are not evaluated.
OLIVINE_API MemoryPlan memory_plan(const ArrayFn& fn, const std::vector<array>& inputs);

}  // namespace olivine
