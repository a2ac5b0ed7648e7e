// Compiled functions under numbers that their callers choose, for bindings that make a function
// object anew for every call.
#pragma once

#include <cstdint>
#include <vector>

#include "olivine/compile.h"

namespace olivine::detail {

// Functions of one id share their traces; those of other constants, or shapeless ones, do not.
OLIVINE_API ArrayFn compile(ArrayFn fn, std::uintptr_t fun_id, bool shapeless = false,
                            std::vector<uint64_t> constants = {});
// Drops the traces of one id, or all of them; later calls trace again.
OLIVINE_API void compile_erase(std::uintptr_t fun_id);
OLIVINE_API void compile_clear_cache();

}  // namespace olivine::detail
