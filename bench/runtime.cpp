// Times of the runtime alone: allocation by size, hand-over to the pool, polling for interrupts.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <thread>
#include <vector>

#include "runtime/allocator.h"
#include "runtime/interrupt.h"
#include "runtime/stream.h"
#include "runtime/thread_pool.h"

namespace {

using namespace olivine;
using Clock = std::chrono::steady_clock;

// Best of `rounds` of the mean time of f, in ns.
template <class F>
double best_ns(int rounds, int repeats, F f) {
  double best = 1e30;
  for (int r = 0; r < rounds; ++r) {
    auto start = Clock::now();
    for (int i = 0; i < repeats; ++i) f();
    std::chrono::duration<double, std::nano> t = Clock::now() - start;
    if (t.count() / repeats < best) best = t.count() / repeats;
  }
  return best;
}

void allocation() {
  for (size_t bytes : {4, 256, 1024, 4096, 65536, 65537, 1 << 20, 16 << 20}) {
    double ns = best_ns(5, 20000, [&] { allocate(bytes); });
    printf("allocate + release %9zu bytes %28.1f ns\n", bytes, ns);
  }
  std::vector<BufferRef> held(10000);
  double ns = best_ns(5, 5, [&] {
    for (auto& b : held) b = allocate(64);
    for (auto& b : held) b = BufferRef();
  });
  printf("10000 held, then released, 64 bytes each %19.1f ns per buffer\n", ns / 10000);
}

void fresh_and_reused() {
  constexpr size_t kBytes = size_t{256} << 20;
  auto fill = [&] { memset(allocate(kBytes)->data, 1, kBytes); };
  double fresh = best_ns(3, 1, [&] {
    clear_cache();
    fill();
  });
  double reused = best_ns(3, 1, fill);
  printf("fill 256 MiB: fresh %6.1f GB/s, reused %6.1f GB/s\n", kBytes / fresh, kBytes / reused);
}

void hand_over() {
  std::atomic<int64_t> sink{0};
  auto tiny = [&](int64_t b, int64_t) { sink.fetch_add(b, std::memory_order_relaxed); };
  parallel_for(thread_count(), 1, tiny);
  double empty = best_ns(20, 1000, [&] { parallel_for(thread_count(), 1, tiny); });
  printf("parallel_for, %d empty chunks %36.2f us\n", thread_count(), empty / 1e3);
  // Every chunk waits until all threads have come, so this is the way there and back.
  std::atomic<int> here{0};
  auto meet = [&](int64_t, int64_t) {
    here.fetch_add(1);
    while (here.load(std::memory_order_relaxed) < thread_count()) {
    }
  };
  auto round_trip = [&] {
    here = 0;
    auto start = Clock::now();
    parallel_for(thread_count(), 1, meet);
    return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
  };
  for (int pause : {0, 200, 5000}) {  // us; workers sleep after some 30
    std::vector<double> times;
    for (int i = 0; i < 201; ++i) {
      if (pause) std::this_thread::sleep_for(std::chrono::microseconds(pause));
      times.push_back(round_trip());
    }
    std::sort(times.begin(), times.end());
    printf("meeting of all %d threads, %4d us idle before: median %.2f us, best %.2f us\n",
           thread_count(), pause, times[100], times[0]);
  }
}

void others() {
  set_interrupt_check([] { return false; });
  printf("poll_interrupt %46.1f ns\n", best_ns(5, 1000000, [] { poll_interrupt(); }));
  Stream s = new_stream(Device{});
  double ns = best_ns(5, 200, [&] {
    enqueue(s.index, [] {});
    synchronize(s);
  });
  printf("enqueue + synchronize %39.2f us\n", ns / 1e3);
}

}  // namespace

int main() {
  allocation();
  fresh_and_reused();
  hand_over();
  others();
}
