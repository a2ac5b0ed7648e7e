// Interruption: long work polls here, and a binding says whether the user asked to stop.
#pragma once

#include "core/error.h"
#include "olivine/export.h"

namespace olivine {

// `check` returns true when a signal is pending that should stop the work of the calling thread.
OLIVINE_API void set_interrupt_check(bool (*check)());
// Cheap enough for every chunk: asks `check` at most every 10 ms; throws Interrupted if it says so.
OLIVINE_API void poll_interrupt();

// Lives around a task of a background thread: the user's next interrupt, which another thread
// notices, ends the task too (its poll_interrupt throws Interrupted).
class OLIVINE_API BackgroundTask {
 public:
  BackgroundTask();
  ~BackgroundTask();
  BackgroundTask(const BackgroundTask&) = delete;
};
// Ends the tasks under way as an interrupt does.
OLIVINE_API void interrupt_background_tasks();

// While one lives on a thread, poll_interrupt does nothing there (work that must not stop halfway).
class OLIVINE_API Uninterruptible {
 public:
  Uninterruptible();
  ~Uninterruptible();
  Uninterruptible(const Uninterruptible&) = delete;
};

}  // namespace olivine
