// Threads that the runtime starts for itself and never joins.
#pragma once

namespace olivine {

// Runs fn(arg) on a new detached thread; false if the system refuses. Signals go to other threads
// (except faults of its own code), and poll_interrupt asks nobody on it (see BackgroundTask).
bool start_background_thread(const char* name, void (*fn)(void*), void* arg);

}  // namespace olivine
