// Captures the line of the Python program at which an op is made.
#pragma once

#include <Python.h>

#include <string>

namespace olivine::python {

// `package`: the folder of this package, whose own lines are skipped.
void install_locations(const std::string& package);

}  // namespace olivine::python
