// Transformations of Python functions.
#pragma once

#include "object.h"

namespace olivine::python {

void bind_transforms(nb::module_& m);       // transforms.cpp
void bind_custom_function(nb::module_& m);  // custom_function.cpp
void bind_export(nb::module_& m);           // export.cpp

}  // namespace olivine::python
