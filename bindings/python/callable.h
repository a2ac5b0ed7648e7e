// Function objects that transformations return: callable, garbage-collected, and looking like the
// function they came from.
#pragma once

#include <memory>

#include "object.h"

namespace olivine::python {

// What such an object does. Python objects that it holds are members visited by `visit`.
struct Behaviour {
  nb::object fun;  // the user's function

  virtual ~Behaviour() = default;
  virtual PyObject* call(PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) = 0;
  virtual int visit(visitproc visit, void* arg) {
    Py_VISIT(fun.ptr());
    return 0;
  }
  virtual void clear() { fun.reset(); }
};

void make_callable_type();
nb::object make_callable(std::unique_ptr<Behaviour> behaviour);
// What an object of that type does; null for other objects.
Behaviour* behaviour_of(PyObject* o);

// A call's positional and keyword arguments, held for later calls of the same function with other
// arrays in them.
struct CallTree {
  nb::object args;    // tuple
  nb::object kwargs;  // dict or null

  CallTree(PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames);
  nb::object call(nb::handle fun) const;
};

}  // namespace olivine::python
