// How many threads to use: the environment, the affinity mask and the cgroup's CPU quota.
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "core/error.h"
#include "runtime/cgroup.h"
#include "runtime/process_locks.h"
#include "runtime/thread_pool.h"
#include "runtime/usable_cpus.h"

namespace olivine {
namespace {

constexpr int kMostThreads = 1024;
std::atomic<int> count{0};  // 0: not known yet

// CPUs of the affinity mask; the kernel's mask may be larger than cpu_set_t.
int affinity_cpus() {
  for (int cpus = 1024; cpus <= 1 << 20; cpus *= 2) {
    size_t size = CPU_ALLOC_SIZE(cpus);
    std::vector<char> mask(size);
    auto* set = reinterpret_cast<cpu_set_t*>(mask.data());
    if (sched_getaffinity(0, size, set) == 0) return CPU_COUNT_S(size, set);
    if (errno != EINVAL) break;
  }
  return static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
}

// A bad value is worth a line on stderr, not the death of a program that could run.
int from_environment() {
  const char* text = getenv("OLIVINE_NUM_THREADS");
  if (!text || !*text) return 0;
  char* end;
  errno = 0;
  long n = strtol(text, &end, 10);
  if (errno == 0 && *end == '\0' && n >= 1 && n <= kMostThreads) return static_cast<int>(n);
  fprintf(stderr,
          "[thread_count] expected OLIVINE_NUM_THREADS to be an integer from 1 to %d; got '%s' "
          "(ignored)\n",
          kMostThreads, text);
  return 0;
}

}  // namespace

int usable_cpus() {
  static constinit FirstUse<int> cpus;
  return cpus.get([] {
    int n = affinity_cpus();
    if (auto quota = read_cgroup_limits().cpus) {
      n = std::min(n, static_cast<int>(std::min(std::ceil(*quota), 1e6)));
    }
    return std::clamp(n, 1, kMostThreads);
  });
}

int thread_count() {
  int n = count.load(std::memory_order_relaxed);
  if (n > 0) return n;
  int initial = from_environment();
  if (initial == 0) initial = usable_cpus();
  int unknown = 0;
  return count.compare_exchange_strong(unknown, initial) ? initial : unknown;
}

void set_thread_count(int n) {
  if (n < 1 || n > kMostThreads) {
    fail("[set_thread_count] expected 1 to ", kMostThreads, " threads; got ", n);
  }
  count.store(n);
}

}  // namespace olivine
