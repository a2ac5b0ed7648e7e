// Running loops on all threads: one pool for all work inside ops; the caller works along.
#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>

#include "olivine/export.h"

namespace olivine {

namespace detail {
using ChunkFn = void (*)(void* body, int64_t begin, int64_t end);
OLIVINE_API void parallel_chunks(int64_t n, int64_t grain, void* body, ChunkFn fn);
}  // namespace detail

// Calls body(begin, end) for the chunks [0, grain), [grain, 2 grain) … of [0, n). The chunks depend
// on n and grain alone, so results cannot depend on the number of threads; their order is free.
// Polls for interrupts between chunks. The first exception of a chunk is thrown to the caller.
// A call from inside a chunk runs inline. A single chunk is called by the pointer as well, so that
// the body is compiled once.
template <class F>
void parallel_for(int64_t n, int64_t grain, F&& body) {
  using B = std::remove_reference_t<F>;
  detail::parallel_chunks(
      n, grain, const_cast<void*>(static_cast<const void*>(std::addressof(body))),
      [](void* b, int64_t begin, int64_t end) { (*static_cast<B*>(b))(begin, end); });
}

// Threads used: OLIVINE_NUM_THREADS, else the CPUs of the affinity mask and the cgroup quota.
OLIVINE_API int thread_count();
OLIVINE_API void set_thread_count(int n);

}  // namespace olivine
