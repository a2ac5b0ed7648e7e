// The thread pool behind parallel_for.
//
// The pool runs one job at a time; a caller that finds it busy runs its own job alone, so callers
// never wait for each other. A job's chunks are claimed from a counter by the caller and by every
// worker that comes in time: the caller never waits for a worker that did not come, only for those
// inside. `gate` says which job is open and how many workers are inside:
//
//   bits 0..11  workers inside      bit 12  open      bit 13  caller sleeps until the last leaves
//   bits 14..31 number of the job, so that a worker enters each job once
//
// Idle workers spin for a moment, then sleep on `wake`. Start reading at parallel_chunks.
#include "runtime/thread_pool.h"

#include <pthread.h>
#include <time.h>

#include <algorithm>
#include <exception>
#include <new>
#include <type_traits>

#include "core/error.h"
#include "runtime/background_thread.h"
#include "runtime/futex.h"
#include "runtime/interrupt.h"
#include "runtime/usable_cpus.h"

namespace olivine {
namespace {

constexpr uint32_t kInside = (1u << 12) - 1, kOpen = 1u << 12, kCallerSleeps = 1u << 13;
constexpr uint32_t kNextJob = 1u << 14;
constexpr int64_t kSpin = 30'000;  // ns, the order of one sleep and wake-up
constexpr int kWakeFanOut = 3;

int64_t nanoseconds() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

// Spins until done() or for about kSpin; returns whether done.
template <class F>
bool spin_until(F done) {
  int64_t deadline = nanoseconds() + kSpin;
  do {
    for (int i = 0; i < 16; ++i) {
      if (done()) return true;
      spin_pause();
    }
  } while (nanoseconds() < deadline);
  return done();
}

struct Job {
  detail::ChunkFn fn = nullptr;
  void* body = nullptr;
  int64_t n = 0, grain = 0, chunks = 0;
  int64_t batch = 1;     // chunks claimed at once
  uint32_t helpers = 0;  // most workers inside
  alignas(64) std::atomic<int64_t> next{0};
  std::atomic<bool> stopped{false};
  std::exception_ptr error;  // of the thread that set `stopped`

  void run(int64_t chunk) {
    int64_t begin = chunk * grain;
    fn(body, begin, n - begin <= grain ? n : begin + grain);
  }
  void stop(std::exception_ptr e) {
    if (!stopped.exchange(true)) error = std::move(e);
  }
};

// The job whose chunk runs on this thread, if any.
thread_local Job* current = nullptr;

// Runs chunks until none is left. Only the caller polls; others stop when it was interrupted.
void run_chunks(Job& job) {
  current = &job;
  try {
    while (!job.stopped.load(std::memory_order_relaxed)) {
      int64_t first = job.next.fetch_add(job.batch, std::memory_order_relaxed);
      if (first >= job.chunks) break;
      int64_t last = std::min(first + job.batch, job.chunks);
      for (int64_t c = first; c < last && !job.stopped.load(std::memory_order_relaxed); ++c) {
        poll_interrupt();
        job.run(c);
      }
    }
  } catch (...) {
    job.stop(std::current_exception());
  }
  current = nullptr;
}

class Pool {
 public:
  // Runs the job unless another caller is using the pool.
  bool try_run(Job& prepared, int threads);

 private:
  static void work(void* self) { static_cast<Pool*>(self)->work(); }
  void work();
  bool may_enter(uint32_t gate, uint32_t last_job) const;
  uint32_t wait_for_job(uint32_t last_job);
  void leave();
  void wake_workers(int count);
  void start_workers(int wanted);
  void wait_until_empty();

