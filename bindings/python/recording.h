// Calls from Python as steps of a recording (transforms/replay.h), and the sizes that Python reads.
//
// While a function is traced for any sizes, a call that gets an array of the trace, or a size of
// one, is recorded with its arguments and called again for other sizes. Sizes are objects of
// olivine/_sizes.py, which know the expression they come from.
#pragma once

#include <type_traits>

#include "object.h"
#include "olivine/device.h"
#include "transforms/running.h"

namespace olivine::python {

using Function = PyObject* (*)(PyObject*, PyObject* const*, Py_ssize_t, PyObject*);

// Calls f, and records the call if it depends on the trace.
PyObject* record(Recording& recording, Function f, PyObject* self, PyObject* const* args,
                 Py_ssize_t nargs, PyObject* kwnames);

// A function of objects as one of an argument list.
template <auto f>
PyObject* spread(PyObject* self, PyObject* const* args, Py_ssize_t, PyObject*) {
  using F = decltype(f);
  if constexpr (std::is_invocable_v<F, PyObject*>) {
    return f(self);
  } else if constexpr (std::is_invocable_v<F, PyObject*, PyObject*>) {
    return f(self, args[0]);
  } else {
    return f(self, args[0], args[1]);
  }
}
template <array (*f)(const array&, StreamOrDevice)>
PyObject* unary_call(PyObject* o) {
  return guarded([&] { return wrap(f(value_of(o), {})); });
}
// f, recorded where a recording is running.
template <auto f, class... Args>
PyObject* recorded(PyObject* self, Args... args) {
  Recording* recording = running_recording();
  if (!recording) [[likely]]
    return f(self, args...);
  PyObject* rest[] = {args..., nullptr};
  return record(*recording, spread<f>, self, rest, sizeof...(args), nullptr);
}
template <Function f>
PyObject* recorded_call(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* names) {
  Recording* recording = running_recording();
  if (!recording) [[likely]]
    return f(self, args, nargs, names);
  return record(*recording, f, self, args, nargs, names);
}

// ---- Sizes.
// The tuple of an array's sizes; its number of elements or bytes. Null: they are plain ints.
PyObject* followed_shape(const array& a);
PyObject* followed_size(const array& a, bool bytes);
// The length of an array becomes a value.
void guard_length(const array& a);
bool is_size(PyObject* o);
// The object, or what a size is.
nb::object as_number(nb::handle o);
// Around a function that is recorded; within another's recording it does nothing.
class SizeScope {
 public:
  SizeScope();
  ~SizeScope();
  SizeScope(const SizeScope&) = delete;
  // The function is over: sizes that are still there become values.
  void settle();

 private:
  struct CurrentSizes* outer_ = nullptr;
  bool began_ = false;
};
void bind_sizes(nb::module_& m);

// An array that outlives the recording during which it was made, and depends on nothing.
void settle(const array& a);
// What is read of `a` is of its values or memory: no other sizes then.
void note_read(const array& a, const char* what);

}  // namespace olivine::python
