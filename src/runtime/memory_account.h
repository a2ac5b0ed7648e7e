// The allocator's counters and limits, shared by its pools; private to src/runtime.
#pragma once

#include <atomic>
#include <cstddef>

#include "runtime/process_locks.h"

namespace olivine::memory {

inline constexpr size_t kUnset = ~size_t{0};

// held = bytes taken from the system (for slabs: touched), so held >= active + cached; the rest is
// free room inside slabs that are in use.
struct Account {
  alignas(64) std::atomic<size_t> active{0};
  std::atomic<size_t> peak{0};
  alignas(64) std::atomic<size_t> held{0};
  std::atomic<size_t> cached{0};
  std::atomic<size_t> limit{kUnset};
  std::atomic<size_t> cache_limit{kUnset};
};
extern Account account;

inline std::mutex& pool_mutex() { return process_lock(Lock::memory); }

size_t memory_limit();
size_t cache_limit();

// Counts `bytes` as held if the limit admits them.
bool reserve(size_t bytes);
inline void unreserve(size_t bytes) { account.held.fetch_sub(bytes, std::memory_order_relaxed); }

// Why no memory came.
enum class Refusal { none, limit, system };

}  // namespace olivine::memory
