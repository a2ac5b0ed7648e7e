// The process's locks, and values computed at first use, that a child of fork() can go on with.
//
// The child has one thread. A lock held by another thread of its parent would stay held for ever;
// so would the lock inside a function-local static that another thread was just initializing.
#pragma once

#include <atomic>
#include <mutex>

#include "olivine/export.h"

namespace olivine {

// In the order in which one thread may take them. fork() holds them all: the child finds them free
// and what they protect whole.
enum class Lock {
  traces,    // of compiled and of imported functions
  random,    // the process-wide sequence of keys
  graph,     // op, params, inputs, buffers and scratch fields of pending nodes
  backend,   // making the backend
  plans,     // of Fourier transforms
  openblas,  // loading it
  runs,      // machine code of element-wise runs
  streams,   // the table of them
  names,     // of ops
  records,   // the list of them
  memory,    // everything that threads share in the allocator
  profile,   // the running profile's records and descriptions
  count,
};

namespace detail {
struct alignas(64) ProcessLock {
  std::mutex mutex;
};
OLIVINE_API extern ProcessLock process_locks[static_cast<int>(Lock::count)];
}  // namespace detail

inline std::mutex& process_lock(Lock l) { return detail::process_locks[static_cast<int>(l)].mutex; }

// A static value computed at its first use. T() stands for "not computed".
template <class T>
class FirstUse {
 public:
  // Each thread that comes before the value is there computes it; all compute the same.
  template <class F>
  T get(F compute) {
    T value = value_.load(std::memory_order_acquire);
    if (value == T()) value_.store(value = compute(), std::memory_order_release);
    return value;
  }
  // Under a lock, for what only one thread may compute.
  template <class F>
  T get_once(Lock l, F compute) {
    T value = value_.load(std::memory_order_acquire);
    if (value != T()) return value;
    std::lock_guard lock(process_lock(l));
    return get(compute);
  }

 private:
  std::atomic<T> value_{};
};

}  // namespace olivine
