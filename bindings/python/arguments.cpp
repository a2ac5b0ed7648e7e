// Binds arguments to parameters and converts them.
#include "arguments.h"

#include "convert.h"
#include "device.h"
#include "dtype.h"
#include "runtime/interrupt.h"
#include "suggest.h"

namespace olivine::python {
namespace {

bool equal(PyObject* name, std::string_view expected) {
  Py_ssize_t size;
  const char* text = PyUnicode_AsUTF8AndSize(name, &size);
  return text && std::string_view(text, static_cast<size_t>(size)) == expected;
}

int find_name(const Signature& s, PyObject* name) {
  for (int i = s.positional_only; i < s.count; ++i) {
    if (s.variadic && i == s.positional) continue;
    if (equal(name, s.names[i])) return i;
  }
  return -1;
}

}  // namespace

bool Arguments::fits(const Signature& s, Py_ssize_t nargs, PyObject* kwnames) {
  if (nargs > s.positional && !s.variadic) return false;
  uint32_t given = (uint32_t{1} << std::min<Py_ssize_t>(nargs, s.positional)) - 1;
  Py_ssize_t keywords = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
  for (Py_ssize_t k = 0; k < keywords; ++k) {
    int i = find_name(s, PyTuple_GET_ITEM(kwnames, k));
    if (i < 0 && s.keywords) continue;
    if (i < 0 || (given >> i & 1)) return false;
    given |= uint32_t{1} << i;
  }
  return (given & s.required) == s.required;
}

void Arguments::bind(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
  int first = 0;
  if (self) values_[first++] = self;
  Py_ssize_t places = sig_.positional - first;
  Py_ssize_t plain = std::min(nargs, places);
  for (Py_ssize_t i = 0; i < plain; ++i) values_[first + i] = args[i];
  if (sig_.variadic) {
    variadic_ = nb::steal(PyTuple_New(nargs - plain));
    if (!variadic_.is_valid()) throw nb::python_error();
    for (Py_ssize_t i = plain; i < nargs; ++i) {
      PyTuple_SET_ITEM(variadic_.ptr(), i - plain, Py_NewRef(args[i]));
    }
    values_[sig_.positional] = variadic_.ptr();
  } else if (nargs > places) {
    too_many(nargs + first);
  }
  if (kwnames) bind_keywords(args + nargs, kwnames);
  for (int i = 0; i < sig_.count; ++i) {
    if ((sig_.required >> i & 1) && !values_[i]) missing(i);
  }
}

void Arguments::bind_keywords(PyObject* const* values, PyObject* kwnames) {
  for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(kwnames); ++k) {
    PyObject* name = PyTuple_GET_ITEM(kwnames, k);
    int i = find_name(sig_, name);
    if (i < 0 && sig_.keywords) {
      if (!keywords_.is_valid()) keywords_ = nb::steal(PyDict_New());
      if (!keywords_.is_valid() || PyDict_SetItem(keywords_.ptr(), name, values[k])) {
        throw nb::python_error();
      }
      continue;
    }
    if (i < 0) {
      unknown(name);
    }
    if (values_[i]) {
      fail<TypeError>("[", sig_.function, "] expected one value for ", sig_.names[i], "; got two");
    }
    values_[i] = values[k];
  }
}

void Arguments::unknown(PyObject* name) const {
  std::vector<std::string> known;
  for (int i = sig_.positional_only; i < sig_.count; ++i) known.emplace_back(sig_.names[i]);
  std::string text = text_of(name);
  fail<TypeError>("[", sig_.function, "] expected no argument named ", text,
                  suggestion(text, known));
}
void Arguments::missing(int i) const {
  fail<TypeError>("[", sig_.function, "] expected an argument for ", sig_.names[i], "; got none");
}
void Arguments::too_many(Py_ssize_t got) const {
  fail<TypeError>("[", sig_.function, "] expected at most ", int(sig_.positional),
                  " positional arguments; got ", got);
}
void Arguments::mismatch(int i, const char* what) const {
  fail<TypeError>("[", sig_.function, "] expected ", what, " for ", sig_.names[i], "; got ",
                  Py_TYPE(values_[i])->tp_name);
}

