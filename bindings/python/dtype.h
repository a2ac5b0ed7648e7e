// Dtypes as Python objects: one object per dtype.
#pragma once

#include <optional>

#include "object.h"

namespace olivine::python {

// nullopt: not a Dtype.
std::optional<Dtype> to_dtype(PyObject* o);
void bind_dtype(nb::module_& m);

}  // namespace olivine::python
