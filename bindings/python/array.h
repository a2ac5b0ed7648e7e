// Building the class array and its helpers.
#pragma once

#include "object.h"

namespace olivine::python {

// Makes array_type and puts it into the module.
void make_array_type(PyObject* module);
// Lets array(...) skip __new__ and __init__; after all methods are added.
void make_construction_fast();
// The number protocol (operators.cpp) and indexing (indexing.cpp), in slots of the type.
std::vector<PyType_Slot> operator_slots();
PyObject* get_item(PyObject* self, PyObject* index);
int set_item(PyObject* self, PyObject* index, PyObject* value);
// The value of x.at.
PyObject* make_array_at(PyObject* self);
void bind_array_at(nb::module_& m);

}  // namespace olivine::python
