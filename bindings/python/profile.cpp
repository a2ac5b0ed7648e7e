// Beginning and ending a profile, and what was recorded: olivine.profiler has the class around it.
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "location.h"
#include "modules.h"
#include "object.h"
#include "profiler/recorded.h"

namespace olivine::python {
namespace {

using profile::Event;
using profiler::kPhases;
using profiler::Limits;
using profiler::Profile;
using profiler::Recorded;
using profiler::Row;
using profiler::Thread;
// The layout that python/olivine/profiler/events.py reads.
static_assert(sizeof(Event) == 48 && offsetof(Event, kind) == 24 && offsetof(Event, stream) == 26 &&
              offsetof(Event, bytes) == 32 && offsetof(Event, address) == 40);

Profile stop() {
  Profile p = profiler::stop();
  p.recorded().program = "Python";
  return p;
}

template <class T>
nb::bytes bytes_of(const std::vector<T>& v) {
  return nb::bytes(v.data(), v.size() * sizeof(T));
}

// Of each thread: number, name, seconds by phase, events and their own times.
nb::list threads(const Profile& p) {
  const Recorded& r = p.recorded();
  nb::list list;
  for (const Thread& t : r.threads) {
    nb::dict phases;
    for (int i = 0; i < kPhases; ++i) phases[r.phase_name(t, i).c_str()] = t.seconds[i];
    list.append(nb::make_tuple(t.id, t.name, phases, bytes_of(t.events), bytes_of(t.own)));
  }
  return list;
}

// By number: the kind, and the place and bytes of each part.
nb::dict steps(const Profile& p) {
  nb::dict found;
  for (const auto& [number, s] : p.recorded().steps) {
    nb::list parts;
    for (const auto& part : s.parts) parts.append(nb::make_tuple(part.location, part.bytes));
    found[nb::int_(number)] = nb::make_tuple(s.kind, parts);
  }
  return found;
}

nb::dict places(const Profile& p) {
  nb::dict found;
  for (const auto& [number, place] : p.recorded().places) {
    found[nb::int_(number)] = nb::make_tuple(place.file, place.line, place.function, place.layer);
  }
  return found;
}

void name_thread(Profile& p, uint64_t id, const std::string& name) {
  for (Thread& t : p.recorded().threads) {
    if (t.id == id) t.name = name;
  }
}

using Unlocked = nb::call_guard<nb::gil_scoped_release>;

void bind_rows(nb::module_& m) {
  nb::class_<Limits>(m, "_ProfileLimits")
      .def_ro("flops", &Limits::flops)
      .def_ro("bandwidth", &Limits::bandwidth);
  nb::class_<Row>(m, "_ProfileRow")
      .def_ro("name", &Row::name)
      .def_ro("count", &Row::count)
      .def_ro("seconds", &Row::seconds)
      .def_ro("bytes", &Row::bytes)
      .def_ro("flops", &Row::flops)
      .def_prop_ro("flops_per_second", &Row::flops_per_second)
      .def_prop_ro("bytes_per_second", &Row::bytes_per_second)
      .def("share", &Row::share, nb::arg("limits"));
  m.def("_profile_limits", &profiler::measure_limits, Unlocked());
  m.def("_profile_amount", &profiler::amount);
  m.def("_profile_duration", &profiler::duration);
  m.def("_profile_percent", &profiler::percent);
}

}  // namespace

void bind_profile(nb::module_& m) {
  bind_rows(m);
  nb::class_<Profile>(m, "_Profile")
      .def_prop_ro("wall", &Profile::wall)
      .def_prop_ro("dropped", &Profile::dropped)
      .def_prop_ro("attributed", &Profile::attributed)
      .def_prop_ro("flops", &Profile::flops)
      .def_prop_ro("bytes", &Profile::bytes)
      .def("phases", &Profile::phases)
      .def("rows", &Profile::rows, Unlocked())
      .def("table", &Profile::table, Unlocked())
      .def("summary", &Profile::summary)
      .def("json", &Profile::json, Unlocked())
      .def("save_trace", &Profile::save_trace, Unlocked())
      .def("threads", &threads)
      .def("steps", &steps)
      .def("places", &places)
      .def("name_thread", &name_thread)
      .def("set_title", [](Profile& p, std::string title) { p.recorded().title = title; });
  m.def("_profile_start", [](size_t max_events) {
    forget_layers();
    profiler::start(max_events);
  });
  m.def("_profile_stop", &stop, Unlocked());
  m.def("_profile_is_running", &profile::is_running);
}

}  // namespace olivine::python
