// What the machine can do at most, by as many threads as asked for: `limits THREADS`, one figure a
// line.
//
// read, copy: GB/s of 64 MiB arrays per thread on huge pages, counting every byte read or written;
// copy writes past the caches. f32: GFLOP/s of independent multiply-adds. The best of many rounds:
// a limit is what the machine does when left alone. Built by bench/limits.py for the CPU it runs
// on.
#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <latch>
#include <thread>
#include <vector>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX2__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif
typedef float Floats __attribute__((vector_size(4 * kLanes)));

constexpr size_t kBytes = size_t{64} << 20;
constexpr int kRounds = 25;

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

float* new_array() {
  void* p = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) std::abort();
  madvise(p, kBytes, MADV_HUGEPAGE);
  std::fill_n(static_cast<float*>(p), kBytes / sizeof(float), 1.0f);
  return static_cast<float*>(p);
}

// Keeps a value from being optimised away.
void use(Floats v) { asm volatile("" : : "m"(v)); }

void read(const float* from) {
  constexpr size_t kWidth = sizeof(Floats) / sizeof(float);
  Floats sums[8] = {};
  for (size_t i = 0; i < kBytes / sizeof(float); i += 8 * kWidth) {
    for (int k = 0; k < 8; ++k) sums[k] += *reinterpret_cast<const Floats*>(from + i + k * kWidth);
  }
  for (Floats s : sums) use(s);
}

void copy(const float* from, float* to) {
#if defined(__SSE2__)
  for (size_t i = 0; i < kBytes / sizeof(float); i += 4)
    _mm_stream_ps(to + i, _mm_load_ps(from + i));
  _mm_sfence();
#else
  std::copy_n(from, kBytes / sizeof(float), to);
#endif
}

constexpr int kChains = 16, kSteps = 200000;

void multiply_add() {
  Floats x[kChains], factor = Floats{} + 0.5f, term = Floats{} + 1.0f;
  for (Floats& v : x) v = Floats{};
  for (int i = 0; i < kSteps; ++i) {
    for (Floats& v : x) v = v * factor + term;
    asm volatile("" : "+x"(factor));
  }
  for (Floats v : x) use(v);
}

// The best rate of all threads together, in units of `work` that one call of one thread does.
double best(int threads, double work, const std::function<void(int)>& call) {
  double shortest = 1e9;
  for (int round = 0; round < kRounds; ++round) {
    std::latch ready(threads);
    std::vector<double> start(threads), end(threads);
    std::vector<std::thread> pool;
    for (int t = 0; t < threads; ++t) {
      pool.emplace_back([&, t] {
        ready.arrive_and_wait();
        start[t] = seconds();
        call(t);
        end[t] = seconds();
      });
    }
    for (std::thread& t : pool) t.join();
    double first = *std::min_element(start.begin(), start.end());
    shortest = std::min(shortest, *std::max_element(end.begin(), end.end()) - first);
  }
  return threads * work / shortest / 1e9;
}

}  // namespace

int main(int argc, char** argv) {
  int threads = argc > 1 ? std::max(1, std::atoi(argv[1])) : 1;
  std::vector<float*> from, to;
  for (int t = 0; t < threads; ++t) from.push_back(new_array()), to.push_back(new_array());
  std::printf("read %.4g\n", best(threads, double(kBytes), [&](int t) { read(from[t]); }));
  std::printf("copy %.4g\n", best(threads, 2.0 * kBytes, [&](int t) { copy(from[t], to[t]); }));
  double flops = 2.0 * kLanes * kChains * kSteps;
  std::printf("f32 %.4g\n", best(threads, flops, [](int) { multiply_add(); }));
}
