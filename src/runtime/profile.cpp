// The recorder: a record per thread, made of chunks that only its thread writes.
//
// A chunk's count is published after its events, so reading needs no lock. Records are shared
// between their thread and the list of the running profile; a thread that is late for one (its
// scope ends after stop) writes to a record that nobody reads any more.
#include "runtime/profile.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <new>
#include <utility>

#include "core/error.h"
#include "core/location.h"
#include "runtime/allocator.h"
#include "runtime/process_locks.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace olivine::profile {

std::atomic<uint32_t> detail::current{0};
std::atomic<int32_t> detail::until_timed{1};

namespace {

// ---- Time. Processors' counters that run at one rate cost a third of the system's clock.
uint64_t nanoseconds() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(t.tv_nsec);
}
bool has_steady_counter() {
#if defined(__x86_64__)
  unsigned a, b, c, d;
  return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d >> 8 & 1);
#else
  return false;
#endif
}
const bool counts_cycles = has_steady_counter();

inline uint64_t ticks() {
#if defined(__x86_64__)
  if (counts_cycles) return __builtin_ia32_rdtsc();
#endif
  return nanoseconds();
}

constexpr uint64_t kLongestBrief = 100'000;  // some 40 us

// Of the time that a scope measures, what reading the clock takes.
uint64_t clock_ticks = 0;
void measure_clock() {
  uint64_t least = kLongestBrief;
  for (int i = 0; i < 32; ++i) {
    uint64_t begin = ticks();
    least = std::min(least, ticks() - begin);
  }
  clock_ticks = least;
}

// ---- Records.
constexpr size_t kChunk = 2048;

struct Chunk {
  Event events[kChunk];
  std::atomic<uint32_t> count{0};
  std::atomic<Chunk*> next{nullptr};
};

