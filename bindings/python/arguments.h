// Arguments of functions called from Python: bound to parameters by a signature, converted one by
// one to the types of bindings/call.h. Every error names the function and the parameter.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "../call.h"
#include "object.h"
#include "recording.h"

namespace olivine::python {

using bindings::call;
using bindings::Int;
using bindings::IntOrInts;
using bindings::Ints;
using bindings::Maybe;
using bindings::MaybeInt;
using bindings::MaybeInts;

// Parameters in order: positional-only, positional, then keyword-only ones. With `variadic`, the
// parameter after the positional ones takes all further positional arguments, as a tuple.
struct Signature {
  const char* function;
  const std::string_view* names;
  uint8_t count;
  uint8_t positional_only;
  uint8_t positional;
  bool variadic = false;
  uint32_t required = 0;  // bit i: parameter i has no default
  bool keywords = false;  // unknown names are collected
};

class Arguments {
 public:
  static constexpr int kMax = 24;

  // `self` (of a method) is the first argument if it is not null.
  Arguments(const Signature& s, PyObject* self, PyObject* const* args, Py_ssize_t nargs,
            PyObject* kwnames)
      : sig_(s) {
    bind(self, args, nargs, kwnames);
  }
  Arguments(const Arguments&) = delete;
  Arguments& operator=(const Arguments&) = delete;

  // Whether a call of this many arguments and these keywords fits (values are not looked at).
  static bool fits(const Signature& s, Py_ssize_t nargs, PyObject* kwnames);

  const char* function() const { return sig_.function; }
  bool given(int i) const { return values_[i] != nullptr; }
  bool none(int i) const { return !values_[i] || values_[i] == Py_None; }
  // The object itself, or null.
  PyObject* raw(int i) const { return values_[i]; }
  // Unknown keyword arguments as a dict; null if there were none.
  PyObject* keywords() const { return keywords_.ptr(); }

  // An array; scalars and array-likes are converted.
  const array& ref(int i);
  const array& ref(int i, array otherwise);
  // Converts the scalars among these parameters to the dtype that the arrays among them have.
  void promote(std::initializer_list<int> params);
  // Makes the scalars among these parameters float64 if that is the dtype asked for, since the
  // default would round them first.
  void widen(std::initializer_list<int> params, int dtype);
  Maybe<array> maybe_ref(int i);
  std::vector<array> arrays(int i) const;

  bool boolean(int i, bool otherwise = false) const;
  Int integer(int i, int64_t otherwise = 0) const;
  uint64_t unsigned_integer(int i) const;
  MaybeInt maybe_integer(int i) const;
  MaybeInt maybe_integer(int i, int64_t otherwise) const;
  double number(int i, double otherwise = 0) const;
  Maybe<double> maybe_number(int i) const;
  Maybe<bool> maybe_boolean(int i) const;
  Ints ints(int i, std::initializer_list<int64_t> otherwise = {}) const;
  IntOrInts int_or_ints(int i, std::initializer_list<int64_t> otherwise = {}) const;
  // The first and second of a pair of sequences; both alike from one sequence, or an int.
  Ints low(int i, int64_t otherwise) const { return side(i, 0, otherwise); }
  Ints high(int i, int64_t otherwise) const { return side(i, 1, otherwise); }
  MaybeInts maybe_ints(int i) const;
  MaybeInts maybe_ints(int i, std::initializer_list<int64_t> otherwise) const;
  std::string string(int i, const char* otherwise = "") const;
  Maybe<std::string> maybe_string(int i) const;
  Dtype dtype(int i) const;
  Dtype dtype(int i, Dtype otherwise) const;
  Maybe<Dtype> maybe_dtype(int i) const;
  StreamOrDevice stream(int i) const;

  // TypeError: [function] expected `what` for `parameter`; got `type`.
  [[noreturn]] void mismatch(int i, const char* what) const;

 private:
  void bind(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames);
  void bind_keywords(PyObject* const* values, PyObject* kwnames);
  int find(PyObject* name) const;
  [[noreturn]] void unknown(PyObject* name) const;
  Ints side(int i, Py_ssize_t which, int64_t otherwise) const;
  [[noreturn]] void missing(int i) const;
  [[noreturn]] void too_many(Py_ssize_t got) const;
  const array& own(int i, array a);

  const Signature& sig_;
  PyObject* values_[kMax] = {};
  nb::object variadic_, keywords_;
  // Conversions live here; by parameter, so that ref(i) finds what promote made.
  std::vector<std::pair<int, array>> owned_;
};

using Body = PyObject* (*)(Arguments&);

// A function written by hand: binds the arguments and calls its body.
template <const Signature& signature, Body body>
PyObject* by_hand(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
  return guarded([&] {
    Arguments in(signature, self, args, nargs, kwnames);
    return body(in);
  });
}
// A function of several forms: the first that fits the number and names of the arguments.
struct Overload {
  const Signature& signature;
  Function function;
};
PyObject* overloaded(const char* name, std::initializer_list<Overload> forms, PyObject* self,
                     PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames);

// ---- Tables of a family, for generated code.
inline PyMethodDef entry(Function f, const char* name, const char* doc) {
  return {name, reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(f)),
          METH_FASTCALL | METH_KEYWORDS, doc};
}
template <Function f>
PyMethodDef method_entry(const char* name, const char* doc) {
  return entry(recorded_call<f>, name, doc);
}
// A module function gets no self.
template <Function f>
PyObject* without_self(PyObject*, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
  return recorded_call<f>(nullptr, args, nargs, kwnames);
}
template <Function f>
PyMethodDef function_entry(const char* name, const char* doc) {
  return entry(without_self<f>, name, doc);
}
template <PyObject* (*get)(PyObject*)>
PyGetSetDef property_entry(const char* name, const char* doc) {
  return {name, [](PyObject* self, void*) { return guarded([&] { return get(self); }); }, nullptr,
          doc, nullptr};
}
struct Alias {
  const char* name;
  const char* of;
};
struct ClassDoc {
  const char* name;
  const char* doc;
};
// Adds what the tables hold, each ended by an empty entry, to a module and to the class array.
void add_family(PyObject* module, PyMethodDef* functions, PyMethodDef* methods,
                PyGetSetDef* properties, const ClassDoc* classes,
                std::initializer_list<Alias> aliases, std::initializer_list<Alias> method_aliases);
PyObject* submodule(PyObject* module, const char* name);
// All families (generated/families.cpp).
void add_families(PyObject* module);

}  // namespace olivine::python