  alignas(64) std::atomic<uint32_t> gate_{0};
  std::atomic<Job*> job_{nullptr};
  std::atomic<uint32_t> helpers_{0};
  alignas(64) std::atomic<uint32_t> wake_{0};
  std::atomic<int> sleepers_{0};
  std::atomic<bool> spins_{true};
  alignas(64) std::atomic<bool> busy_{false};
  int workers_ = 0;  // changed while busy_
};

bool Pool::may_enter(uint32_t gate, uint32_t last_job) const {
  return (gate & kOpen) && gate / kNextJob != last_job &&
         (gate & kInside) < helpers_.load(std::memory_order_relaxed);
}

uint32_t Pool::wait_for_job(uint32_t last_job) {
  for (;;) {
    uint32_t gate = 0;
    auto found = [&] { return may_enter(gate = gate_.load(std::memory_order_acquire), last_job); };
    if (spins_.load(std::memory_order_relaxed) ? spin_until(found) : found()) return gate;
    uint32_t wake = wake_.load(std::memory_order_acquire);
    // Ordered with the caller's opening of the gate: either it sees a sleeper or we see the job.
    sleepers_.fetch_add(1, std::memory_order_seq_cst);
    gate = gate_.load(std::memory_order_seq_cst);
    if (!may_enter(gate, last_job)) futex_wait(wake_, wake);
    sleepers_.fetch_sub(1, std::memory_order_relaxed);
  }
}

void Pool::wake_workers(int count) {
  count = std::min(count, sleepers_.load(std::memory_order_seq_cst));
  if (count > 0) futex_wake(wake_, count);
}

void Pool::work() {
  for (uint32_t last_job = ~0u;;) {
    uint32_t gate = wait_for_job(last_job);
    if (!gate_.compare_exchange_strong(gate, gate + 1, std::memory_order_acq_rel)) continue;
    last_job = gate / kNextJob;
    Job& job = *job_.load(std::memory_order_relaxed);
    // Waking spreads as a tree: it costs the waker a microsecond or more per thread.
    if (job.helpers > kWakeFanOut && job.next.load(std::memory_order_relaxed) < job.chunks) {
      wake_workers(kWakeFanOut);
    }
    run_chunks(job);
    leave();
  }
}

void Pool::leave() {
  uint32_t before = gate_.fetch_sub(1, std::memory_order_acq_rel);
  bool last = (before & kInside) == 1;
  if (last && !(before & kOpen) && (before & kCallerSleeps)) futex_wake(gate_, 1);
}

void Pool::wait_until_empty() {
  auto empty = [&] { return (gate_.load(std::memory_order_acquire) & kInside) == 0; };
  if (spin_until(empty)) return;
  for (;;) {
    uint32_t gate = gate_.fetch_or(kCallerSleeps, std::memory_order_acq_rel) | kCallerSleeps;
    if ((gate & kInside) == 0) return;
    futex_wait(gate_, gate);
  }
}

void Pool::start_workers(int wanted) {
  while (workers_ < wanted && start_background_thread("olivine-worker", work, this)) ++workers_;
}

bool Pool::try_run(Job& job, int threads) {
  if (busy_.load(std::memory_order_relaxed) || busy_.exchange(true, std::memory_order_acquire)) {
    return false;
  }
  if (workers_ < threads - 1) start_workers(threads - 1);
  spins_.store(threads <= usable_cpus(), std::memory_order_relaxed);
  int64_t helpers = std::min<int64_t>({workers_, threads - 1, job.chunks - 1});
  job.helpers = static_cast<uint32_t>(helpers);
  helpers_.store(job.helpers, std::memory_order_relaxed);
  job_.store(&job, std::memory_order_relaxed);
  // Nobody is inside and the gate is closed, so nobody else writes it now.
  uint32_t number = gate_.load(std::memory_order_relaxed) / kNextJob + 1;
  gate_.store(number * kNextJob | kOpen, std::memory_order_seq_cst);
  wake_.fetch_add(1, std::memory_order_seq_cst);
  wake_workers(static_cast<int>(std::min<int64_t>(helpers, kWakeFanOut)));
  run_chunks(job);
  uint32_t gate = gate_.fetch_and(~kOpen, std::memory_order_acq_rel);
  if (gate & kInside) wait_until_empty();
  busy_.store(false, std::memory_order_release);
  return true;
}

// Without a destructor: workers and static objects may use it until the process is gone.
constinit Pool pool;
static_assert(std::is_trivially_destructible_v<Pool>);

// A child of fork() has no workers, whatever they were doing: it starts from an unused pool.
[[maybe_unused]] const int fork_handlers =
    pthread_atfork(nullptr, nullptr, [] { new (&pool) Pool; });

// All chunks on this thread. Inside a chunk of another job, gives up when that job is stopped.
void run_alone(Job& job) {
  struct Scope {
    Job* outer = current;
    ~Scope() { current = outer; }
  } scope;
  if (!scope.outer) current = &job;
  for (int64_t c = 0; c < job.chunks; ++c) {
    if (current->stopped.load(std::memory_order_relaxed)) throw Interrupted();
    poll_interrupt();
    job.run(c);
  }
}

}  // namespace

namespace detail {

void parallel_chunks(int64_t n, int64_t grain, void* body, ChunkFn fn) {
  if (n <= 0) return;
  if (n <= grain) return fn(body, 0, n);
  Job job;
  job.fn = fn;
  job.body = body;
  job.n = n;
  job.grain = std::max<int64_t>(grain, 1);
  job.chunks = (n - 1) / job.grain + 1;
  int threads = thread_count();
  job.batch = std::max<int64_t>(1, job.chunks / (int64_t{threads} * 32));
  if (current || threads == 1 || job.chunks == 1 || !pool.try_run(job, threads)) {
    return run_alone(job);
  }
  if (job.error) std::rethrow_exception(job.error);
}

}  // namespace detail
}  // namespace olivine