// ---- Arrays.
const array& Arguments::own(int i, array a) {
  if (owned_.empty()) owned_.reserve(sig_.count);  // so that references stay valid
  return owned_.emplace_back(i, std::move(a)).second;
}

const array& Arguments::ref(int i) {
  for (const auto& [owner, a] : owned_) {
    if (owner == i) return a;
  }
  PyObject* o = values_[i];
#ifndef Py_GIL_DISABLED
  if (is_array(o)) return value_of(o);
#endif
  std::optional<array> a = from_operand(o, std::nullopt);
  if (!a) mismatch(i, "array or scalar");
  return own(i, std::move(*a));
}

const array& Arguments::ref(int i, array otherwise) {
  return given(i) ? ref(i) : own(i, std::move(otherwise));
}

void Arguments::promote(std::initializer_list<int> params) {
  std::optional<Dtype> common;
  bool scalars = false;
  for (int i : params) {
    if (none(i)) continue;
    if (is_weak(values_[i])) {
      scalars = true;
      continue;
    }
    Dtype t = ref(i).dtype();
    common = common ? promote_types(*common, t) : t;
  }
  if (!scalars) return;
  for (int i : params) {
    if (!none(i) && is_weak(values_[i])) own(i, *from_operand(values_[i], common));
  }
}

void Arguments::widen(std::initializer_list<int> params, int dtype) {
  if (none(dtype) || to_dtype(values_[dtype]) != float64) return;
  for (int i : params) {
    if (!none(i) && is_weak(values_[i])) own(i, *from_operand(values_[i], float64));
  }
}

Maybe<array> Arguments::maybe_ref(int i) {
  if (none(i)) return {};
  return {ref(i)};
}

std::vector<array> Arguments::arrays(int i) const {
  std::vector<array> out;
  if (!values_[i]) return out;
  if (is_array(values_[i])) {
    const array& a = value_of(values_[i]);
    if (a.ndim() == 0) mismatch(i, "a list of arrays");
    for (int64_t k = 0; k < a.shape()[0]; ++k) {
      poll_interrupt();
      out.push_back(row_of(a, k));
    }
    return out;
  }
  if (!PyList_Check(values_[i]) && !PyTuple_Check(values_[i])) mismatch(i, "a list of arrays");
  nb::object items = items_of(values_[i]);
  Py_ssize_t n = PyTuple_GET_SIZE(items.ptr());
  out.reserve(static_cast<size_t>(n));
  for (Py_ssize_t k = 0; k < n; ++k) {
    PyObject* item = PyTuple_GET_ITEM(items.ptr(), k);
    std::optional<array> a = from_operand(item, std::nullopt);
    if (!a) {
      fail<TypeError>("[", sig_.function, "] expected arrays in ", sig_.names[i], "; got ",
                      Py_TYPE(item)->tp_name);
    }
    out.push_back(std::move(*a));
  }
  return out;
}

// ---- Numbers and text.
bool Arguments::boolean(int i, bool otherwise) const {
  PyObject* o = values_[i];
  if (!o) return otherwise;
  if (o == Py_True) return true;
  if (o == Py_False) return false;
  if (o == Py_None) return otherwise;
  if (PyLong_Check(o) || std::string_view(Py_TYPE(o)->tp_name).starts_with("numpy.bool")) {
    int truth = PyObject_IsTrue(o);
    if (truth < 0) throw nb::python_error();
    return truth != 0;
  }
  mismatch(i, "a bool");
}

