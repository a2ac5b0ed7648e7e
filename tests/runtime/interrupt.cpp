// poll_interrupt: asks rarely, throws when told to, keeps quiet under Uninterruptible.
#include "runtime/interrupt.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

namespace olivine {
namespace {

std::atomic<int> asked{0};

struct Check {
  explicit Check(bool (*check)()) {
    asked = 0;
    set_interrupt_check(check);
    std::this_thread::sleep_for(std::chrono::milliseconds(25));  // longer than the interval
  }
  ~Check() { set_interrupt_check(nullptr); }
};

TEST(Interrupt, ThrowsWhenTheCheckSaysSo) {
  Check check([] { return true; });
  EXPECT_THROW(poll_interrupt(), Interrupted);
}

TEST(Interrupt, AsksAtMostEveryTenMilliseconds) {
  Check check([] {
    ++asked;
    return false;
  });
  auto start = std::chrono::steady_clock::now();
  int polls = 0;
  std::chrono::duration<double> elapsed{};
  while ((elapsed = std::chrono::steady_clock::now() - start).count() < 0.1) {
    poll_interrupt();
    ++polls;
  }
  EXPECT_GE(asked.load(), 1);
  EXPECT_LE(asked.load(), elapsed.count() / 0.01 + 2);
  EXPECT_GT(polls, asked.load());
}

TEST(Interrupt, UninterruptibleNests) {
  Check check([] { return true; });
  {
    Uninterruptible outer;
    { Uninterruptible inner; }
    EXPECT_NO_THROW(poll_interrupt());
  }
  EXPECT_THROW(poll_interrupt(), Interrupted);
}

TEST(Interrupt, WithoutACheckNothingHappens) {
  set_interrupt_check(nullptr);
  EXPECT_NO_THROW(poll_interrupt());
}

}  // namespace
}  // namespace olivine
