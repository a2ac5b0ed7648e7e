// The Python class `array`: its object layout, and the way between objects and olivine::array.
//
// It is a plain C type, not a nanobind class: operators are number-protocol slots, and making an
// object costs one allocation and no registration.
#pragma once

#include <nanobind/nanobind.h>

#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "olivine/array.h"
#include "runtime/profile.h"

namespace nb = nanobind;

namespace olivine::python {

struct ArrayObject {
  PyObject_HEAD;
  array value;
  PyObject* weak_references;
};

extern PyTypeObject* array_type;

inline bool is_array(PyObject* o) {
  return Py_TYPE(o) == array_type || PyType_IsSubtype(Py_TYPE(o), array_type);
}

// What an object means now. In-place operators replace it, so that without the GIL the handle is
// copied under the object's lock; with it a reference will do.
#ifdef Py_GIL_DISABLED
inline array value_of(PyObject* o) {
  nb::ft_object_guard guard{nb::handle(o)};
  return reinterpret_cast<ArrayObject*>(o)->value;
}
inline void set_value(PyObject* o, array a) {
  nb::ft_object_guard guard{nb::handle(o)};
  std::swap(reinterpret_cast<ArrayObject*>(o)->value, a);
}
#else
inline const array& value_of(PyObject* o) { return reinterpret_cast<ArrayObject*>(o)->value; }
inline void set_value(PyObject* o, array a) {
  std::swap(reinterpret_cast<ArrayObject*>(o)->value, a);
}
#endif

// A new object; throws nb::python_error when Python is out of memory.
inline PyObject* wrap(array a) {
  auto* o = PyObject_New(ArrayObject, array_type);
  if (!o) throw nb::python_error();
  new (&o->value) array(std::move(a));
  o->weak_references = nullptr;
  return reinterpret_cast<PyObject*>(o);
}
PyObject* wrap_list(const std::vector<array>& arrays);
PyObject* wrap_tuple(const std::vector<array>& arrays);

// ---- Results of functions.
inline PyObject* to_python(array a) { return wrap(std::move(a)); }
inline PyObject* to_python(bool v) { return PyBool_FromLong(v); }
inline PyObject* to_python(int v) { return PyLong_FromLong(v); }
inline PyObject* to_python(int64_t v) { return PyLong_FromLongLong(v); }
inline PyObject* to_python(size_t v) { return PyLong_FromSize_t(v); }
inline PyObject* to_python(double v) { return PyFloat_FromDouble(v); }
PyObject* to_python(Dtype t);
PyObject* to_python(const Shape& s);
inline PyObject* to_python(const std::vector<array>& v) { return wrap_list(v); }
PyObject* to_python(const std::string& s);
template <class Tuple>
requires requires { std::tuple_size<Tuple>::value; }
PyObject* to_python(const Tuple& t) {
  return std::apply([](const auto&... x) { return wrap_tuple({x...}); }, t);
}
// Where the definition says tuple.
inline PyObject* to_tuple(const std::vector<array>& v) { return wrap_tuple(v); }
template <class T>
PyObject* to_tuple(const T& v) {
  return to_python(v);
}

// Sets the Python error that the exception in flight means. For catch (...) blocks.
void set_error();

// In a function that may take longer than making an op does: its time is noted in profiles.
struct Building {
  profile::Scope scope{profile::Phase::building, false};
};

// f() with C++ exceptions turned into Python ones.
template <class F>
auto guarded(F&& f) noexcept -> decltype(f()) {
  using R = decltype(f());
  profile::BriefScope building;
  try {
    return f();
  } catch (...) {
    set_error();
    if constexpr (std::is_pointer_v<R>) {
      return nullptr;
    } else if constexpr (!std::is_void_v<R>) {
      return R(-1);
    }
  }
}

// Calls f(arg) with the GIL: now if this thread has it, else as soon as the main thread can. Never
// waits, since the thread that has the GIL may be waiting for this one.
void with_gil(void (*f)(void*), void* arg);
// Drops a reference from any thread.
void release_reference(PyObject* o);

// A Python object that C++ holds and may let go on any thread.
class Held {
 public:
  Held() = default;
  explicit Held(nb::object o) : o_(o.release().ptr()) {}
  Held(Held&& other) noexcept : o_(std::exchange(other.o_, nullptr)) {}
  Held& operator=(Held&& other) noexcept {
    std::swap(o_, other.o_);
    return *this;
  }
  ~Held() {
    if (o_) release_reference(o_);
  }
  PyObject* get() const { return o_; }
  explicit operator bool() const { return o_ != nullptr; }

 private:
  PyObject* o_ = nullptr;
};

// The items of a list or tuple, as a tuple: reading an item may run the user's code (__index__),
// and that may change the list.
inline nb::object items_of(PyObject* o) {
  if (PyTuple_Check(o)) return nb::borrow(o);
  nb::object items = nb::steal(PyList_AsTuple(o));
  if (!items.is_valid()) throw nb::python_error();
  return items;
}
// A str as UTF-8; a Python error if it has lone surrogates.
std::string text_of(nb::handle s);
// A value for an error message: its repr where that is short and tells something, else its type.
std::string shown(PyObject* o);

// Computes what is not yet computed, letting other Python threads run meanwhile.
void evaluate(const std::vector<array>& arrays);
void evaluate(const array& a);

}  // namespace olivine::python
