// What stands behind the handles of closures.
#pragma once

#include "handles.h"
#include "olivine/c/closure.h"
#include "olivine/export_function.h"
#include "olivine/transforms.h"

namespace olivine::c {

using CustomVjp = decltype(CustomRules::vjp);
using CustomJvp = decltype(CustomRules::jvp);
using CustomVmap = decltype(CustomRules::vmap);

OLIVINE_C_HELD(olivine_closure, ArrayFn);
OLIVINE_C_HELD(olivine_closure_kwargs, FunctionOfBoth);
OLIVINE_C_HELD(olivine_closure_value_and_grad, ValueAndGradFn);
OLIVINE_C_HELD(olivine_closure_custom, CustomVjp);
OLIVINE_C_HELD(olivine_closure_custom_jvp, CustomJvp);
OLIVINE_C_HELD(olivine_closure_custom_vmap, CustomVmap);

// The function a closure holds.
template <class Handle>
requires requires(held_t<Handle> f) { f.target_type(); }
const held_t<Handle>& get(Handle f) {
  if (!f.ctx) fail("[closure] expected a closure; got an empty handle");
  return *pointer(f);
}

inline std::vector<int> numbers(const int* values, size_t n, const char* op) {
  expect_values(values, n, op);
  return n ? std::vector<int>(values, values + n) : std::vector<int>();
}

}  // namespace olivine::c
