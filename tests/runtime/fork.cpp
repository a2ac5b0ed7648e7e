// fork() and exit() in the middle of everything: the child computes, nothing hangs.
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "runtime/allocator.h"
#include "runtime/stream.h"
#include "runtime/thread_pool.h"
#include "runtime/watchdog.h"

#if defined(__SANITIZE_THREAD__)
// Lets a child start threads; good enough while the parent's other threads only sleep.
extern "C" const char* __tsan_default_options() { return "die_after_fork=0"; }
#endif

namespace olivine {
namespace {

int64_t parallel_sum(int64_t n) {
  std::atomic<int64_t> sum{0};
  parallel_for(n, 16, [&](int64_t begin, int64_t end) {
    BufferRef scratch = allocate(static_cast<size_t>(end) % 5000);
    for (int64_t i = begin; i < end; ++i) sum += i;
  });
  return sum.load();
}

// Uses all parts of the runtime; 0 if all is well.
int use_everything() {
  if (parallel_sum(1000) != 499500) return 1;
  BufferRef large = allocate(3 << 20);
  memset(large->data, 1, large->bytes);
  Stream s = new_stream(Device{});
  std::atomic<int> ran{0};
  enqueue(s.index, [&] { ++ran; });
  enqueue(0, [&] { ++ran; });
  synchronize();
  if (ran != 2) return 2;
  clear_cache();
  return parallel_sum(500) == 124750 ? 0 : 3;
}

TEST(Fork, ChildComputesAfterTheParentDid) {
  testing::Watchdog watchdog;
  ASSERT_EQ(use_everything(), 0);
  EXPECT_EQ(testing::status_in_child(use_everything), 0);
  EXPECT_EQ(use_everything(), 0);
}

TEST(Fork, ChildOfAChildComputes) {
  testing::Watchdog watchdog;
  EXPECT_EQ(testing::status_in_child(
                [] { return use_everything() + testing::status_in_child(use_everything); }),
            0);
}

// Threads that keep the allocator, the pool and the streams busy until destroyed.
struct Traffic {
  std::atomic<bool> done{false};
  std::vector<std::thread> threads;
  Traffic() {
    for (int t = 0; t < 2; ++t) {
      threads.emplace_back([this] {
        while (!done) parallel_sum(300);
      });
      threads.emplace_back([this] {
        std::vector<BufferRef> held(100);
        for (size_t i = 0; !done; ++i) held[i % 100] = allocate(i * 37 % 100000);
      });
    }
    threads.emplace_back([this] {
      while (!done) {
        enqueue(0, [] { allocate(1000); });
        synchronize();
      }
    });
  }
  ~Traffic() {
    done = true;
    for (auto& t : threads) t.join();
  }
};

TEST(Fork, WorksAtAnyMomentOfOtherThreads) {
  if (testing::kBusyForkHangs) GTEST_SKIP() << "the sanitizer's own locks don't survive fork";
  alarm(4 * testing::kPatience);
  {
    Traffic traffic;
    for (int i = 0; i < 200; ++i) ASSERT_EQ(testing::status_in_child(use_everything), 0) << i;
  }
  alarm(0);
}

// Cold only where this is the process's first test, as under ctest.
TEST(Fork, WorksAtTheFirstUseByOtherThreads) {
  if (testing::kBusyForkHangs) GTEST_SKIP() << "the sanitizer's own locks don't survive fork";
  alarm(4 * testing::kPatience);
  for (int i = 0; i < 100; ++i) {
    auto cold = [i] {
      Traffic traffic;
      std::this_thread::sleep_for(std::chrono::microseconds(10 * i));
      return testing::status_in_child(use_everything);
    };
    ASSERT_EQ(testing::status_in_child(cold), 0) << i;
  }
  alarm(0);
}

TEST(Fork, ChildDropsQueuedTasks) {
  testing::Watchdog watchdog;
  Stream s = new_stream(Device{});
  std::atomic<bool> running{false}, go_on{false};
  std::atomic<int> ran{0};
  enqueue(s.index, [&] {
    running = true;
    while (!go_on) std::this_thread::yield();
  });
  enqueue(s.index, [&] { ++ran; });
  while (!running) std::this_thread::yield();
  EXPECT_EQ(testing::status_in_child([&] {
              synchronize();
              enqueue(s.index, [&] { ran += 10; });
              synchronize(s);
              return ran.load();
            }),
            10);
  go_on = true;
  synchronize(s);
  EXPECT_EQ(ran.load(), 1);
}

// Uses the runtime when it is destroyed at exit.
struct LateUser {
  BufferRef buffer;
  bool armed = false;
  ~LateUser() {
    if (armed && use_everything() != 0) _exit(4);
  }
};
LateUser late_user;

TEST(Exit, IsCleanWithWorkersStreamsAndStaticUsers) {
  testing::Watchdog watchdog;
  int status = testing::status_in_child([] {
    use_everything();
    late_user.armed = true;
    late_user.buffer = allocate(100);
    for (int i = 0; i < 20; ++i) {
      enqueue(0, [] { std::this_thread::sleep_for(std::chrono::milliseconds(1)); });
    }
    std::thread([] {
      for (;;) parallel_sum(1000);
    }).detach();
    exit(0);
    return 5;
  });
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace olivine
