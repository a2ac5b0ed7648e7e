// The class ArrayLike: a wrapper of an object that knows how to become an array.
#include "convert.h"
#include "core/error.h"
#include "modules.h"

namespace olivine::python {
namespace {

struct ArrayLike {
  nb::object inner;
};

bool converts(nb::handle o) {
  return nb::hasattr(o, "__olivine_array__") || nb::hasattr(o, "__mlx_array__");
}

}  // namespace

void bind_array_like(nb::module_& m) {
  nb::class_<ArrayLike>(m, "ArrayLike")
      .def("__init__",
           [](ArrayLike* self, nb::object o) {
             if (!converts(o)) {
               fail<TypeError>(
                   "[ArrayLike] expected an object with __olivine_array__ or "
                   "__mlx_array__; got ",
                   Py_TYPE(o.ptr())->tp_name);
             }
             new (self) ArrayLike{std::move(o)};
           })
      .def("__olivine_array__",
           [](ArrayLike& a) { return nb::steal(wrap(from_object(a.inner.ptr(), std::nullopt))); });
}

}  // namespace olivine::python
