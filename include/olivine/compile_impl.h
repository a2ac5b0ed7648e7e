// Compiled functions under numbers that their callers choose, for bindings that make a function
// object anew for every call; and the steps of compiling one by one, on arrays. Compiled functions
// themselves take another way, from a trace to a plan.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "olivine/compile.h"
#include "olivine/device.h"

namespace olivine::detail {

// What a function returns beside arrays: told once per trace, and kept with it.
using ArraysAndExtra = std::pair<std::vector<array>, std::shared_ptr<void>>;
using ArrayFnWithExtra = std::function<ArraysAndExtra(const std::vector<array>&)>;

// Functions of one id share their traces; those of other constants, or shapeless ones, do not.
OLIVINE_API ArrayFn compile(ArrayFn fn, std::uintptr_t fun_id, bool shapeless = false,
                            std::vector<uint64_t> constants = {});
OLIVINE_API ArrayFnWithExtra compile(ArrayFnWithExtra fn, std::uintptr_t fun_id, bool shapeless,
                                     std::vector<uint64_t> constants);
// Drops the traces of one id, or all of them; later calls trace again.
OLIVINE_API void compile_erase(std::uintptr_t fun_id);
OLIVINE_API void compile_clear_cache();

// The one cache of the process, which all threads share.
struct CompileCache;
using CompileCacheWeakPtr = std::weak_ptr<CompileCache>;
OLIVINE_API CompileCacheWeakPtr compile_cache();
inline void compile_erase(const CompileCacheWeakPtr& cache, std::uintptr_t fun_id) {
  if (!cache.expired()) compile_erase(fun_id);
}
inline void compile_clear_cache(const CompileCacheWeakPtr& cache) {
  if (!cache.expired()) compile_clear_cache();
}
OLIVINE_API bool compile_available_for_device(const Device& device);

// ---- The steps. An array of these graphs is a handle of a node, which never changes.
// Placeholders for the inputs, what the function gives for them, and what it gives beside.
OLIVINE_API std::tuple<std::vector<array>, std::vector<array>, std::shared_ptr<void>> compile_trace(
    const ArrayFnWithExtra& fn, const std::vector<array>& inputs, bool shapeless);
// The id of an array -> the arrays that are computed of it, with the position among their inputs.
using ParentsMap = std::unordered_map<std::uintptr_t, std::vector<std::pair<array, int>>>;
// All that the outputs are computed of, operands before results, one array for each op; and who
// uses which. It ends at `inputs` and at arrays that are there. Throws if it meets one of
// `original_inputs`, for which the function was not traced.
OLIVINE_API std::pair<std::vector<array>, ParentsMap> compile_dfs(
    const std::vector<array>& inputs, std::vector<array>& outputs,
    const std::vector<array>& original_inputs);
// Makes one of equal ops on equal inputs and of equal scalars. One pass does it; with `passes`
// below 1 nothing happens.
OLIVINE_API void compile_simplify(std::vector<array>& tape, ParentsMap& parents_map,
                                  std::vector<array>& outputs, int passes);
// The outputs for other inputs than those of the trace; `shapeless`: of other shapes.
OLIVINE_API std::vector<array> compile_replace(const std::vector<array>& tape,
                                               const std::vector<array>& trace_inputs,
                                               const std::vector<array>& trace_outputs,
                                               const std::vector<array>& inputs, bool shapeless);
// Throws if sizes are parameters of an op of the tape.
OLIVINE_API void compile_validate_shapeless(const std::vector<array>& tape);

}  // namespace olivine::detail
