// fork() takes the process's locks in their order and both sides release them.
#include "runtime/process_locks.h"

#include <pthread.h>

namespace olivine {
namespace detail {

constinit ProcessLock process_locks[static_cast<int>(Lock::count)];

}  // namespace detail

namespace {

void take_all() {
  for (auto& l : detail::process_locks) l.mutex.lock();
}
void release_all() {
  for (auto& l : detail::process_locks) l.mutex.unlock();
}
[[maybe_unused]] const int fork_handlers = pthread_atfork(take_all, release_all, release_all);

}  // namespace
}  // namespace olivine
