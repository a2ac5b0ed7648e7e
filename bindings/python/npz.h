// NumPy's npz archives, through Python's zipfile.
#pragma once

#include "arguments.h"

namespace olivine::python {

// A dict of the arrays in a path or a file object.
PyObject* load_npz(PyObject* file);
// Writes the arguments of savez; `compression` is a method of zipfile.
PyObject* save_npz(Arguments& in, int compression);

}  // namespace olivine::python
