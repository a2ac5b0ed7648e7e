// The object olivine.core.random.state: the global key, which trees treat as a list of one array.
#pragma once

#include "object.h"

namespace olivine::python {

extern PyTypeObject* random_state_type;
inline bool is_random_state(PyObject* o) { return Py_TYPE(o) == random_state_type; }
void bind_random_state(nb::module_& m);

}  // namespace olivine::python