// A counter that one thread writes.
inline void count(std::atomic<uint64_t>& c, uint64_t more = 1) {
  c.store(c.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
}

struct Record {
  uint32_t profile = 0;
  uint64_t id = 0;
  std::string name;
  std::atomic<uint8_t> phase{0};
  std::atomic<uint64_t> since{0};  // in this phase
  std::atomic<uint64_t> in_phase[kPhases] = {};
  uint32_t what = 0, location = 0;  // of the step that runs
  uint32_t scopes = 0;              // that were entered
  // A plan has just begun, or a step of it ended: the next step begins there, without reading the
  // clock again. What lies between is binding its operands.
  bool after_step = false;
  std::atomic<uint64_t> untimed{0};  // ticks of brief scopes that were not timed, as it seems
  std::atomic<uint64_t> dropped{0};
  Chunk* last = nullptr;
  std::atomic<Chunk*> first{nullptr};

  ~Record() {
    for (Chunk* c = first.load(); c;) delete std::exchange(c, c->next.load());
  }
  void enter(Phase p, uint64_t now) {
    uint64_t begin = since.load(std::memory_order_relaxed);
    count(in_phase[phase.load(std::memory_order_relaxed)], now - begin);
    since.store(now, std::memory_order_relaxed);
    phase.store(static_cast<uint8_t>(p), std::memory_order_relaxed);
  }
  void add(const Event& e);
};

// Of the running profile; under its lock, but for the atomics.
struct Profile {
  std::vector<std::shared_ptr<Record>> records;
  uint64_t begin = 0, begin_ns = 0;
  std::atomic<int64_t> chunks_left{0};
  uint32_t last = 0;
};
Profile& shared = *new Profile;  // outlives all threads
std::mutex& profile_lock() { return process_lock(Lock::profile); }

[[maybe_unused]] const int fork_handlers =
    pthread_atfork(nullptr, nullptr, [] { detail::current.store(0, std::memory_order_relaxed); });

thread_local constinit Record* mine = nullptr;  // own.record, found without a guard
thread_local constinit bool gone = false;       // the thread is ending
struct OwnRecord {
  std::shared_ptr<Record> record;
  ~OwnRecord() {
    gone = true;
    mine = nullptr;
  }
};
thread_local OwnRecord own;

[[gnu::noinline]] Record* make_record(uint32_t number) {
  if (gone || number == 0) return nullptr;
  try {
    auto made = std::make_shared<Record>();
    made->profile = number;
    made->id = static_cast<uint64_t>(syscall(SYS_gettid));
    char name[16] = {};
    pthread_getname_np(pthread_self(), name, sizeof(name));
    made->name = name;
    made->since.store(ticks(), std::memory_order_relaxed);
    std::lock_guard lock(profile_lock());
    if (current() != number) return nullptr;
    shared.records.push_back(made);
    own.record = std::move(made);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
  return mine = own.record.get();
}

// The calling thread's record of profile `number`; null if that is over, or without memory.
inline Record* own_record(uint32_t number) {
  Record* r = mine;
  return r && r->profile == number ? r : make_record(number);
}

void Record::add(const Event& e) {
  if (!last || last->count.load(std::memory_order_relaxed) == kChunk) {
    bool room = shared.chunks_left.fetch_sub(1, std::memory_order_relaxed) > 0;
    Chunk* c = room ? new (std::nothrow) Chunk : nullptr;
    if (!c) {
      count(dropped);
      return;
    }
    (last ? last->next : first).store(c, std::memory_order_release);
    last = c;
  }
  uint32_t n = last->count.load(std::memory_order_relaxed);
  last->events[n] = e;
  last->count.store(n + 1, std::memory_order_release);
}

// ---- What the process holds, by the system's account, at most every 10 ms or so.
std::atomic<uint64_t> next_sample{0};
constexpr uint64_t kSampleTicks = 25'000'000;

int64_t resident_bytes() {
  char text[128] = {};
  int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  ssize_t n = read(file, text, sizeof(text) - 1);
  close(file);
  char* end = nullptr;
  if (n <= 0) return 0;
  strtoll(text, &end, 10);
  return strtoll(end, nullptr, 10) * sysconf(_SC_PAGESIZE);
}

void sample_resident(Record& r, uint64_t now) {
  uint64_t due = next_sample.load(std::memory_order_relaxed);
  if (now < due || !next_sample.compare_exchange_strong(due, now + kSampleTicks)) return;
  Event e;
  e.begin = e.end = now;
  e.kind = Event::resident;
  e.bytes = resident_bytes();
  e.address = get_cache_memory();
  r.add(e);
}

ThreadRecording read(const Record& r, uint64_t now) {
  ThreadRecording t;
  t.id = r.id;
  t.name = r.name;
  for (int p = 0; p < kPhases; ++p) {
    t.phase_ticks[p] = r.in_phase[p].load(std::memory_order_relaxed);
  }
  uint64_t since = r.since.load(std::memory_order_relaxed);
  if (now > since) t.phase_ticks[r.phase.load(std::memory_order_relaxed)] += now - since;
  uint64_t& outside = t.phase_ticks[static_cast<int>(Phase::outside)];
  uint64_t building = std::min(r.untimed.load(std::memory_order_relaxed), outside);
  outside -= building;
  t.phase_ticks[static_cast<int>(Phase::building)] += building;
  for (const Chunk* c = r.first.load(std::memory_order_acquire); c;
       c = c->next.load(std::memory_order_acquire)) {
    uint32_t n = c->count.load(std::memory_order_acquire);
    t.events.insert(t.events.end(), c->events, c->events + n);
  }
  return t;
}

}  // namespace

void Scope::enter(Phase p, bool noted) {
  uint32_t number = current();
  Record* r = own_record(number);
  if (!r) return;
  profile_ = number;
  noted_ = noted;
  ++r->scopes;
  before_ = static_cast<Phase>(r->phase.load(std::memory_order_relaxed));
  what_before_ = r->what, location_before_ = r->location;
  if (p == Phase::step && r->after_step) {
    begin_ = r->since.load(std::memory_order_relaxed);
  } else {
    begin_ = ticks();
  }
  r->enter(p, begin_);
  r->after_step = p == Phase::running;
}

void Scope::describe(uint32_t what, uint32_t location, uint16_t stream) {
  what_ = what, location_ = location, stream_ = stream;
  Record* r = mine;
  if (r && r->profile == profile_) r->what = what, r->location = location;
}

void Scope::leave() {
  Record* r = mine;
  if (!r || r->profile != profile_) return;
  uint64_t now = ticks();
  auto p = static_cast<Phase>(r->phase.load(std::memory_order_relaxed));
  r->enter(before_, now);
  r->after_step = p == Phase::step && before_ == Phase::running;
  r->what = what_before_, r->location = location_before_;
  if (!noted_) return;
  Event e{begin_, now, what_, location_, static_cast<uint8_t>(p), stream_};
  e.bytes = static_cast<int64_t>(get_active_memory());
  e.address = get_cache_memory();
  r->add(e);
  if (p == Phase::running) sample_resident(*r, now);
}

void BriefScope::enter() {
  static constinit std::atomic<uint32_t> random{0x9E3779B9}, distance{1};
  // 8 to 23, so that no period of the program's falls together with it (Marsaglia's xorshift).
  uint32_t bits = random.load(std::memory_order_relaxed);
  bits ^= bits << 13, bits ^= bits >> 17, bits ^= bits << 5;
  random.store(bits, std::memory_order_relaxed);
  const uint32_t next = 8 + (bits >> 28);
  detail::until_timed.store(static_cast<int32_t>(next), std::memory_order_relaxed);
  others_ = distance.exchange(next, std::memory_order_relaxed) - 1;

  uint32_t number = current();
  Record* r = own_record(number);
  constexpr auto kOutside = static_cast<uint8_t>(Phase::outside);
  if (!r || r->phase.load(std::memory_order_relaxed) != kOutside) return;
  profile_ = number;
  scopes_ = r->scopes;
  begin_ = ticks();
  r->enter(Phase::building, begin_);
}

void BriefScope::leave() {
  Record* r = mine;
  if (!r || r->profile != profile_) return;
  uint64_t now = ticks();
  r->enter(Phase::outside, now);
  // What ran inside has scopes of its own, and a pause of the thread is no part of an op.
  if (r->scopes != scopes_) return;
  uint64_t spent = std::min(now - begin_, kLongestBrief);
  count(r->untimed, others_ * (spent - std::min(spent, clock_ticks)));
}

void note_memory(const void* address, int64_t bytes) {
  Record* r = own_record(current());
  if (!r) return;
  uint64_t now = ticks();
  Event e{now, now, r->what, r->location};
  e.kind = bytes > 0 ? Event::allocated : Event::released;
  e.bytes = bytes > 0 ? bytes : -bytes;
  e.address = reinterpret_cast<uint64_t>(address);
  if (bytes > 0 && !e.location && !e.what) e.location = capture_location();
  r->add(e);
  if (bytes > 0) sample_resident(*r, now);
}

namespace {
// What is live and resident when the profile begins and ends.
void note_now(Record& r) {
  Event e;
  e.begin = e.end = ticks();
  e.bytes = static_cast<int64_t>(get_active_memory());
  e.address = get_cache_memory();
  r.add(e);
  next_sample.store(0, std::memory_order_relaxed);
  sample_resident(r, e.end);
}
}  // namespace

void start(size_t max_events) {
  Profile& p = shared;
  uint32_t number;
  {
    std::lock_guard lock(profile_lock());
    if (is_running()) {
      fail<std::runtime_error>(
          "[profiler] expected one profile at a time; got a second while the first is running");
    }
    p.records.clear();
    measure_clock();
    number = ++p.last;
    p.chunks_left = static_cast<int64_t>(max_events / kChunk + (max_events % kChunk != 0));
    p.begin = ticks();
    p.begin_ns = nanoseconds();
    next_sample.store(0, std::memory_order_relaxed);
    detail::current.store(number, std::memory_order_relaxed);
  }
  if (Record* r = own_record(number)) {
    r->since.store(p.begin, std::memory_order_relaxed);
    note_now(*r);
  }
}

Recording stop() {
  Profile& p = shared;
  Recording found;
  if (Record* r = is_running() ? own_record(current()) : nullptr) note_now(*r);
  std::vector<std::shared_ptr<Record>> records;
  {
    std::lock_guard lock(profile_lock());
    if (!is_running()) {
      fail<std::runtime_error>("[profiler] expected a profile to end; got none that is running");
    }
    detail::current.store(0, std::memory_order_relaxed);
    records.swap(p.records);
    found.begin = p.begin;
    found.end = ticks();
    uint64_t span = std::max<uint64_t>(found.end - found.begin, 1);
    found.ns_per_tick = static_cast<double>(nanoseconds() - p.begin_ns) / double(span);
  }
  own.record.reset();  // so that its events go with the list's; other threads keep theirs
  mine = nullptr;
  for (const auto& r : records) {
    found.threads.push_back(read(*r, found.end));
    found.dropped += r->dropped.load(std::memory_order_relaxed);
  }
  return found;
}

}  // namespace olivine::profile
