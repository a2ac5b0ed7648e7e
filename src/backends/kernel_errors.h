// Errors that kernels raise, defined once: code compiled per instruction set must not instantiate
// shared templates.
#pragma once

#include <cstdint>

namespace olivine {

// `index` as the user gave it; `block`: how many elements are read from there.
[[noreturn]] void index_error(const char* caller, int64_t index, int axis, int64_t size,
                              int64_t block);
[[noreturn]] void too_many_axes(int64_t rank, int64_t most);

}  // namespace olivine
