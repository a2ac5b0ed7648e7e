// What the submodules of olivine.core add by hand, called once when it is imported.
#pragma once

#include "object.h"

namespace olivine::python {

void bind_distributed(nb::module_& m);
void bind_custom_kernels(nb::module_& m);
void bind_debug(nb::module_& m);
void bind_memory_plan(nb::module_& m);
void bind_profile(nb::module_& m);
// The class ArrayLike.
void bind_array_like(nb::module_& m);
// What C++ modules exchange arrays by.
void add_cpp_interface(PyObject* module);

}  // namespace olivine::python
