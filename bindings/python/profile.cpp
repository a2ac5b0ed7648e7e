// Beginning and ending a profile, and handing over what was recorded. olivine.profiler reads it.
#include "runtime/profile.h"

#include <nanobind/stl/string.h>

#include <set>

#include "location.h"
#include "modules.h"
#include "object.h"
#include "transforms/profile_steps.h"

namespace olivine::python {
namespace {

using profile::Event;
// The layout that python/olivine/profiler/recording.py reads.
static_assert(sizeof(Event) == 48 && offsetof(Event, kind) == 24 && offsetof(Event, stream) == 26 &&
              offsetof(Event, bytes) == 32 && offsetof(Event, address) == 40);

nb::list operands(const std::vector<StepDescription::Operand>& all) {
  nb::list list;
  for (const auto& o : all) {
    nb::object shape = nb::steal(to_python(o.shape));
    list.append(nb::make_tuple(std::string(olivine::name(o.dtype)), shape, o.bytes));
  }
  return list;
}

nb::tuple to_tuple_of(const StepDescription& d) {
  auto named = [](int op) { return op < 0 ? std::string() : std::string(op_name(op)); };
  nb::list parts;
  for (const auto& p : d.parts) parts.append(nb::make_tuple(named(p.op), p.location, p.bytes));
  return nb::make_tuple(d.kind, named(d.op), d.label, std::string(olivine::name(d.key)),
                        operands(d.in), operands(d.out), parts);
}

nb::dict stop() {
  profile::Recording r;
  {
    nb::gil_scoped_release unlocked;
    r = profile::stop();
  }
  std::set<uint32_t> whats, locations;
  nb::list threads;
  for (const auto& t : r.threads) {
    nb::list phases;
    for (uint64_t ticks : t.phase_ticks) phases.append(static_cast<double>(ticks) * r.ns_per_tick);
    for (const Event& e : t.events) whats.insert(e.what), locations.insert(e.location);
    nb::bytes events(t.events.data(), t.events.size() * sizeof(Event));
    threads.append(nb::make_tuple(t.id, t.name, phases, events));
  }
  std::vector<StepDescription> all = step_descriptions();
  nb::dict steps, places;
  for (uint32_t what : whats) {
    if (what == 0 || what >= all.size()) continue;
    steps[nb::int_(what)] = to_tuple_of(all[what]);
    for (const auto& p : all[what].parts) locations.insert(p.location);
  }
  for (uint32_t location : locations) {
    Place p;
    if (!find_place(location, p)) continue;
    places[nb::int_(location)] = nb::make_tuple(p.file, p.line, p.function, p.layer);
  }
  nb::dict found;
  found["threads"] = threads;
  found["steps"] = steps;
  found["places"] = places;
  found["begin"] = r.begin;
  found["end"] = r.end;
  found["ns_per_tick"] = r.ns_per_tick;
  found["dropped"] = r.dropped;
  return found;
}

}  // namespace

void bind_profile(nb::module_& m) {
  m.def("_profile_start", [](size_t max_events) {
    forget_layers();
    profile::start(max_events);
  });
  m.def("_profile_stop", &stop);
  m.def("_profile_is_running", &profile::is_running);
}

}  // namespace olivine::python
