// Devices, streams, memory functions, and the modules metal and cuda.
#include "device.h"

#include <nanobind/stl/string.h>

#include <unordered_map>

#include "arguments.h"
#include "core/error.h"
#include "olivine/memory.h"
#include "tree.h"

namespace olivine::python {
namespace {

std::string text(Device d) {
  return message("Device(", d.type == Device::cpu ? "cpu" : "gpu", ", ", d.index, ")");
}

std::optional<Device> to_device(PyObject* o) {
  Device d;
  Device::Type type = Device::cpu;
  if (nb::try_cast(nb::handle(o), d)) return d;
  if (nb::try_cast(nb::handle(o), type)) return Device(type);
  return std::nullopt;
}
Device require_device(Arguments& in, int i) {
  std::optional<Device> d = to_device(in.raw(i));
  if (!d) in.mismatch(i, "a Device or a DeviceType");
  return *d;
}

// What a `with` block restores.
struct StreamContext {
  StreamOrDevice target;
  std::optional<Device> device;
  std::optional<Stream> before_stream;
  Device before_device;

  void enter() {
    before_device = default_device();
    Stream s = to_stream(target);
    before_stream = default_stream(s.device);
    set_default_device(s.device);
    set_default_stream(s);
  }
  void exit() {
    if (before_stream) set_default_stream(*before_stream);
    set_default_device(before_device);
  }
};

StreamContext make_context(nb::handle s) {
  std::optional<StreamOrDevice> target = to_stream_or_device(s.ptr());
  if (!target) {
    fail<TypeError>("[stream] expected a Stream or a Device; got ", Py_TYPE(s.ptr())->tp_name);
  }
  return StreamContext{*target, {}, {}, {}};
}

}  // namespace

std::optional<StreamOrDevice> to_stream_or_device(PyObject* o) {
  Stream s;
  if (nb::try_cast(nb::handle(o), s)) return StreamOrDevice(s);
  if (std::optional<Device> d = to_device(o)) return StreamOrDevice(*d);
  return std::nullopt;
}

bool is_device(PyObject* o) { return to_device(o).has_value(); }

void bind_device(nb::module_& m) {
  auto types =
      nb::enum_<Device::Type>(m, "DeviceType").value("cpu", Device::cpu).value("gpu", Device::gpu);
  m.attr("cpu") = types.attr("cpu");
  m.attr("gpu") = types.attr("gpu");
  nb::class_<Device>(m, "Device")
      .def(nb::init<Device::Type, int>(), nb::arg("type"), nb::arg("index") = 0)
      .def_ro("type", &Device::type)
      .def_ro("index", &Device::index)
      .def(
          "__eq__",
          [](const Device& a, nb::handle b) {
            std::optional<Device> d = to_device(b.ptr());
            return d && *d == a;
          },
          nb::arg("other").none())
      .def("__hash__", [](const Device& d) { return int(d.type) * 1000003 + d.index; })
      .def("__repr__", text);
  nb::class_<Stream>(m, "Stream")
      .def_ro("device", &Stream::device)
      .def_ro("index", &Stream::index)
      .def(
          "__eq__",
          [](const Stream& a, nb::handle b) {
            Stream other;
            return nb::try_cast(b, other) && other == a;
          },
          nb::arg("other").none())
      .def("__hash__", [](const Stream& s) { return s.index; })
      .def("__repr__",
           [](const Stream& s) { return message("Stream(", text(s.device), ", ", s.index, ")"); });
  m.attr("ThreadLocalStream") = m.attr("Stream");
  nb::class_<StreamContext>(m, "StreamContext")
      .def(
          "__init__",
          [](StreamContext* self, nb::handle s) { new (self) StreamContext(make_context(s)); },
          nb::arg("s"))
      .def("__enter__", &StreamContext::enter)
      .def(
          "__exit__", [](StreamContext& c, nb::handle, nb::handle, nb::handle) { c.exit(); },
          nb::arg("exc_type") = nb::none(), nb::arg("exc_value") = nb::none(),
          nb::arg("traceback") = nb::none());
}

// ---- Functions (api/device.pyi, api/metal.pyi, api/cuda.pyi).
namespace hand {

static PyObject* none() { return Py_NewRef(Py_None); }

PyObject* default_device(Arguments&) { return nb::cast(olivine::default_device()).release().ptr(); }
PyObject* set_default_device(Arguments& in) {
  olivine::set_default_device(require_device(in, 0));
  return none();
}
PyObject* default_stream(Arguments& in) {
  return nb::cast(olivine::default_stream(require_device(in, 0))).release().ptr();
}
PyObject* set_default_stream(Arguments& in) {
  Stream s;
  if (!nb::try_cast(nb::handle(in.raw(0)), s)) in.mismatch(0, "a Stream");
  olivine::set_default_stream(s);
  return none();
}
PyObject* new_stream(Arguments& in) {
  return nb::cast(olivine::new_stream(require_device(in, 0))).release().ptr();
}
PyObject* stream(Arguments& in) {
  return nb::cast(make_context(nb::handle(in.raw(0)))).release().ptr();
}
PyObject* synchronize(Arguments& in) {
  Stream s = to_stream(in.stream(0));
  nb::gil_scoped_release unlocked;
  olivine::synchronize(s);
  return none();
}
PyObject* clear_streams(Arguments&) {
  nb::gil_scoped_release unlocked;
  olivine::synchronize();
  return none();
}
PyObject* is_available(Arguments& in) {
  return to_python(olivine::is_available(require_device(in, 0)));
}
PyObject* device_count(Arguments& in) {
  return to_python(olivine::device_count(require_device(in, 0).type));
}
PyObject* device_info(Arguments& in) {
  Device d = in.none(0) ? olivine::default_device() : require_device(in, 0);
  nb::dict facts;
  for (const auto& fact : olivine::device_info(d)) {
    std::visit([&](const auto& v) { facts[fact.first.c_str()] = nb::cast(v); }, fact.second);
  }
  return facts.release().ptr();
}

PyObject* get_active_memory(Arguments&) { return to_python(olivine::get_active_memory()); }
PyObject* get_peak_memory(Arguments&) { return to_python(olivine::get_peak_memory()); }
PyObject* reset_peak_memory(Arguments&) {
  olivine::reset_peak_memory();
  return none();
}
PyObject* get_cache_memory(Arguments&) { return to_python(olivine::get_cache_memory()); }
PyObject* get_memory_limit(Arguments&) { return to_python(olivine::get_memory_limit()); }
PyObject* set_memory_limit(Arguments& in) {
  return to_python(olivine::set_memory_limit(in.integer(0)));
}
PyObject* set_cache_limit(Arguments& in) {
  return to_python(olivine::set_cache_limit(in.integer(0)));
}
PyObject* set_wired_limit(Arguments& in) {
  return to_python(olivine::set_wired_limit(in.integer(0)));
}
PyObject* clear_cache(Arguments&) {
  olivine::clear_cache();
  return none();
}
PyObject* get_array_buffer_size(Arguments& in) {
  std::vector<array> arrays = tree_arrays(nb::handle(in.raw(0)));
  evaluate(arrays);
  return to_python(olivine::get_array_buffer_size(arrays));
}

[[noreturn]] static void no_metal() {
  fail<std::runtime_error>("[metal] expected a build with Metal; got one for CPUs");
}
PyObject* metal_is_available(Arguments&) { return to_python(false); }
PyObject* metal_device_info(Arguments&) { no_metal(); }
PyObject* metal_start_capture(Arguments&) { no_metal(); }
PyObject* metal_stop_capture(Arguments&) { no_metal(); }
PyObject* metal_get_active_memory(Arguments& in) { return get_active_memory(in); }
PyObject* metal_get_peak_memory(Arguments& in) { return get_peak_memory(in); }
PyObject* metal_reset_peak_memory(Arguments& in) { return reset_peak_memory(in); }
PyObject* metal_get_cache_memory(Arguments& in) { return get_cache_memory(in); }
PyObject* metal_set_memory_limit(Arguments& in) { return set_memory_limit(in); }
PyObject* metal_set_cache_limit(Arguments& in) { return set_cache_limit(in); }
PyObject* metal_set_wired_limit(Arguments& in) { return set_wired_limit(in); }
PyObject* metal_clear_cache(Arguments& in) { return clear_cache(in); }
PyObject* cuda_is_available(Arguments&) { return to_python(false); }

}  // namespace hand
}  // namespace olivine::python
