// The allocator: reuse, figures, limits, clean failure, buffers crossing threads.
#include "runtime/allocator.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "core/error.h"
#include "runtime/small_blocks.h"

#if defined(__SANITIZE_ADDRESS__)
#define OLIVINE_CACHES 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define OLIVINE_CACHES 0
#endif
#endif
#ifndef OLIVINE_CACHES
#define OLIVINE_CACHES 1
#endif

namespace olivine {
namespace {

constexpr size_t kMiB = 1 << 20;

// Restores the limits that a test changes.
struct Limits {
  size_t memory = get_memory_limit();
  size_t cache = set_cache_limit(memory);
  ~Limits() {
    set_memory_limit(memory);
    set_cache_limit(cache);
    clear_cache();
  }
};

// Other tests of the process may have left caches, and slabs that a few live blocks keep.
struct Allocator : testing::Test {
  void SetUp() override { clear_cache(); }
};

// Lets this much more be taken from the system.
void limit_to(size_t more) { set_memory_limit(memory::account.held.load() + more); }

TEST_F(Allocator, GivesAlignedWritableMemoryOfEverySize) {
  for (size_t bytes = 0; bytes < 3 * kMiB; bytes += 1 + bytes / 7) {
    BufferRef b = allocate(bytes);
    ASSERT_NE(b->data, nullptr);
    EXPECT_EQ(b->bytes, bytes);
    EXPECT_GE(b->capacity, bytes);
    uintptr_t address = reinterpret_cast<uintptr_t>(b->data);
    EXPECT_EQ(address % (bytes >= 64 ? 64 : 16), 0u);
    memset(b->data, 0xa5, b->capacity);
    EXPECT_TRUE(b->unique());
  }
}

TEST_F(Allocator, SizeClassesAreTightAndOrdered) {
  using namespace memory;
  for (int c = 1; c < kClasses; ++c) {
    EXPECT_EQ(size_class(class_bytes(c)), c);
    EXPECT_EQ(size_class(class_bytes(c - 1) + 1), c);
    EXPECT_EQ(class_bytes(c) % 64, 0u);
  }
}

TEST_F(Allocator, WastesAtMostAQuarterAboveSmallSizes) {
  Limits restore;
  for (size_t bytes = 257; bytes < 600 * kMiB; bytes += bytes / 3 + 1) {
    BufferRef b = allocate(bytes);
    EXPECT_LE(b->capacity, bytes + bytes / 4 + 64) << bytes;
  }
}

TEST_F(Allocator, BuffersAliveNeverOverlap) {
  std::map<uintptr_t, BufferRef> live;
  std::mt19937 random(7);
  for (int i = 0; i < 3000; ++i) {
    size_t bytes = random() % 4 ? random() % 2000 : random() % (3 * kMiB);
    BufferRef b = allocate(bytes);
    uintptr_t start = reinterpret_cast<uintptr_t>(b->data);
    auto next = live.upper_bound(start);
    if (next != live.end()) {
      ASSERT_LE(start + b->capacity, next->first);
    }
    if (next != live.begin()) {
      auto before = std::prev(next);
      ASSERT_LE(before->first + before->second->capacity, start);
    }
    live.emplace(start, std::move(b));
    if (live.size() > 200) live.erase(std::next(live.begin(), random() % live.size()));
  }
}

TEST_F(Allocator, CountsLiveBuffersExactly) {
  size_t before = get_active_memory();
  std::vector<BufferRef> held;
  size_t sum = 0;
  for (size_t bytes : {1, 100, 5000, 70000, 3 << 20}) {
    held.push_back(allocate(bytes));
    sum += held.back()->capacity;
    EXPECT_EQ(get_active_memory(), before + sum);
  }
  BufferRef shared = held.back();
  held.clear();
  EXPECT_EQ(get_active_memory(), before + shared->capacity);
  shared = BufferRef();
  EXPECT_EQ(get_active_memory(), before);
}

TEST_F(Allocator, PeakIsTheLargestActiveFigure) {
  reset_peak_memory();
  size_t before = get_active_memory();
  size_t capacity = 0;
  {
    BufferRef a = allocate(kMiB), b = allocate(2 * kMiB);
    capacity = a->capacity + b->capacity;
  }
  allocate(kMiB);
  EXPECT_EQ(get_peak_memory(), before + capacity);
}

TEST_F(Allocator, CopiesOfAReferenceShareTheBuffer) {
  BufferRef a = allocate(10);
  BufferRef b = a;
  EXPECT_FALSE(a->unique());
  b = BufferRef();
  EXPECT_TRUE(a->unique());
}

TEST_F(Allocator, ExternalMemoryIsReleasedOnceByItsOwner) {
  static int released = 0;
  int owner = 5;
  char bytes[8];
  size_t active = get_active_memory();
  {
    BufferRef b = wrap_external(
        bytes, sizeof bytes, [](void* o) { released += *static_cast<int*>(o); }, &owner);
    BufferRef c = b;
    EXPECT_EQ(b->data, bytes);
    EXPECT_EQ(b->bytes, sizeof bytes);
    EXPECT_EQ(get_active_memory(), active);
  }
  EXPECT_EQ(released, 5);
  wrap_external(bytes, sizeof bytes, nullptr, nullptr);
}

TEST_F(Allocator, ImpossibleSizesFailAndChangeNothing) {
  size_t active = get_active_memory(), cached = get_cache_memory();
  for (size_t bytes : {size_t{1} << 62, size_t{1} << 47, ~size_t{0}, ~size_t{0} / 2}) {
    EXPECT_THROW(allocate(bytes), OutOfMemory);
  }
  EXPECT_EQ(get_active_memory(), active);
  EXPECT_EQ(get_cache_memory(), cached);
}

TEST_F(Allocator, MessageNamesSizeUseAndLimit) {
  Limits restore;
  set_memory_limit(64 * kMiB);
  BufferRef b = allocate(16 * kMiB);
  try {
    allocate(size_t{5} << 30);
    FAIL() << "expected OutOfMemory";
  } catch (const OutOfMemory& e) {
    std::string text = e.what();
    EXPECT_NE(text.find("[allocate]"), std::string::npos) << text;
    EXPECT_NE(text.find("got 5.00 GiB"), std::string::npos) << text;
    EXPECT_NE(text.find("limit of 64.00 MiB"), std::string::npos) << text;
    EXPECT_NE(text.find("in use"), std::string::npos) << text;
  }
}

TEST_F(Allocator, LimitCountsWhatIsInUse) {
  Limits restore;
  limit_to(24 * kMiB);
  BufferRef a = allocate(16 * kMiB);
  EXPECT_THROW(allocate(16 * kMiB), OutOfMemory);
  a = BufferRef();
  EXPECT_NO_THROW(a = allocate(16 * kMiB));
}

TEST_F(Allocator, LimitGivesBackTheCacheBeforeFailing) {
  Limits restore;
  limit_to(24 * kMiB);
  allocate(4 * kMiB);
  allocate(12 * kMiB);
  EXPECT_NO_THROW(allocate(20 * kMiB));
}

TEST_F(Allocator, LimitHoldsForSmallBuffersToo) {
  Limits restore;
  limit_to(8 * kMiB);
  std::vector<BufferRef> held;
  EXPECT_THROW(for (int i = 0; i < 1000000; ++i) held.push_back(allocate(200)), OutOfMemory);
  EXPECT_GT(held.size() * 200, 4 * kMiB);
  held.clear();
  EXPECT_NO_THROW(allocate(4 * kMiB));
}

TEST_F(Allocator, TheNthAllocationFailsOnDemand) {
  fail_allocation(3);
  EXPECT_NO_THROW(allocate(10));
  EXPECT_NO_THROW(allocate(kMiB));
  EXPECT_THROW(allocate(10), OutOfMemory);
  EXPECT_NO_THROW(allocate(10));
  fail_allocation(1);
  fail_allocation(0);
  EXPECT_NO_THROW(allocate(10));
}

TEST_F(Allocator, SettersReturnThePreviousLimit) {
  Limits restore;
  set_memory_limit(123 * kMiB);
  EXPECT_EQ(set_memory_limit(456 * kMiB), 123 * kMiB);
  EXPECT_EQ(get_memory_limit(), 456 * kMiB);
  set_cache_limit(7);
  EXPECT_EQ(set_cache_limit(0), 7u);
}

#if OLIVINE_CACHES

TEST_F(Allocator, LargeBuffersAreReusedWhenNotMuchLarger) {
  Limits restore;
  void* first = allocate(40 * kMiB)->data;
  EXPECT_EQ(allocate(40 * kMiB)->data, first);
  EXPECT_EQ(allocate(34 * kMiB)->data, first);
  EXPECT_EQ(get_cache_memory(), 40 * kMiB);
  BufferRef small = allocate(20 * kMiB);
  EXPECT_NE(small->data, first);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(first) % (2 * kMiB), 0u);
}

TEST_F(Allocator, ReusePrefersTheBestFit) {
  Limits restore;
  BufferRef a = allocate(44 * kMiB), b = allocate(42 * kMiB), c = allocate(46 * kMiB);
  void* best = b->data;
  a = b = c = BufferRef();
  EXPECT_EQ(allocate(41 * kMiB)->data, best);
}

TEST_F(Allocator, ArenasOfSeveralSizesShareTheLargest) {
  Limits restore;
  const size_t held = memory::account.held.load(), active = get_active_memory();
  for (size_t mib : {20, 30, 44, 60}) {
    EXPECT_EQ(allocate_arena(mib * kMiB)->capacity, mib * kMiB);
    EXPECT_LT(memory::account.held.load(), held + (mib + 1) * kMiB);  // the smaller ones went back
  }
  {
    BufferRef arena = allocate_arena(20 * kMiB);
    EXPECT_EQ(arena->capacity, 60 * kMiB);
    EXPECT_EQ(get_active_memory(), active + 20 * kMiB);
  }
  EXPECT_EQ(get_active_memory(), active);
  EXPECT_EQ(allocate_arena(10 * kMiB)->capacity, 10 * kMiB);  // the other is too large for it
  EXPECT_EQ(get_cache_memory(), 70 * kMiB);
  EXPECT_EQ(allocate(40 * kMiB)->capacity, 40 * kMiB);  // values may stay: no room is wasted
  EXPECT_EQ(allocate_arena(100 * kMiB)->capacity, 100 * kMiB);
  EXPECT_EQ(get_cache_memory(), 150 * kMiB);  // with the value's and the small one
}

TEST_F(Allocator, SteadyLoopHoldsNoMoreMemory) {
  Limits restore;
  auto step = [] {
    std::vector<BufferRef> held;
    for (size_t bytes = 8; bytes < 16 * kMiB; bytes *= 2) held.push_back(allocate(bytes + 3));
  };
  step();
  size_t held = memory::account.held.load();
  for (int i = 0; i < 50; ++i) step();
  EXPECT_EQ(memory::account.held.load(), held);
}

TEST_F(Allocator, ClearCacheGivesEverythingBack) {
  auto use = [] {
    std::vector<BufferRef> buffers;
    for (int i = 0; i < 50000; ++i) buffers.push_back(allocate(i % 3000));
    for (int i = 0; i < 20; ++i) buffers.push_back(allocate(kMiB));
  };
  use();  // fills what is left of slabs that stay
  clear_cache();
  size_t held = memory::account.held.load();
  use();
  EXPECT_GT(get_cache_memory(), 20 * kMiB);
  clear_cache();
  EXPECT_EQ(get_cache_memory(), 0u);
  EXPECT_LE(memory::account.held.load(), held + kMiB);
}

TEST_F(Allocator, CacheLimitOfZeroKeepsNothing) {
  Limits restore;
  set_cache_limit(0);
  EXPECT_EQ(get_cache_memory(), 0u);
  allocate(16384);
  allocate(5 * kMiB);
  EXPECT_EQ(get_cache_memory(), 0u);
}

TEST_F(Allocator, CacheStaysUnderItsLimitAndDropsTheOldest) {
  Limits restore;
  set_cache_limit(30 * kMiB);
  BufferRef a = allocate(16 * kMiB), b = allocate(10 * kMiB), c = allocate(12 * kMiB);
  void* newest = c->data;
  a = BufferRef();
  b = BufferRef();
  c = BufferRef();
  EXPECT_LE(get_cache_memory(), 30 * kMiB);
  EXPECT_EQ(allocate(12 * kMiB)->data, newest);
}

#endif

TEST_F(Allocator, BuffersMayDieOnOtherThreads) {
  size_t before = get_active_memory();
  std::mutex mutex;
  std::vector<BufferRef> exchange;
  auto work = [&](unsigned seed) {
    std::mt19937 random(seed);
    for (int i = 0; i < 4000; ++i) {
      size_t bytes = random() % 8 ? random() % 3000 : random() % (2 * kMiB);
      BufferRef mine = allocate(bytes);
      if (bytes) memset(mine->data, static_cast<int>(seed), std::min<size_t>(bytes, 256));
      std::lock_guard lock(mutex);
      exchange.push_back(mine);
      if (exchange.size() > 50) {
        std::swap(exchange[random() % exchange.size()], exchange.back());
        mine = std::move(exchange.back());
        exchange.pop_back();
      }
    }
  };
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 8; ++t) threads.emplace_back(work, t);
  for (auto& t : threads) t.join();
  exchange.clear();
  EXPECT_EQ(get_active_memory(), before);
}

TEST_F(Allocator, ClearingTheCacheMayRaceWithUse) {
  std::atomic<bool> done{false};
  std::thread clearer([&] {
    while (!done) clear_cache();
  });
  std::vector<std::thread> users;
  for (int t = 0; t < 3; ++t) {
    users.emplace_back([] {
      for (int i = 0; i < 2000; ++i) allocate(i % 2 ? 300 : 100000);
    });
  }
  for (auto& t : users) t.join();
  done = true;
  clearer.join();
}

// Its destructor runs after that of the thread's magazine, which is made later.
struct HoldsABuffer {
  BufferRef buffer;
  ~HoldsABuffer() {
    buffer = BufferRef();
    allocate(100);
  }
};

TEST_F(Allocator, WorksInDestructorsOfEndingThreads) {
  size_t before = get_active_memory();
  for (int i = 0; i < 20; ++i) {
    std::thread([] {
      thread_local HoldsABuffer holder;
      holder.buffer = allocate(64);
    }).join();
  }
  EXPECT_EQ(get_active_memory(), before);
}

}  // namespace
}  // namespace olivine
