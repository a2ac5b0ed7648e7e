// Compiling functions of arrays: traced once per shapes and dtypes, then run from a plan.
#pragma once

#include <memory>

#include "olivine/memory_plan.h"
#include "olivine/transforms.h"

namespace olivine {

// How much memory a compiled function may take.
struct MemoryBudget {
  // Most that may be active while it runs, as MemoryPlan::peak counts; 0: any. Values are computed
  // again, with the same results, where keeping them would take more.
  size_t limit = 0;
  // Positions of inputs that nobody reads after the call, so that their memory is free to use.
  std::vector<int> donated = {};
};

// A traced function. Calls from any thread; a call with new shapes or dtypes traces again.
class OLIVINE_API CompiledFunction {
 public:
  // `shapeless`: where the trace has no sizes in it, other sizes need no new one.
  explicit CompiledFunction(ArrayFn fn, bool shapeless = false);
  CompiledFunction(ArrayFn fn, bool shapeless, MemoryBudget budget);
  ~CompiledFunction();
  CompiledFunction(const CompiledFunction&) = delete;
  // Lazy, like every op: the plan runs when a result is evaluated.
  std::vector<array> operator()(const std::vector<array>& inputs);
  // The same with the function to trace given at the call (for bindings whose outputs change).
  std::vector<array> call(const std::vector<array>& inputs, const ArrayFn& fn);
  // What a call with these inputs takes (memory_plan.h).
  MemoryPlan memory(const std::vector<array>& inputs, const ArrayFn& fn);
  MemoryPlan memory(const std::vector<array>& inputs);
  // Whether a call with these inputs needs no new trace.
  bool has_trace(const std::vector<array>& inputs);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

OLIVINE_API ArrayFn compile(ArrayFn fn, bool shapeless = false);
OLIVINE_API ArrayFn compile(ArrayFn fn, bool shapeless, MemoryBudget budget);
// While disabled (also by OLIVINE_DISABLE_COMPILE=1), compiled functions run as they are.
OLIVINE_API void disable_compile();
OLIVINE_API void enable_compile();
// A plan is always simplified and fused, as neither changes its results; so the two modes in the
// middle mean `enabled`.
enum class CompileMode { disabled, no_simplify, no_fuse, enabled };
inline void set_compile_mode(CompileMode mode) {
  mode == CompileMode::disabled ? disable_compile() : enable_compile();
}

}  // namespace olivine
