// Times of the runtime alone: allocation by size, hand-over to the pool, polling for interrupts.
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
  double hot = best_ns(20, 1000, [&] { parallel_for(thread_count(), 1, tiny); });
  double cold = best_ns(5, 50, [&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    parallel_for(thread_count(), 1, tiny);
  });
  double pause = best_ns(5, 50, [&] { std::this_thread::sleep_for(std::chrono::milliseconds(1)); });
  printf("parallel_for, %d empty chunks: back to back %.2f us, from sleep about %.2f us\n",
         thread_count(), hot / 1e3, (cold - pause) / 1e3);
  // Time until a worker runs: every chunk waits until all threads have come.
  std::atomic<int> here{0};
  auto meet = [&](int64_t, int64_t) {
    here.fetch_add(1);
    while (here.load(std::memory_order_relaxed) < thread_count()) {
    }
  };
  double all = best_ns(20, 200, [&] {
    here = 0;
    parallel_for(thread_count(), 1, meet);
  });
  printf("parallel_for until all %d threads run and are back %11.2f us\n", thread_count(),
         all / 1e3);
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
