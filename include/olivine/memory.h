// How much memory arrays hold, and limits to it. All figures are bytes.
#pragma once

#include <cstddef>
#include <vector>

#include "olivine/array.h"

namespace olivine {

// Held by arrays now, and at most since the start or reset_peak_memory.
OLIVINE_API size_t get_active_memory();
OLIVINE_API size_t get_peak_memory();
OLIVINE_API void reset_peak_memory();
// Kept for reuse, until clear_cache gives it back to the system.
OLIVINE_API size_t get_cache_memory();
OLIVINE_API void clear_cache();
// Limits; setting one returns the previous limit.
OLIVINE_API size_t get_memory_limit();
OLIVINE_API size_t set_memory_limit(size_t limit);
OLIVINE_API size_t set_cache_limit(size_t limit);
// Without effect, as no memory is wired here; returns the previous value.
OLIVINE_API size_t set_wired_limit(size_t limit);
// Of the buffers below these arrays, each buffer counted once; evaluates them.
OLIVINE_API size_t get_array_buffer_size(const std::vector<array>& arrays);

}  // namespace olivine
