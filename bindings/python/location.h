// Captures the line of the Python program at which an op is made.
#pragma once

#include <Python.h>

#include <cstdint>
#include <string>

namespace olivine::python {

// `package`: the folder of this package, whose own lines are skipped.
void install_locations(const std::string& package);
// While NaNs are looked for, or a profile runs, `hook` is asked which layer makes an op: its path,
// or an empty string. It is given the innermost and the outermost layer that run if they are known,
// else nothing. `module_type` is the class of layers.
void set_layer_hook(PyObject* hook, PyObject* module_type);
// Forgets which layers were seen: their addresses may be those of others now.
void forget_layers();

}  // namespace olivine::python
