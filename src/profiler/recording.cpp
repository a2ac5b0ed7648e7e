// From the recorder's events to a profile: times since the beginning, descriptions, places, names.
#include <algorithm>
#include <chrono>
#include <mutex>

#include "olivine/ops/creation.h"
#include "olivine/ops/elementwise.h"
#include "olivine/ops/matmul.h"
#include "olivine/transforms.h"
#include "profiler/recorded.h"

namespace olivine::profiler {
namespace {

// How long each event took without those inside it; events are sorted by their end.
std::vector<int64_t> own_times(const std::vector<Event>& events) {
  std::vector<int64_t> own(events.size(), 0);
  std::vector<size_t> open;  // ended, and no event around them seen yet
  for (size_t i = 0; i < events.size(); ++i) {
    const Event& e = events[i];
    if (!is_span(e)) continue;
    own[i] = static_cast<int64_t>(e.end - e.begin);
    while (!open.empty() && events[open.back()].begin >= e.begin) {
      const Event& inner = events[open.back()];
      own[i] -= static_cast<int64_t>(inner.end - inner.begin);
      open.pop_back();
    }
    open.push_back(i);
  }
  return own;
}

// The library's own threads have its name; streams are named by their number.
void name_thread(Thread& t) {
  t.is_of_library = t.name.starts_with("olivine-");
  if (t.name != "olivine-stream") return;
  auto step = std::ranges::find_if(t.events, is_step);
  t.name = step == t.events.end() ? "stream" : "stream " + std::to_string(step->stream);
}

Thread read_thread(profile::ThreadRecording&& raw, const profile::Recording& all) {
  Thread t;
  t.id = raw.id;
  t.name = std::move(raw.name);
  for (int p = 0; p < kPhases; ++p) {
    t.seconds[p] = static_cast<double>(raw.phase_ticks[p]) * all.ns_per_tick / 1e9;
  }
  t.events = std::move(raw.events);
  // What began before the profile did belongs to the one before.
  std::erase_if(t.events, [&](const Event& e) { return e.begin < all.begin; });
  for (Event& e : t.events) {
    for (uint64_t* time : {&e.begin, &e.end}) {
      *time = static_cast<uint64_t>(static_cast<double>(*time - all.begin) * all.ns_per_tick);
    }
  }
  t.own = own_times(t.events);
  name_thread(t);
  return t;
}

void describe(Recorded& r) {
  std::vector<StepDescription> all = step_descriptions();
  auto add_place = [&](uint32_t location) {
    if (location == 0 || r.places.contains(location)) return;
    Place place;
    if (find_place(location, place)) r.places.emplace(location, std::move(place));
  };
  for (const Thread& t : r.threads) {
    for (const Event& e : t.events) {
      add_place(e.location);
      if (e.what == 0 || e.what >= all.size() || r.steps.contains(e.what)) continue;
      const StepDescription& s = r.steps.emplace(e.what, all[e.what]).first->second;
      for (const auto& part : s.parts) add_place(part.location);
    }
  }
}

double fastest(int rounds, const std::function<array()>& make) {
  using Clock = std::chrono::steady_clock;
  double best = 1e30;
  for (int i = 0; i < rounds; ++i) {
    auto begin = Clock::now();
    eval(make());
    best = std::min(best, std::chrono::duration<double>(Clock::now() - begin).count());
  }
  return best;
}

}  // namespace

std::string Recorded::phase_name(const Thread& t, int phase) const {
  if (phase > 0) return kPhaseNames[phase];
  return t.is_of_library ? "idle" : program;
}

void start(size_t max_events) { profile::start(max_events); }

Profile stop() {
  profile::Recording raw = profile::stop();
  auto r = std::make_shared<Recorded>();
  r->wall = static_cast<double>(raw.end - raw.begin) * raw.ns_per_tick / 1e9;
  r->dropped = raw.dropped;
  for (auto& t : raw.threads) r->threads.push_back(read_thread(std::move(t), raw));
  describe(*r);
  r->totals = add_up(*r);
  return Profile(std::move(r));
}

double Profile::wall() const { return recorded_->wall; }
size_t Profile::dropped() const { return recorded_->dropped; }

std::vector<std::pair<std::string, double>> Profile::phases() const {
  std::vector<std::pair<std::string, double>> found;
  if (recorded_->threads.empty()) return found;
  const Thread& t = recorded_->threads[0];
  for (int p = 0; p < kPhases; ++p) found.emplace_back(recorded_->phase_name(t, p), t.seconds[p]);
  return found;
}

double Profile::attributed() const {
  double unknown = 0, all = 0;
  for (const Thread& t : recorded_->threads) {
    unknown += t.seconds[static_cast<int>(Phase::running)];
    for (int p = t.is_of_library ? 1 : 0; p < kPhases; ++p) all += t.seconds[p];
  }
  return all > 0 ? 1 - unknown / all : 1;
}

size_t Profile::peak_memory() const {
  int64_t most = 0;
  for (const Thread& t : recorded_->threads) {
    for (const Event& e : t.events) {
      if (is_span(e)) most = std::max(most, e.bytes);
    }
  }
  return static_cast<size_t>(most);
}

// Products of 768 x 768 and negation of 64 MB, the best of five.
Limits measure_limits() {
  static constinit std::mutex lock;
  static constinit Limits known;
  std::lock_guard guard(lock);
  if (known.flops > 0) return known;
  constexpr int kSize = 768, kCount = 1 << 24;
  array a = add(zeros({kSize, kSize}), array(1.0f)), x = add(zeros({kCount}), array(1.0f));
  eval({a, x});
  known.flops = 2.0 * kSize * kSize * kSize / fastest(5, [&] { return matmul(a, a); });
  known.bandwidth = 2.0 * 4 * kCount / fastest(5, [&] { return negative(x); });
  return known;
}

}  // namespace olivine::profiler
