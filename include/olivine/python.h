// Olivine arrays in Python modules written in C++: olivine.core's `array` objects to and from
// olivine::array. nanobind.h and pybind11.h have conversions for those two built on it.
//
//   olivine::array x = olivine::from_python(object);   // a Python error is set if it is none
//   PyObject* y = olivine::to_python(olivine::exp(x));
//
// The module must not have olivine statically: it links the library of the installed package.
#pragma once

#include <Python.h>

#include <stdexcept>
#include <utility>

#include "olivine/array.h"

namespace olivine {

// What olivine.core offers, in the capsule olivine.core._cpp.
struct PythonInterface {
  static constexpr int kVersion = 1;
  static constexpr const char* kName = "olivine.core._cpp";
  int version;
  // Whether an object is an array.
  bool (*is_array)(PyObject* o);
  // The array of an array object.
  array (*unwrap)(PyObject* o);
  // What array(o) in Python makes of numbers, lists, NumPy arrays…; a Python error, and false,
  // where it makes nothing.
  bool (*convert)(PyObject* o, array& out);
  // A new object, or null with a Python error.
  PyObject* (*wrap)(const array& a);
  // Sets the Python error that the C++ exception in flight means, as olivine's own functions do.
  void (*set_error)();
};

// A Python error is set; the caller returns to Python.
struct PythonError : std::runtime_error {
  PythonError() : std::runtime_error("a Python error is set") {}
};

// Imports olivine.core at the first call.
inline const PythonInterface& python_interface() {
  static const PythonInterface* found = nullptr;
  if (found) return *found;
  PyObject* module = PyImport_ImportModule("olivine.core");
  if (!module) throw PythonError();
  Py_DECREF(module);
  auto* capsule = static_cast<const PythonInterface*>(PyCapsule_Import(PythonInterface::kName, 0));
  if (!capsule) throw PythonError();
  if (capsule->version != PythonInterface::kVersion) {
    PyErr_Format(PyExc_ImportError,
                 "expected olivine.core with C++ interface %d; got %d: build this module anew",
                 PythonInterface::kVersion, capsule->version);
    throw PythonError();
  }
  return *(found = capsule);
}

inline bool is_python_array(PyObject* o) { return python_interface().is_array(o); }
// The array that an object is, or becomes by array(o); throws PythonError if none.
inline array from_python(PyObject* o) {
  const PythonInterface& p = python_interface();
  if (p.is_array(o)) return p.unwrap(o);
  array out(0.0f);
  if (!p.convert(o, out)) throw PythonError();
  return out;
}
// A new reference; throws PythonError if Python is out of memory.
inline PyObject* to_python(const array& a) {
  PyObject* o = python_interface().wrap(a);
  if (!o) throw PythonError();
  return o;
}

}  // namespace olivine
