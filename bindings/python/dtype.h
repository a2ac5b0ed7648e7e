// Dtypes as Python objects: one object per dtype.
#pragma once

#include <optional>

#include "object.h"

namespace olivine::python {

// nullopt: not a Dtype.
std::optional<Dtype> to_dtype(PyObject* o);
// By its name, such as "float32".
std::optional<Dtype> dtype_named(std::string_view text);
void bind_dtype(nb::module_& m);

}  // namespace olivine::python
