// Paths given as str, bytes or os.PathLike.
#pragma once

#include <string>

#include "object.h"

namespace olivine::python {

inline bool is_path(PyObject* o) {
  return PyUnicode_Check(o) || PyBytes_Check(o) || PyObject_HasAttrString(o, "__fspath__");
}

inline std::string path_of(PyObject* o) {
  PyObject* encoded = nullptr;
  if (!PyUnicode_FSConverter(o, &encoded)) throw nb::python_error();
  nb::object held = nb::steal(encoded);
  return {PyBytes_AS_STRING(encoded), static_cast<size_t>(PyBytes_GET_SIZE(encoded))};
}

}  // namespace olivine::python
