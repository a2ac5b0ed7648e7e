// The type of function objects that transformations return.
#include "callable.h"

#include <structmember.h>

#include "core/error.h"
#include "runtime/profile.h"

namespace olivine::python {
namespace {

struct CallableObject {
  PyObject_HEAD;
  vectorcallfunc vectorcall;
  PyObject* weak_references;
  PyObject* dict;
  Behaviour* behaviour;
};
PyTypeObject* callable_type = nullptr;

CallableObject* self_of(PyObject* o) { return reinterpret_cast<CallableObject*>(o); }

PyObject* call(PyObject* o, PyObject* const* args, size_t nargsf, PyObject* kwnames) {
  return guarded([&]() -> PyObject* {
    Building noted;
    nb::object held = nb::borrow(o);
    if (!self_of(o)->behaviour->fun.is_valid()) fail<std::runtime_error>("[call] function is gone");
    return self_of(o)->behaviour->call(args, PyVectorcall_NARGS(nargsf), kwnames);
  });
}

int traverse(PyObject* o, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(o));
  Py_VISIT(self_of(o)->dict);
  return self_of(o)->behaviour ? self_of(o)->behaviour->visit(visit, arg) : 0;
}
int clear(PyObject* o) {
  Py_CLEAR(self_of(o)->dict);
  if (self_of(o)->behaviour) self_of(o)->behaviour->clear();
  return 0;
}
void dealloc(PyObject* o) {
  PyTypeObject* type = Py_TYPE(o);
  PyObject_GC_UnTrack(o);
  if (self_of(o)->weak_references) PyObject_ClearWeakRefs(o);
  Py_CLEAR(self_of(o)->dict);
  delete self_of(o)->behaviour;
  type->tp_free(o);
  Py_DECREF(type);
}

// Attributes that are those of the user's function.
PyObject* forward(PyObject* o, void* name) {
  nb::object& fun = self_of(o)->behaviour->fun;
  if (!fun.is_valid()) Py_RETURN_NONE;
  return PyObject_GetAttrString(fun.ptr(), static_cast<const char*>(name));
}
PyObject* wrapped(PyObject* o, void*) {
  nb::object& fun = self_of(o)->behaviour->fun;
  return Py_NewRef(fun.is_valid() ? fun.ptr() : Py_None);
}

}  // namespace

void make_callable_type() {
  static PyMemberDef members[] = {
      {"__vectorcalloffset__", T_PYSSIZET, offsetof(CallableObject, vectorcall), READONLY, nullptr},
      {"__weaklistoffset__", T_PYSSIZET, offsetof(CallableObject, weak_references), READONLY,
       nullptr},
      {"__dictoffset__", T_PYSSIZET, offsetof(CallableObject, dict), READONLY, nullptr},
      {}};
  static auto entry = [](const char* name) {
    return PyGetSetDef{name, forward, nullptr, nullptr, const_cast<char*>(name)};
  };
  static PyGetSetDef properties[] = {
      entry("__name__"),
      entry("__qualname__"),
      entry("__module__"),
      entry("__doc__"),
      {"__wrapped__", wrapped, nullptr, nullptr, nullptr},
      {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
      {}};
  PyType_Slot slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(dealloc)},
                         {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
                         {Py_tp_clear, reinterpret_cast<void*>(clear)},
                         {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
                         {Py_tp_members, members},
                         {Py_tp_getset, properties},
                         {0, nullptr}};
  PyType_Spec spec{"olivine.core.function", sizeof(CallableObject), 0,
                   Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
                       Py_TPFLAGS_DISALLOW_INSTANTIATION,
                   slots};
  callable_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  if (!callable_type) throw nb::python_error();
}

nb::object make_callable(std::unique_ptr<Behaviour> behaviour) {
  PyObject* o = callable_type->tp_alloc(callable_type, 0);
  if (!o) throw nb::python_error();
  self_of(o)->vectorcall = call;
  self_of(o)->behaviour = behaviour.release();
  return nb::steal(o);
}

Behaviour* behaviour_of(PyObject* o) {
  return Py_TYPE(o) == callable_type ? self_of(o)->behaviour : nullptr;
}

CallTree::CallTree(PyObject* const* values, Py_ssize_t nargs, PyObject* kwnames) {
  args = nb::steal(PyTuple_New(nargs));
  if (!args.is_valid()) throw nb::python_error();
  for (Py_ssize_t i = 0; i < nargs; ++i) PyTuple_SET_ITEM(args.ptr(), i, Py_NewRef(values[i]));
  if (!kwnames) return;
  kwargs = nb::steal(PyDict_New());
  if (!kwargs.is_valid()) throw nb::python_error();
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(kwnames); ++i) {
    if (PyDict_SetItem(kwargs.ptr(), PyTuple_GET_ITEM(kwnames, i), values[nargs + i])) {
      throw nb::python_error();
    }
  }
}

nb::object CallTree::call(nb::handle fun) const {
  profile::Scope user(profile::Phase::outside, false);
  nb::object result = nb::steal(PyObject_Call(fun.ptr(), args.ptr(), kwargs.ptr()));
  if (!result.is_valid()) throw nb::python_error();
  return result;
}

}  // namespace olivine::python