Int Arguments::integer(int i, int64_t otherwise) const {
  PyObject* o = values_[i];
  if (!o || (o == Py_None && !(sig_.required >> i & 1))) return {otherwise, sig_.function};
  std::optional<int64_t> v = to_int64(o, sig_.function);
  if (!v) mismatch(i, "an int");
  return {*v, sig_.function};
}
uint64_t Arguments::unsigned_integer(int i) const {
  nb::object number = nb::steal(values_[i] ? PyNumber_Index(values_[i]) : nullptr);
  if (!number.is_valid()) {
    PyErr_Clear();
    mismatch(i, "an int");
  }
  uint64_t value = PyLong_AsUnsignedLongLong(number.ptr());
  if (PyErr_Occurred()) {
    PyErr_Clear();
    fail("[", sig_.function, "] expected an int in [0, 2^64) for ", sig_.names[i], "; got ",
         shown(number.ptr()));
  }
  return value;
}
MaybeInt Arguments::maybe_integer(int i) const {
  if (none(i)) return {};
  return {integer(i)};
}
MaybeInt Arguments::maybe_integer(int i, int64_t otherwise) const {
  if (given(i)) return maybe_integer(i);
  return {Int{otherwise, sig_.function}};
}

double Arguments::number(int i, double otherwise) const {
  PyObject* o = values_[i];
  if (!o) return otherwise;
  std::optional<double> v = to_double(o, sig_.function);
  if (!v) mismatch(i, "a number");
  return *v;
}
Maybe<double> Arguments::maybe_number(int i) const {
  if (none(i)) return {};
  return {number(i)};
}
Maybe<bool> Arguments::maybe_boolean(int i) const {
  if (none(i)) return {};
  return {boolean(i)};
}

IntOrInts Arguments::int_or_ints(int i, std::initializer_list<int64_t> otherwise) const {
  PyObject* o = values_[i];
  IntOrInts out{{{}, sig_.function}, false};
  if (!o || o == Py_None) {
    if (o && !otherwise.size()) mismatch(i, "an int or a sequence of ints");
    out.values.values = otherwise;
    out.single = otherwise.size() == 1;
  } else if (PyList_Check(o) || PyTuple_Check(o)) {
    nb::object items = items_of(o);
    Py_ssize_t n = PyTuple_GET_SIZE(items.ptr());
    out.values.values.reserve(static_cast<size_t>(n));
    for (Py_ssize_t k = 0; k < n; ++k) {
      std::optional<int64_t> v = to_int64(PyTuple_GET_ITEM(items.ptr(), k), sig_.function);
      if (!v) mismatch(i, "an int or a sequence of ints");
      out.values.values.push_back(*v);
    }
  } else if (std::optional<int64_t> v = to_int64(o, sig_.function)) {
    out.values.values.push_back(*v);
    out.single = true;
  } else {
    nb::object list = nb::steal(PySequence_Check(o) ? PySequence_List(o) : nullptr);
    if (!list.is_valid()) {
      PyErr_Clear();
      mismatch(i, "an int or a sequence of ints");
    }
    Py_ssize_t n = PyList_GET_SIZE(list.ptr());
    for (Py_ssize_t k = 0; k < n; ++k) {
      std::optional<int64_t> item = to_int64(PyList_GET_ITEM(list.ptr(), k), sig_.function);
      if (!item) mismatch(i, "an int or a sequence of ints");
      out.values.values.push_back(*item);
    }
  }
  return out;
}
Ints Arguments::ints(int i, std::initializer_list<int64_t> otherwise) const {
  return int_or_ints(i, otherwise).values;
}
Ints Arguments::side(int i, Py_ssize_t which, int64_t otherwise) const {
  PyObject* o = values_[i];
  const auto is_sequence = [](PyObject* x) { return PyList_Check(x) || PyTuple_Check(x); };
  if (!o || !is_sequence(o) || PySequence_Fast_GET_SIZE(o) == 0 ||
      !is_sequence(PySequence_Fast_GET_ITEM(o, 0))) {
    return int_or_ints(i, {otherwise}).values;
  }
  PyObject* part = PySequence_Fast_GET_SIZE(o) == 2 ? PySequence_Fast_GET_ITEM(o, which) : Py_None;
  if (!is_sequence(part)) mismatch(i, "an int, a sequence of ints or a pair of such sequences");
  Ints out{{}, sig_.function};
  for (Py_ssize_t k = 0; k < PySequence_Fast_GET_SIZE(part); ++k) {
    std::optional<int64_t> v = to_int64(PySequence_Fast_GET_ITEM(part, k), sig_.function);
    if (!v) mismatch(i, "an int, a sequence of ints or a pair of such sequences");
    out.values.push_back(*v);
  }
  return out;
}
MaybeInts Arguments::maybe_ints(int i) const {
  if (none(i)) return {};
  return {int_or_ints(i)};
}
MaybeInts Arguments::maybe_ints(int i, std::initializer_list<int64_t> otherwise) const {
  if (values_[i] == Py_None) return {};
  return {int_or_ints(i, otherwise)};
}

