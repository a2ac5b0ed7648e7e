// Recording what a program does and when: the phases of each thread, steps, memory.
//
// Every thread writes events into chunks of its own, without locks; whoever ends the profile reads
// them all. Each thread is in one phase at any time, and how long it was in each is added up apart
// from the events, so that short phases (making an op) need none. A clock is read where a phase
// begins or ends, which takes 25 ns in a virtual machine. While no profile runs, a scope costs one
// relaxed load.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "olivine/export.h"

namespace olivine::profile {

enum class Phase : uint8_t {
  outside,       // the program itself; on threads of the library: idle
  building,      // ops and transformations called from a language binding
  tracing,       // making the graph of a compiled function
  transforming,  // walking a graph for vjp, jvp, vmap
  planning,
  running,     // a plan, between its steps
  step,        // a kernel or a fused region
  publishing,  // giving results to arrays
  waiting,     // for another thread's work
};
inline constexpr int kPhases = 9;

struct Event {
  // A phase that ended, memory that came (`bytes`) or went, or the memory the process holds.
  enum Kind : uint8_t { allocated = kPhases, released, resident };
  uint64_t begin = 0, end = 0;  // ticks
  uint32_t what = 0;            // number of a description; 0: none
  uint32_t location = 0;        // core/location.h
  uint8_t kind = 0;
  uint16_t stream = 0;
  int64_t bytes = 0;     // of the block; else those of live arrays at the end
  uint64_t address = 0;  // of the block; else bytes in the allocator's cache at the end
};

namespace detail {
OLIVINE_API extern std::atomic<uint32_t> current;     // number of the profile that runs; 0: none
OLIVINE_API extern std::atomic<int32_t> until_timed;  // brief scopes until the next one that is
}  // namespace detail
inline uint32_t current() { return detail::current.load(std::memory_order_relaxed); }
inline bool is_running() { return current() != 0; }

// While it lives, its thread is in a phase. `noted`: it becomes an event.
class Scope {
 public:
  explicit Scope(Phase p, bool noted = true) {
    if (is_running()) [[unlikely]]
      enter(p, noted);
  }
  ~Scope() {
    if (profile_) [[unlikely]]
      leave();
  }
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;
  explicit operator bool() const { return profile_ != 0; }
  // What it is, and whose memory is allocated meanwhile.
  OLIVINE_API void describe(uint32_t what, uint32_t location, uint16_t stream);

 private:
  OLIVINE_API void enter(Phase p, bool noted);
  OLIVINE_API void leave();

  uint32_t profile_ = 0;
  Phase before_ = Phase::outside;
  bool noted_ = false;
  uint16_t stream_ = 0;
  uint32_t what_ = 0, location_ = 0, what_before_ = 0, location_before_ = 0;
  uint64_t begin_ = 0;
};

// A function of a language binding, which takes as long as reading the clock twice where it makes
// one op. One of about 16 is timed, and stands for those before it; what may be long (copies of
// foreign memory, files) has a Scope of its own inside.
class BriefScope {
 public:
  BriefScope() {
    if (is_running()) [[unlikely]] {
      // Threads may count one for another: it decides only which one is timed.
      int32_t left = detail::until_timed.load(std::memory_order_relaxed) - 1;
      detail::until_timed.store(left, std::memory_order_relaxed);
      if (left <= 0) enter();
    }
  }
  ~BriefScope() {
    if (profile_) [[unlikely]]
      leave();
  }
  BriefScope(const BriefScope&) = delete;
  BriefScope& operator=(const BriefScope&) = delete;

 private:
  OLIVINE_API void enter();
  OLIVINE_API void leave();

  uint32_t profile_ = 0;  // if it is timed
  uint32_t scopes_ = 0, others_ = 0;
  uint64_t begin_ = 0;
};

// A block of memory came (bytes > 0) or went (bytes < 0).
OLIVINE_API void note_memory(const void* address, int64_t bytes);
inline void memory_changed(const void* address, int64_t bytes) {
  if (is_running()) [[unlikely]]
    note_memory(address, bytes);
}

// ---- Beginning, ending and reading.
struct ThreadRecording {
  uint64_t id = 0;  // of the system
  std::string name;
  uint64_t phase_ticks[kPhases] = {};
  std::vector<Event> events;
};
struct Recording {
  std::vector<ThreadRecording> threads;  // first the one that began
  uint64_t begin = 0, end = 0;           // ticks
  double ns_per_tick = 1;
  uint64_t dropped = 0;  // events beyond the limit
};
// Throws if a profile runs.
OLIVINE_API void start(size_t max_events);
// Throws if none runs.
OLIVINE_API Recording stop();

}  // namespace olivine::profile
