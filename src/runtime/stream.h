// Background work of streams: tasks run in order on one thread per stream.
#pragma once

#include <functional>

#include "olivine/device.h"
#include "olivine/export.h"

namespace olivine {

// Index of the calling thread's default stream.
OLIVINE_API int default_stream_index();

// Runs `task` after everything enqueued before it on this stream. The task must not throw. A child
// of fork() does not inherit what was still queued; at exit what has not started is dropped.
OLIVINE_API void enqueue(int stream_index, std::function<void()> task);

}  // namespace olivine