std::string Arguments::string(int i, const char* otherwise) const {
  PyObject* o = values_[i];
  if (!o || o == Py_None) return otherwise;
  if (!PyUnicode_Check(o)) mismatch(i, "a str");
  return text_of(o);
}
Maybe<std::string> Arguments::maybe_string(int i) const {
  if (none(i)) return {};
  return {string(i)};
}

// ---- Dtypes and streams.
Dtype Arguments::dtype(int i) const {
  std::optional<Dtype> t = to_dtype(values_[i]);
  if (!t) mismatch(i, "a Dtype");
  return *t;
}
Dtype Arguments::dtype(int i, Dtype otherwise) const { return none(i) ? otherwise : dtype(i); }
Maybe<Dtype> Arguments::maybe_dtype(int i) const {
  if (none(i)) return {};
  return {dtype(i)};
}
StreamOrDevice Arguments::stream(int i) const {
  if (none(i)) return {};
  std::optional<StreamOrDevice> s = to_stream_or_device(values_[i]);
  if (!s) mismatch(i, "a Stream, a Device or None");
  return *s;
}

// ---- Registration.
PyObject* overloaded(const char* name, std::initializer_list<Overload> forms, PyObject* self,
                     PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
  Py_ssize_t places = nargs + (self ? 1 : 0);
  for (const Overload& form : forms) {
    if (Arguments::fits(form.signature, places, kwnames)) {
      return form.function(self, args, nargs, kwnames);
    }
  }
  PyErr_Format(PyExc_TypeError, "[%s] expected arguments of one of its %zd forms; got %zd", name,
               static_cast<Py_ssize_t>(forms.size()),
               places + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0));
  return nullptr;
}

static void set_attribute(PyObject* owner, const char* name, PyObject* value) {
  nb::object held = nb::steal(value);
  if (!value || PyObject_SetAttrString(owner, name, value)) throw nb::python_error();
}

static void add_aliases(PyObject* owner, std::initializer_list<Alias> aliases) {
  for (const Alias& alias : aliases) {
    set_attribute(owner, alias.name, PyObject_GetAttrString(owner, alias.of));
  }
}

void add_family(PyObject* module, PyMethodDef* functions, PyMethodDef* methods,
                PyGetSetDef* properties, const ClassDoc* classes,
                std::initializer_list<Alias> aliases, std::initializer_list<Alias> method_aliases) {
  auto* type = reinterpret_cast<PyObject*>(array_type);
  if (PyModule_AddFunctions(module, functions)) throw nb::python_error();
  add_aliases(module, aliases);
  for (PyMethodDef* m = methods; m->ml_name; ++m) {
    set_attribute(type, m->ml_name, PyDescr_NewMethod(array_type, m));
  }
  for (PyGetSetDef* p = properties; p->name; ++p) {
    set_attribute(type, p->name, PyDescr_NewGetSet(array_type, p));
  }
  add_aliases(type, method_aliases);
  for (const ClassDoc* c = classes; c->name; ++c) {
    if (!*c->doc) continue;
    nb::object owner = nb::steal(PyObject_GetAttrString(module, c->name));
    if (!owner.is_valid()) throw nb::python_error();
    set_attribute(owner.ptr(), "__doc__", PyUnicode_FromString(c->doc));
  }
}

PyObject* submodule(PyObject* module, const char* name) {
  if (PyObject_HasAttrString(module, name)) {  // the module keeps it alive
    return nb::steal(PyObject_GetAttrString(module, name)).ptr();
  }
  std::string full = std::string(PyModule_GetName(module)) + "." + name;
  PyObject* made = PyImport_AddModule(full.c_str());
  if (!made) throw nb::python_error();
  set_attribute(module, name, Py_NewRef(made));
  return made;
}

}  // namespace olivine::python
