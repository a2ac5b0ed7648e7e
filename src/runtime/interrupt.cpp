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

// A few ns: the coarse clock is a read of the kernel's last tick (1 to 10 ms old).
int64_t coarse_now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
  return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

}  // namespace

void set_interrupt_check(bool (*check)()) { interrupt_check.store(check); }

void poll_interrupt() {
  if (uninterruptible_depth > 0) return;
  auto check = interrupt_check.load(std::memory_order_acquire);
  if (!check) return;
  int64_t now = coarse_now();
  if (now - last_asked < kInterval) return;
  last_asked = now;
  if (check()) throw Interrupted();
}

Uninterruptible::Uninterruptible() { ++uninterruptible_depth; }
Uninterruptible::~Uninterruptible() { --uninterruptible_depth; }

}  // namespace olivine
