// The object olivine.core.random.state.
#include "random_state.h"

#include "arguments.h"
#include "core/error.h"
#include "olivine/ops/random.h"

namespace olivine::python {

PyTypeObject* random_state_type = nullptr;

namespace {

struct RandomState {};

void check_index(int64_t i) {
  if (i != 0 && i != -1) fail<std::out_of_range>("[random.state] expected index 0; got ", i);
}

}  // namespace

void bind_random_state(nb::module_& m) {
  nb::handle module = submodule(m.ptr(), "random");
  nb::object type = nb::class_<RandomState>(module, "_RandomState")
                        .def("__len__", [](RandomState&) { return 1; })
                        .def("__getitem__",
                             [](RandomState&, int64_t i) {
                               check_index(i);
                               return nb::steal(wrap(random::state()));
                             })
                        .def("__setitem__",
                             [](RandomState&, int64_t i, nb::handle key) {
                               check_index(i);
                               if (!is_array(key.ptr())) {
                                 fail<TypeError>("[random.state] expected an array; got ",
                                                 Py_TYPE(key.ptr())->tp_name);
                               }
                               random::set_state(value_of(key.ptr()));
                             })
                        .def("__iter__", [](RandomState&) {
                          nb::object one = nb::steal(wrap_list({random::state()}));
                          return nb::steal(PyObject_GetIter(one.ptr()));
                        });
  random_state_type = reinterpret_cast<PyTypeObject*>(type.ptr());
  module.attr("state") = nb::cast(RandomState{});
}

}  // namespace olivine::python
