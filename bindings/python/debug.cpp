// Looking for NaNs inside a `with` block, and which layer of a model makes an op.
#include "olivine/debug.h"

#include "arguments.h"
#include "location.h"
#include "modules.h"

namespace olivine::python {
namespace {

struct NonFiniteContext {
  bool nan, inf;
  bool nan_before = false, inf_before = false;
};

}  // namespace

void bind_debug(nb::module_& m) {
  nb::class_<NonFiniteContext>(m, "_NonFiniteContext")
      .def("__enter__",
           [](NonFiniteContext& c) {
             c.nan_before = debugs_nan();
             c.inf_before = debugs_inf();
             olivine::set_debug_nonfinite(c.nan, c.inf);
           })
      .def("__exit__", [](NonFiniteContext& c, nb::args) {
        olivine::set_debug_nonfinite(c.nan_before, c.inf_before);
      });
  m.def("_set_layer_hook", [](nb::callable hook, nb::handle module_type) {
    set_layer_hook(hook.ptr(), module_type.ptr());
  });
}

namespace hand {

PyObject* debug_nonfinite(Arguments& in) {
  return nb::cast(NonFiniteContext{in.boolean(0, true), in.boolean(1, true)}).release().ptr();
}

}  // namespace hand
}  // namespace olivine::python
