// Whether this thread records a function: the question that every call from Python asks.
#pragma once

#include <atomic>

#include "olivine/export.h"

namespace olivine {

class Recording;  // transforms/replay.h

OLIVINE_API extern std::atomic<int> recordings_in_progress;  // of all threads
OLIVINE_API Recording* find_recording();

// What this thread records; null within a step, too.
inline Recording* running_recording() {
  if (recordings_in_progress.load(std::memory_order_relaxed) == 0) [[likely]]
    return nullptr;
  return find_recording();
}

}  // namespace olivine
