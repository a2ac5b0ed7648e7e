// The capsule olivine.core._cpp, by which other C++ modules exchange arrays (olivine/python.h).
#include "olivine/python.h"

#include "convert.h"
#include "modules.h"

namespace olivine::python {
namespace {

bool convert(PyObject* o, array& out) {
  return guarded([&] {
           out = from_object(o, std::nullopt);
           return 0;
         }) == 0;
}

const PythonInterface interface {
  .version = PythonInterface::kVersion,
  .is_array = [](PyObject* o) { return olivine::python::is_array(o); },
  .unwrap = [](PyObject* o) -> array { return value_of(o); }, .convert = convert,
  .wrap = [](const array& a) { return guarded([&] { return wrap(a); }); }, .set_error = set_error,
};

}  // namespace

void add_cpp_interface(PyObject* module) {
  PyObject* capsule =
      PyCapsule_New(const_cast<PythonInterface*>(&interface), PythonInterface::kName, nullptr);
  if (!capsule || PyModule_AddObject(module, "_cpp", capsule) != 0) {
    Py_XDECREF(capsule);
    throw nb::python_error();
  }
}

}  // namespace olivine::python
