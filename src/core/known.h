// Values that decide shapes: whether they can be had while functions are traced.
#pragma once

#include "olivine/array.h"

namespace olivine {

// Whether the value of `a` depends on an input of a function that compile, vmap or export is
// tracing, so that there is none yet.
OLIVINE_API bool awaits_input(const array& a);

// Throws if it does. `op` is named; `instead` is what gives a shape without looking at values.
OLIVINE_API void expect_known(const array& a, const char* op, const char* instead);

}  // namespace olivine
