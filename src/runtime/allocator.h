// Memory of arrays: reference-counted buffers from a caching allocator that may fail cleanly.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "core/ref.h"
#include "olivine/export.h"

namespace olivine {

// A block of memory. Its bytes start 64-byte aligned when bytes >= 64.
struct Buffer {
  std::atomic<uint32_t> refs{1};
  uint32_t kind = 0;  // private to the allocator
  void* data = nullptr;
  size_t bytes = 0;     // as asked for
  size_t capacity = 0;  // as held
  // For memory owned by someone else (NumPy, a mapped file): called once when the buffer dies.
  void (*release_external)(void* owner) = nullptr;
  void* owner = nullptr;

  void retain() { refs.fetch_add(1, std::memory_order_relaxed); }
  OLIVINE_API void release();
  bool unique() const { return refs.load(std::memory_order_acquire) == 1; }
};
using BufferRef = Ref<Buffer>;

// Uninitialised memory. Throws OutOfMemory, naming the size, the limit and what is in use, when the
// system or the limit refuses (after giving back the cache); nothing else changes then.
OLIVINE_API BufferRef allocate(size_t bytes);
// Memory for the temporaries of one run. It may lie in a much larger block that is cached, since
// that is back soon: programs of several sizes share the memory of the largest.
OLIVINE_API BufferRef allocate_arena(size_t bytes);
// Wraps memory that somebody else owns.
OLIVINE_API BufferRef wrap_external(void* data, size_t bytes, void (*release)(void*), void* owner);

OLIVINE_API size_t get_active_memory();
OLIVINE_API size_t get_peak_memory();
OLIVINE_API void reset_peak_memory();
OLIVINE_API size_t get_cache_memory();
OLIVINE_API size_t get_memory_limit();
// Both return the previous limit, in bytes. Defaults follow the cgroup limit, else physical memory.
OLIVINE_API size_t set_memory_limit(size_t bytes);
OLIVINE_API size_t set_cache_limit(size_t bytes);
OLIVINE_API void clear_cache();

// For tests: the n-th allocation from now fails (0: off).
OLIVINE_API void fail_allocation(int64_t nth);

}  // namespace olivine
