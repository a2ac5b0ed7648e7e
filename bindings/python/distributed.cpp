// The module olivine.core.distributed.
#include "olivine/distributed.h"

#include <nanobind/stl/string.h>

#include "arguments.h"
#include "core/error.h"
#include "modules.h"

namespace olivine::python {

using distributed::Group;

void bind_distributed(nb::module_& m) {
  nb::handle module = submodule(m.ptr(), "distributed");
  nb::class_<Group>(module, "Group")
      .def("rank", &Group::rank)
      .def("size", &Group::size)
      .def("split", &Group::split, nb::arg("color"), nb::arg("key") = -1)
      .def(
          "__eq__",
          [](const Group& a, nb::handle b) {
            Group other;
            return nb::try_cast(b, other) && a == other;
          },
          nb::arg("other").none())
      .def("__hash__", [](const Group&) { return 1; })
      .def("__repr__", [](const Group& g) {
        return message("Group(rank=", g.rank(), ", size=", g.size(), ")");
      });
}

namespace hand {

static std::optional<Group> group_of(Arguments& in, int i) {
  if (in.none(i)) return std::nullopt;
  Group g;
  if (!nb::try_cast(nb::handle(in.raw(i)), g)) in.mismatch(i, "a Group or None");
  return g;
}

PyObject* distributed_is_available(Arguments& in) {
  return to_python(distributed::is_available(in.string(0, "any")));
}
PyObject* distributed_init(Arguments& in) {
  std::string backend = in.string(1, "any");
  if (!in.none(2) && backend != "jaccl") {
    fail("[init] expected all_gather_factory for backend 'jaccl' alone; got backend '", backend,
         "'");
  }
  return nb::cast(distributed::init(in.boolean(0), backend)).release().ptr();
}

using Collective = array (*)(const array&, const std::optional<Group>&, StreamOrDevice);
static PyObject* collective(Arguments& in, Collective f) {
  return wrap(f(in.ref(0), group_of(in, 1), in.stream(2)));
}
PyObject* distributed_all_sum(Arguments& in) { return collective(in, distributed::all_sum); }
PyObject* distributed_all_max(Arguments& in) { return collective(in, distributed::all_max); }
PyObject* distributed_all_min(Arguments& in) { return collective(in, distributed::all_min); }
PyObject* distributed_all_gather(Arguments& in) { return collective(in, distributed::all_gather); }
PyObject* distributed_sum_scatter(Arguments& in) {
  return collective(in, distributed::sum_scatter);
}
PyObject* distributed_send(Arguments& in) {
  return wrap(distributed::send(in.ref(0), in.integer(1), group_of(in, 2), in.stream(3)));
}
PyObject* distributed_recv(Arguments& in) {
  return wrap(
      distributed::recv(in.ints(0), in.dtype(1), in.integer(2), group_of(in, 3), in.stream(4)));
}
PyObject* distributed_recv_like(Arguments& in) {
  return wrap(distributed::recv_like(in.ref(0), in.integer(1), group_of(in, 2), in.stream(3)));
}

}  // namespace hand
}  // namespace olivine::python
