// Rate-limited asking whether the user wants to stop.
#include "runtime/interrupt.h"

#include <time.h>

#include <atomic>

namespace olivine {
namespace {

constexpr int64_t kInterval = 10'000'000;  // ns

std::atomic<bool (*)()> interrupt_check{nullptr};
thread_local int uninterruptible_depth = 0;
thread_local int64_t last_asked = 0;

// Counts the user's interrupts. A background task that began before the last one ends.
std::atomic<uint32_t> interrupts{0};
struct TaskState {
  bool running = false;
  uint32_t begun = 0;  // value of `interrupts`
  int depth = 0;       // of Uninterruptible: inside a deeper one the task goes on
};
thread_local TaskState background_task;

// A few ns: the coarse clock is a read of the kernel's last tick (1 to 10 ms old).
int64_t coarse_now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
  return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

}  // namespace

void set_interrupt_check(bool (*check)()) { interrupt_check.store(check); }

void poll_interrupt() {
  const TaskState& task = background_task;
  if (task.running && task.depth == uninterruptible_depth &&
      task.begun != interrupts.load(std::memory_order_relaxed)) {
    throw Interrupted();
  }
  if (uninterruptible_depth > 0) return;
  auto check = interrupt_check.load(std::memory_order_acquire);
  if (!check) return;
  int64_t now = coarse_now();
  if (now - last_asked < kInterval) return;
  last_asked = now;
  if (check()) {
    interrupt_background_tasks();
    throw Interrupted();
  }
}

BackgroundTask::BackgroundTask() {
  background_task = {true, interrupts.load(std::memory_order_relaxed), uninterruptible_depth};
}
BackgroundTask::~BackgroundTask() { background_task.running = false; }
void interrupt_background_tasks() { interrupts.fetch_add(1, std::memory_order_relaxed); }

Uninterruptible::Uninterruptible() { ++uninterruptible_depth; }
Uninterruptible::~Uninterruptible() { --uninterruptible_depth; }

}  // namespace olivine
