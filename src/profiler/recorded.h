// A recording that has ended, as the reports read it.
#pragma once

#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/location.h"
#include "olivine/profiler.h"
#include "runtime/profile.h"
#include "transforms/profile_steps.h"

namespace olivine::profiler {

using profile::Event;
using profile::kPhases;
using profile::Phase;

inline constexpr const char* kPhaseNames[kPhases] = {"program",      "graph building", "tracing",
                                                     "transforming", "planning",       "running",
                                                     "steps",        "publishing",     "waiting"};

struct Thread {
  uint64_t id = 0;
  std::string name;
  bool is_of_library = false;  // outside of all phases it is idle
  double seconds[kPhases] = {};
  std::vector<Event> events;  // by their end; times in nanoseconds since the beginning
  std::vector<int64_t> own;   // nanoseconds of each event without the events inside
};

// All runs of one step made at one place, on one stream.
struct Total {
  const StepDescription* step = nullptr;
  const Place* place = nullptr;
  uint16_t stream = 0;
  Row row;
};

struct Recorded {
  double wall = 0;
  uint64_t dropped = 0;
  std::string title = "olivine";
  std::string program = kPhaseNames[0];  // what the first phase is called
  std::vector<Thread> threads;           // first the one that began
  std::unordered_map<uint32_t, StepDescription> steps;
  std::unordered_map<uint32_t, Place> places;
  std::vector<Total> totals;  // of these steps and places

  const Place& place(uint32_t location) const;
  OLIVINE_API std::string phase_name(const Thread& t, int phase) const;
};

std::vector<Total> add_up(const Recorded& r);

inline bool is_span(const Event& e) { return e.kind < kPhases; }
inline bool is_step(const Event& e) { return e.kind == static_cast<uint8_t>(Phase::step); }

// ---- A step in words and numbers.
std::string step_name(const StepDescription& s);
std::string kernel_name(const StepDescription& s);
std::string shapes(const StepDescription& s);  // of its inputs
// Floating-point operations of one run, and the bytes that it reads and writes at least.
double operations(const StepDescription& s);
double moved(const StepDescription& s);

// ---- Numbers as people read them.
OLIVINE_API std::string amount(double value, const std::string& unit);  // 12.3 GFLOP
OLIVINE_API std::string duration(double seconds);                       // 1.23 ms
OLIVINE_API std::string percent(double part);

}  // namespace olivine::profiler
