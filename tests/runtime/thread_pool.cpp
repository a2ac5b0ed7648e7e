// parallel_for: coverage, nesting, several callers, exceptions, interrupts, thread counts.
#include "runtime/thread_pool.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <numeric>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include "core/error.h"
#include "runtime/interrupt.h"
#include "runtime/watchdog.h"

namespace olivine {
namespace {

// Restores the thread count that a test changes.
struct Threads {
  int before = thread_count();
  explicit Threads(int n) { set_thread_count(n); }
  ~Threads() { set_thread_count(before); }
};

void expect_covers(int64_t n, int64_t grain) {
  std::vector<std::atomic<int>> seen(static_cast<size_t>(n));
  std::atomic<bool> aligned{true};
  parallel_for(n, grain, [&](int64_t begin, int64_t end) {
    if (begin % grain != 0 || end != std::min(n, begin + grain)) aligned = false;
    for (int64_t i = begin; i < end; ++i) seen[static_cast<size_t>(i)]++;
  });
  EXPECT_TRUE(aligned) << n << " by " << grain;
  for (auto& s : seen) ASSERT_EQ(s.load(), 1) << n << " by " << grain;
}

TEST(ThreadPool, EveryIndexIsVisitedOnceInChunksOfTheGrain) {
  testing::Watchdog watchdog;
  for (int threads : {1, 2, 4, 7}) {
    Threads use(threads);
    for (int64_t n : {1, 2, 3, 10, 1000, 4097}) {
      for (int64_t grain : {1, 3, 64, 5000}) expect_covers(n, grain);
    }
  }
}

TEST(ThreadPool, EmptyRangesAndHugeRangesWork) {
  int calls = 0;
  parallel_for(0, 4, [&](int64_t, int64_t) { ++calls; });
  parallel_for(-3, 4, [&](int64_t, int64_t) { ++calls; });
  EXPECT_EQ(calls, 0);
  std::atomic<int64_t> sum{0};
  constexpr int64_t kMost = INT64_MAX;
  parallel_for(kMost, kMost / 3, [&](int64_t begin, int64_t end) { sum += end - begin; });
  EXPECT_EQ(sum.load(), kMost);
}

TEST(ThreadPool, NestedCallsRunInlineOnTheSameThread) {
  testing::Watchdog watchdog;
  Threads use(4);
  std::atomic<int> strangers{0}, inner{0};
  parallel_for(64, 1, [&](int64_t, int64_t) {
    auto me = std::this_thread::get_id();
    parallel_for(32, 1, [&](int64_t, int64_t) {
      ++inner;
      if (std::this_thread::get_id() != me) ++strangers;
    });
  });
  EXPECT_EQ(inner.load(), 64 * 32);
  EXPECT_EQ(strangers.load(), 0);
}

TEST(ThreadPool, ManyCallersAtOnceGetTheirOwnResults) {
  testing::Watchdog watchdog;
  Threads use(4);
  std::atomic<int> wrong{0};
  std::vector<std::thread> callers;
  for (int t = 0; t < 8; ++t) {
    callers.emplace_back([&, t] {
      for (int i = 0; i < 500; ++i) {
        std::atomic<int64_t> sum{0};
        parallel_for(100 + t, 3, [&](int64_t b, int64_t e) {
          for (int64_t k = b; k < e; ++k) sum += k;
        });
        if (sum.load() != int64_t{100 + t} * (99 + t) / 2) ++wrong;
      }
    });
  }
  for (auto& c : callers) c.join();
  EXPECT_EQ(wrong.load(), 0);
}

TEST(ThreadPool, WorkersHelp) {
  testing::Watchdog watchdog;
  Threads use(3);
  std::atomic<int> here{0};
  // Each chunk waits until three threads have come: one thread alone would never end.
  parallel_for(3, 1, [&](int64_t, int64_t) {
    ++here;
    while (here.load() < 3) std::this_thread::yield();
  });
  EXPECT_EQ(here.load(), 3);
}

TEST(ThreadPool, SleepingWorkersWakeUp) {
  testing::Watchdog watchdog;
  Threads use(2);
  for (int i = 0; i < 20; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    std::atomic<int> here{0};
    parallel_for(2, 1, [&](int64_t, int64_t) {
      ++here;
      while (here.load() < 2) std::this_thread::yield();
    });
  }
}

TEST(ThreadPool, OneExceptionReachesTheCallerAndThePoolStaysUsable) {
  testing::Watchdog watchdog;
  for (int threads : {1, 4}) {
    Threads use(threads);
    for (int i = 0; i < 200; ++i) {
      std::atomic<int> ran{0};
      EXPECT_THROW(parallel_for(1000, 1,
                                [&](int64_t b, int64_t) {
                                  ++ran;
                                  if (b >= i) throw std::runtime_error("chunk");
                                }),
                   std::runtime_error);
      EXPECT_LT(ran.load(), 1000);
      expect_covers(50, 7);
    }
  }
}

TEST(ThreadPool, ExceptionsOfNestedCallsArrive) {
  testing::Watchdog watchdog;
  Threads use(4);
  EXPECT_THROW(parallel_for(8, 1,
                            [](int64_t, int64_t) {
                              parallel_for(8, 1, [](int64_t, int64_t) { fail("inner"); });
                            }),
               std::invalid_argument);
}

thread_local bool may_be_interrupted = false;
std::atomic<bool> interrupt_now{false};

// Interrupts the calling thread only, as a binding does for the main thread.
struct InterruptAfter {
  std::thread timer;
  explicit InterruptAfter(std::chrono::milliseconds delay) {
    may_be_interrupted = true;
    interrupt_now = false;
    set_interrupt_check([] { return may_be_interrupted && interrupt_now.load(); });
    timer = std::thread([delay] {
      std::this_thread::sleep_for(delay);
      interrupt_now = true;
    });
  }
  ~InterruptAfter() {
    timer.join();
    set_interrupt_check(nullptr);
    may_be_interrupted = false;
  }
};

TEST(ThreadPool, InterruptStopsALongLoopSoon) {
  testing::Watchdog watchdog;
  for (int threads : {1, 4}) {
    Threads use(threads);
    InterruptAfter interrupt(std::chrono::milliseconds(30));
    auto start = std::chrono::steady_clock::now();
    auto nap = [](int64_t, int64_t) { std::this_thread::sleep_for(std::chrono::milliseconds(1)); };
    EXPECT_THROW(parallel_for(1'000'000, 1, nap), Interrupted);
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
  }
  expect_covers(100, 3);
}

TEST(ThreadPool, InterruptStopsNestedLoopsOfWorkers) {
  testing::Watchdog watchdog;
  Threads use(4);
  InterruptAfter interrupt(std::chrono::milliseconds(30));
  auto nap = [](int64_t, int64_t) { std::this_thread::sleep_for(std::chrono::milliseconds(1)); };
  EXPECT_THROW(parallel_for(4, 1, [&](int64_t, int64_t) { parallel_for(1'000'000, 1, nap); }),
               Interrupted);
}

TEST(ThreadPool, WorkersTakeNoSignals) {
  testing::Watchdog watchdog;
  Threads use(4);
  std::atomic<int> open{0}, workers{0};
  auto caller = std::this_thread::get_id();
  std::atomic<int> here{0};
  parallel_for(4, 1, [&](int64_t, int64_t) {
    ++here;
    while (here.load() < 4) std::this_thread::yield();
    if (std::this_thread::get_id() == caller) return;
    ++workers;
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    for (int s : {SIGINT, SIGTERM, SIGALRM, SIGCHLD, SIGUSR1}) open += !sigismember(&mask, s);
  });
  EXPECT_EQ(workers.load(), 3);
  EXPECT_EQ(open.load(), 0);
}

TEST(ThreadPool, ThreadCountIsChecked) {
  EXPECT_THROW(set_thread_count(0), std::invalid_argument);
  EXPECT_THROW(set_thread_count(-4), std::invalid_argument);
  EXPECT_THROW(set_thread_count(1 << 20), std::invalid_argument);
  Threads use(5);
  EXPECT_EQ(thread_count(), 5);
}

TEST(ThreadPool, ChangingTheCountWhileOthersWorkIsSafe) {
  testing::Watchdog watchdog;
  int before = thread_count();
  std::atomic<bool> done{false};
  std::thread changer([&] {
    for (int n = 1; !done; n = n % 6 + 1) set_thread_count(n);
  });
  for (int i = 0; i < 300; ++i) expect_covers(100, 1);
  done = true;
  changer.join();
  set_thread_count(before);
}

}  // namespace
}  // namespace olivine
