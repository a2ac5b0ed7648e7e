// Where a program's time and memory go: ops, fused regions, kernels, shapes, lines, layers,
// streams.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "olivine/export.h"

namespace olivine::profiler {

struct Recorded;  // src/profiler/recorded.h

// The best that was measured here, once, when it was first asked for.
struct Limits {
  double flops = 0;      // a second, in a float32 product of matrices that stay in cache
  double bandwidth = 0;  // bytes read and written a second, by arrays larger than the caches
};
OLIVINE_API Limits measure_limits();

// Everything of one name. Times are without the steps inside.
struct Row {
  std::string name;
  double count = 0, seconds = 0;
  double bytes = 0;  // read and written, each operand once
  double flops = 0;  // operations, by formulas of the shapes

  double flops_per_second() const { return seconds > 0 ? flops / seconds : 0; }
  double bytes_per_second() const { return seconds > 0 ? bytes / seconds : 0; }
  // How near it comes to what the machine can do: the nearer of arithmetic and memory.
  OLIVINE_API double share(const Limits& limits) const;
};

// What was recorded. Copies share it.
class OLIVINE_API Profile {
 public:
  explicit Profile(std::shared_ptr<Recorded> recorded) : recorded_(std::move(recorded)) {}

  double wall() const;  // seconds
  // Seconds of each phase on the thread that began; they add up to wall().
  std::vector<std::pair<std::string, double>> phases() const;
  // The share of all threads' time whose cause is known: all but that between steps of a plan. The
  // library's own threads count where they are not idle.
  double attributed() const;
  double flops() const;        // of all steps
  double bytes() const;        // that all steps read and wrote
  size_t peak_memory() const;  // the most bytes of live arrays that were noted
  size_t dropped() const;      // events beyond the limit, missing in all but phases()

  // Steps added up, the longest first. `by`: "op" (a fused region is one), "kernel", "shape",
  // "line", "layer" or "stream".
  std::vector<Row> rows(const std::string& by = "op") const;

  // Text for a terminal: what summary() says, then the longest rows.
  std::string table(const std::string& by = "op", size_t rows = 15, bool limits = true) const;
  std::vector<std::string> summary() const;
  // All figures and all rows, as JSON.
  std::string json() const;
  // A trace for https://ui.perfetto.dev and chrome://tracing.
  void save_trace(const std::string& path) const;

  Recorded& recorded() const { return *recorded_; }  // for language bindings

 private:
  std::shared_ptr<Recorded> recorded_;
};

// Begins to record what all threads of the process do; throws std::runtime_error if that is so
// already. What comes after `max_events` events, of 48 bytes each, is counted alone.
OLIVINE_API void start(size_t max_events = 10'000'000);
// Ends it; throws std::runtime_error if nothing is recorded.
OLIVINE_API Profile stop();

// What `body()` does. An exception of it ends the recording and goes on.
template <class F>
Profile profile(F&& body, size_t max_events = 10'000'000) {
  start(max_events);
  try {
    body();
  } catch (...) {
    stop();
    throw;
  }
  return stop();
}

}  // namespace olivine::profiler
