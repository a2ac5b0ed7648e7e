// Captures the line of the Python program at which an op is made.
#pragma once

#include <Python.h>

#include <string>

namespace olivine::python {

// `package`: the folder of this package, whose own lines are skipped.
void install_locations(const std::string& package);
// While NaNs are looked for, `hook()` is called for every op: the path of the layer that makes it,
// or an empty string.
void set_layer_hook(PyObject* hook);

}  // namespace olivine::python
