// The class array: its type object, life cycle, properties and methods.
#include "array.h"

#include <structmember.h>

#include "arguments.h"
#include "convert.h"
#include "core/error.h"
#include "core/node.h"
#include "device.h"
#include "dtype.h"
#include "olivine/ops/elementwise.h"
#include "olivine/ops/reduction.h"
#include "olivine/ops/shape.h"
#include "recording.h"

namespace olivine::python {

PyTypeObject* array_type = nullptr;

namespace {

// ---- Life cycle.
// Without arguments, as pickle calls it: a placeholder value that __init__ or __setstate__
// replaces.
PyObject* make_new(PyTypeObject* type, PyObject*, PyObject*) {
  static const array zero(0.0f);
  PyObject* o = type->tp_alloc(type, 0);
  if (!o) return nullptr;
  new (&reinterpret_cast<ArrayObject*>(o)->value) array(zero);
  return o;
}

void dealloc(PyObject* o) {
  PyTypeObject* type = Py_TYPE(o);
  auto* self = reinterpret_cast<ArrayObject*>(o);
  if (self->weak_references) PyObject_ClearWeakRefs(o);
  self->value.~array();
  type->tp_free(o);
  Py_DECREF(type);
}

constexpr std::string_view new_names[] = {"val", "dtype"};
constexpr Signature new_signature{"array", new_names, 2, 0, 2, false, 1u};

PyObject* new_array(PyObject*, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
  return guarded([&] {
    Building noted;
    Arguments in(new_signature, nullptr, args, nargs, kwnames);
    return wrap(from_object(in.raw(0), in.maybe_dtype(1).value));
  });
}
// array(val, dtype), past __new__ and __init__.
PyObject* construct(PyObject*, PyObject* const* args, size_t nargsf, PyObject* kwnames) {
  return recorded_call<new_array>(nullptr, args, PyVectorcall_NARGS(nargsf), kwnames);
}

Py_hash_t identity_hash(PyObject* o) {
  auto bits = reinterpret_cast<uintptr_t>(o);
  return static_cast<Py_hash_t>((bits >> 4) | (bits << (8 * sizeof(bits) - 4))) >> 1;
}

PyObject* text_of_array(PyObject* o) {
  return guarded([&] {
    array a = value_of(o);
    evaluate(a);
    Building noted;
    std::string text = to_string(a);
    return PyUnicode_FromStringAndSize(text.data(), static_cast<Py_ssize_t>(text.size()));
  });
}

PyObject* repr(PyObject* o) { return recorded<text_of_array>(o); }

Py_ssize_t length(PyObject* o) {
  return guarded([&]() -> Py_ssize_t {
    const Shape& shape = value_of(o).shape();
    if (shape.empty()) fail<TypeError>("[len] expected at least 1 dimension; got 0");
    guard_length(value_of(o));
    return static_cast<Py_ssize_t>(shape[0]);
  });
}

// ---- Iteration.
struct Rows {
  PyObject_HEAD;
  array value;
  int64_t next;
};
PyTypeObject* rows_type = nullptr;

PyObject* iterate(PyObject* o) {
  return guarded([&]() -> PyObject* {
    if (value_of(o).ndim() == 0) fail<TypeError>("[iter] expected at least 1 dimension; got 0");
    guard_length(value_of(o));
    auto* it = PyObject_New(Rows, rows_type);
    if (!it) throw nb::python_error();
    new (&it->value) array(value_of(o));
    it->next = 0;
    return reinterpret_cast<PyObject*>(it);
  });
}
PyObject* next_row(PyObject* o) {
  auto* it = reinterpret_cast<Rows*>(o);
  if (it->next >= it->value.shape()[0]) return nullptr;
  return guarded([&] {
    if (!running_recording()) return wrap(row_of(it->value, it->next++));
    nb::object whole = nb::steal(wrap(it->value)), at = nb::int_(it->next++);
    return recorded<get_item>(whole.ptr(), at.ptr());
  });
}
void dealloc_rows(PyObject* o) {
  PyTypeObject* type = Py_TYPE(o);
  reinterpret_cast<Rows*>(o)->value.~array();
  type->tp_free(o);
  Py_DECREF(type);
}

PyTypeObject* make_type(PyObject* module, const char* name, size_t size, unsigned flags,
                        std::vector<PyType_Slot> slots) {
  slots.push_back({0, nullptr});
  PyType_Spec spec{name, static_cast<int>(size), 0, flags, slots.data()};
  PyObject* type = PyType_FromSpec(&spec);
  if (!type || PyModule_AddObjectRef(module, std::strrchr(name, '.') + 1, type)) {
    throw nb::python_error();
  }
  return reinterpret_cast<PyTypeObject*>(type);
}

}  // namespace

void make_array_type(PyObject* module) {
  static PyMemberDef members[] = {
      {"__weaklistoffset__", T_PYSSIZET, offsetof(ArrayObject, weak_references), READONLY, nullptr},
      {}};
  std::vector<PyType_Slot> slots = operator_slots();
  auto add = [&](int id, auto* f) { slots.push_back({id, reinterpret_cast<void*>(f)}); };
  add(Py_tp_new, make_new);
  add(Py_tp_dealloc, dealloc);
  add(Py_tp_hash, identity_hash);
  add(Py_tp_repr, repr);
  add(Py_tp_iter, iterate);
  add(Py_mp_length, length);
  add(
      Py_mp_subscript, +[](PyObject* o, PyObject* index) { return recorded<get_item>(o, index); });
  add(Py_mp_ass_subscript, set_item);
  add(Py_bf_getbuffer, get_buffer);
  add(Py_bf_releasebuffer, release_buffer);
  slots.push_back({Py_tp_members, members});
  array_type = make_type(module, "olivine.core.array", sizeof(ArrayObject),
                         Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, std::move(slots));
  rows_type = make_type(module, "olivine.core.ArrayIterator", sizeof(Rows),
                        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                        {{Py_tp_dealloc, reinterpret_cast<void*>(dealloc_rows)},
                         {Py_tp_iter, reinterpret_cast<void*>(PyObject_SelfIter)},
                         {Py_tp_iternext, reinterpret_cast<void*>(next_row)}});
}

void make_construction_fast() { array_type->tp_vectorcall = construct; }

// ---- Results.
PyObject* wrap_list(const std::vector<array>& arrays) {
  nb::object list = nb::steal(PyList_New(static_cast<Py_ssize_t>(arrays.size())));
  if (!list.is_valid()) throw nb::python_error();
  for (size_t i = 0; i < arrays.size(); ++i) {
    PyList_SET_ITEM(list.ptr(), static_cast<Py_ssize_t>(i), wrap(arrays[i]));
  }
  return list.release().ptr();
}
PyObject* wrap_tuple(const std::vector<array>& arrays) {
  nb::object tuple = nb::steal(PyTuple_New(static_cast<Py_ssize_t>(arrays.size())));
  if (!tuple.is_valid()) throw nb::python_error();
  for (size_t i = 0; i < arrays.size(); ++i) {
    PyTuple_SET_ITEM(tuple.ptr(), static_cast<Py_ssize_t>(i), wrap(arrays[i]));
  }
  return tuple.release().ptr();
}
PyObject* to_python(const Shape& s) {
  nb::object tuple = nb::steal(PyTuple_New(static_cast<Py_ssize_t>(s.size())));
  if (!tuple.is_valid()) throw nb::python_error();
  for (size_t i = 0; i < s.size(); ++i) {
    PyTuple_SET_ITEM(tuple.ptr(), static_cast<Py_ssize_t>(i), PyLong_FromLongLong(s[i]));
  }
  return tuple.release().ptr();
}
PyObject* to_python(const std::string& s) {
  return PyUnicode_FromStringAndSize(s.data(), static_cast<Py_ssize_t>(s.size()));
}

// ---- Properties and methods (api/array.pyi).
namespace hand {

PyObject* array_shape(PyObject* o) {
  if (PyObject* sizes = followed_shape(value_of(o))) return sizes;
  note_size_read(value_of(o), "the shape of an array");
  return to_python(value_of(o).shape());
}
static PyObject* axis_count(PyObject* o) { return PyLong_FromLong(value_of(o).ndim()); }
PyObject* array_ndim(PyObject* o) { return recorded<axis_count>(o); }
PyObject* array_size(PyObject* o) {
  if (PyObject* size = followed_size(value_of(o), false)) return size;
  note_size_read(value_of(o), "the size of an array");
  return PyLong_FromLongLong(value_of(o).size());
}
PyObject* array_dtype(PyObject* o) { return to_python(value_of(o).dtype()); }
PyObject* array_itemsize(PyObject* o) { return PyLong_FromSize_t(value_of(o).itemsize()); }
PyObject* array_nbytes(PyObject* o) {
  if (PyObject* size = followed_size(value_of(o), true)) return size;
  note_size_read(value_of(o), "the size of an array");
  return PyLong_FromSize_t(value_of(o).nbytes());
}
PyObject* array_T(PyObject* o) { return recorded<unary_call<transpose>>(o); }
PyObject* array_mT(PyObject* o) { return recorded<unary_call<matrix_transpose>>(o); }
PyObject* array_real(PyObject* o) { return recorded<unary_call<real>>(o); }
PyObject* array_imag(PyObject* o) { return recorded<unary_call<imag>>(o); }
PyObject* array_at(PyObject* o) { return make_array_at(o); }
PyObject* array_device(PyObject*) { return nb::cast(default_device()).release().ptr(); }

PyObject* array___init__(Arguments& in) {
  set_value(in.raw(0), from_object(in.raw(1), in.maybe_dtype(2).value));
  return Py_NewRef(Py_None);
}
PyObject* array_item(Arguments& in) { return to_scalar(in.ref(0)); }
PyObject* array_tolist(Arguments& in) { return to_list(in.ref(0)); }

// Ints, or one sequence of them.
static Ints unpacked(Arguments& in, int i) {
  PyObject* args = in.raw(i);
  bool single = PyTuple_GET_SIZE(args) == 1 && !PyIndex_Check(PyTuple_GET_ITEM(args, 0));
  Ints out{{}, in.function()};
  PyObject* sequence = single ? PyTuple_GET_ITEM(args, 0) : args;
  nb::object list = nb::steal(PySequence_Check(sequence) ? PySequence_List(sequence) : nullptr);
  if (!list.is_valid()) {
    PyErr_Clear();
    fail<TypeError>("[", in.function(), "] expected ints or one sequence of ints; got ",
                    Py_TYPE(sequence)->tp_name);
  }
  for (Py_ssize_t k = 0; k < PyList_GET_SIZE(list.ptr()); ++k) {
    std::optional<int64_t> v = to_int64(PyList_GET_ITEM(list.ptr(), k), in.function());
    if (!v) {
      fail<TypeError>("[", in.function(), "] expected ints or one sequence of ints; got ",
                      Py_TYPE(PyList_GET_ITEM(list.ptr(), k))->tp_name);
    }
    out.values.push_back(*v);
  }
  return out;
}
PyObject* array_astype(Arguments& in) { return wrap(astype(in.ref(0), in.dtype(1), in.stream(2))); }
PyObject* array_reshape(Arguments& in) {
  return wrap(reshape(in.ref(0), unpacked(in, 1), in.stream(2)));
}
PyObject* array_transpose(Arguments& in) {
  PyObject* args = in.raw(1);
  Py_ssize_t n = PyTuple_GET_SIZE(args);
  bool none = n == 0 || (n == 1 && PyTuple_GET_ITEM(args, 0) == Py_None);
  if (none) return wrap(transpose(in.ref(0), in.stream(2)));
  std::vector<int> axes = unpacked(in, 1);
  return wrap(transpose(in.ref(0), axes, in.stream(2)));
}

// The divisor is N - ddof; the array API standard calls ddof `correction`.
static Int divisor(Arguments& in) { return in.none(4) ? in.integer(3, 0) : in.integer(4); }
PyObject* array_std(Arguments& in) {
  return wrap(call(OLIVINE_FUNCTION(olivine::std), in.ref(0), in.maybe_ints(1), in.boolean(2),
                   divisor(in), in.stream(5)));
}
PyObject* array_var(Arguments& in) {
  return wrap(call(OLIVINE_FUNCTION(olivine::var), in.ref(0), in.maybe_ints(1), in.boolean(2),
                   divisor(in), in.stream(5)));
}

PyObject* array___array_namespace__(Arguments& in) {
  nb::object version = in.none(1) ? nb::none() : nb::borrow(in.raw(1));
  return nb::module_::import_("olivine.array_api").attr("namespace")(version).release().ptr();
}
PyObject* array_to_device(Arguments& in) {
  if (!is_device(in.raw(1))) in.mismatch(1, "a Device or a DeviceType");
  return wrap(in.ref(0));
}
PyObject* array___dlpack_device__(Arguments&) { return Py_BuildValue("(ii)", 1, 0); }
static std::pair<int64_t, int64_t> pair_of_ints(Arguments& in, int i) {
  IntOrInts pair = in.int_or_ints(i);
  if (pair.single || pair.values.values.size() != 2) in.mismatch(i, "a pair of ints");
  return {pair.values.values[0], pair.values.values[1]};
}
PyObject* array___dlpack__(Arguments& in) {
  bool versioned = false;
  if (!in.none(2)) {
    versioned = pair_of_ints(in, 2).first >= 1;
  }
  if (!in.none(3)) {
    if (pair_of_ints(in, 3).first != 1) {
      PyErr_SetString(PyExc_BufferError, "[__dlpack__] expected the CPU as dl_device");
      throw nb::python_error();
    }
  }
  return to_dlpack(in.ref(0), versioned, in.maybe_boolean(4).value);
}

PyObject* array___array__(Arguments& in) {
  Building noted;
  nb::module_ numpy = nb::module_::import_("numpy");
  array a = in.ref(0);
  nb::object result;
  if (a.dtype() == bfloat16) {
    nb::object type;
    try {
      type = nb::module_::import_("ml_dtypes").attr("bfloat16");
    } catch (nb::python_error&) {
      a = astype(a, float32);  // nothing else can say bfloat16 to NumPy
    }
    if (type.is_valid()) {
      nb::object bits = nb::steal(wrap(view(a, uint16)));
      result = numpy.attr("asarray")(bits).attr("view")(type);
    }
  }
  if (!result.is_valid()) {
    nb::object memory = nb::steal(PyMemoryView_FromObject(nb::steal(wrap(a)).ptr()));
    if (!memory.is_valid()) throw nb::python_error();
    result = numpy.attr("asarray")(memory);
  }
  if (!in.none(1)) {
    nb::object type = numpy.attr("dtype")(nb::handle(in.raw(1)));
    // Elements of no bytes would take no memory, but NumPy as long as their number.
    if (type.attr("itemsize").equal(nb::int_(0)) && type.attr("kind").equal(nb::str("V"))) {
      in.mismatch(1, "a dtype with a size");
    }
    result = result.attr("astype")(type, nb::arg("copy") = false);
  }
  if (in.raw(2) == Py_True) result = result.attr("copy")();
  return result.release().ptr();
}

PyObject* array___bytes__(Arguments& in) {
  Building noted;
  array a = contiguous(in.ref(0));
  evaluate(a);
  const char* data = a.size() ? a.data<char>() : "";
  return PyBytes_FromStringAndSize(data, static_cast<Py_ssize_t>(a.nbytes()));
}
PyObject* array___complex__(Arguments& in) {
  nb::object v = nb::steal(to_scalar(in.ref(0)));
  if (!v.is_valid()) throw nb::python_error();
  Py_complex c = PyComplex_AsCComplex(v.ptr());
  if (PyErr_Occurred()) throw nb::python_error();
  return PyComplex_FromCComplex(c);
}
PyObject* array___copy__(Arguments& in) { return wrap(in.ref(0)); }
PyObject* array___deepcopy__(Arguments& in) { return wrap(in.ref(0)); }

// A scalar is formatted as its value; an array has its text and no options.
PyObject* array___format__(Arguments& in) {
  if (!PyUnicode_Check(in.raw(1))) in.mismatch(1, "a str");
  array a = in.ref(0);
  bool plain = PyUnicode_GET_LENGTH(in.raw(1)) == 0;
  if (a.ndim() == 0 || (!plain && a.size() == 1)) {
    nb::object v = nb::steal(to_scalar(a));
    return v.is_valid() ? PyObject_Format(v.ptr(), in.raw(1)) : nullptr;
  }
  if (plain) return PyObject_Str(in.raw(0));
  fail<TypeError>("[format] expected an array of one element for format '", text_of(in.raw(1)),
                  "'; got shape ", a.shape());
}

PyObject* array___getstate__(Arguments& in) {
  Building noted;
  nb::object data = nb::steal(array___bytes__(in));
  if (!data.is_valid()) throw nb::python_error();
  nb::object shape = nb::steal(to_python(in.ref(0).shape()));
  nb::object dtype = nb::steal(to_python(std::string(name(in.ref(0).dtype()))));
  return nb::make_tuple(data, shape, dtype).release().ptr();
}
PyObject* array___setstate__(Arguments& in) {
  Building noted;
  PyObject *data, *shape;
  const char* type;
  if (!PyTuple_Check(in.raw(1)) ||
      !PyArg_ParseTuple(in.raw(1), "SO!s", &data, &PyTuple_Type, &shape, &type)) {
    PyErr_Clear();
    in.mismatch(1, "a tuple of bytes, shape and the name of a dtype");
  }
  std::optional<Dtype> t = dtype_named(type);
  Shape dims;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(shape); ++i) {
    std::optional<int64_t> d = to_int64(PyTuple_GET_ITEM(shape, i), "__setstate__");
    if (!d) fail<TypeError>("[__setstate__] expected a shape of ints; got something else");
    dims.push_back(*d);
  }
  int64_t n = element_count(dims);
  if (!t || checked_mul(n, static_cast<int64_t>(t->size())) != PyBytes_GET_SIZE(data)) {
    fail("[__setstate__] expected the bytes of ", type, " of shape ", dims, "; got ",
         PyBytes_GET_SIZE(data), " bytes");
  }
  set_value(in.raw(0), array(PyBytes_AS_STRING(data), dims, *t));
  return Py_NewRef(Py_None);
}

static PyObject* old_divide(Arguments& in, bool reflected) {
  std::optional<array> other = from_operand(in.raw(1), in.ref(0).dtype());
  if (!other) return Py_NewRef(Py_NotImplemented);
  return wrap(reflected ? divide(*other, in.ref(0)) : divide(in.ref(0), *other));
}
PyObject* array___div__(Arguments& in) { return old_divide(in, false); }
PyObject* array___rdiv__(Arguments& in) { return old_divide(in, true); }

PyObject* asarray(Arguments& in) {
  std::optional<Dtype> dtype = in.maybe_dtype(1).value;
  bool copies = in.raw(2) == Py_True, must_share = in.raw(2) == Py_False;
  if (is_array(in.raw(0)) && !copies && (!dtype || in.ref(0).dtype() == *dtype)) {
    return wrap(in.ref(0));
  }
  if (copies) return wrap(from_object(in.raw(0), dtype));
  std::optional<array> a;
  if (!is_weak(in.raw(0)) && !PyList_Check(in.raw(0)) && !PyTuple_Check(in.raw(0))) {
    a = from_buffer(in.raw(0), false);
    if (!a) a = from_dlpack(in.raw(0), std::nullopt);
  }
  if (a) {
    Dtype kept = with_default_precision(*a, dtype).dtype();
    if (a->dtype() == (dtype ? *dtype : kept)) return wrap(std::move(*a));
  }
  if (must_share) {
    fail("[asarray] expected memory that can be shared with copy=False; got ",
         Py_TYPE(in.raw(0))->tp_name);
  }
  return wrap(from_object(in.raw(0), dtype));
}

PyObject* from_dlpack(Arguments& in) {
  Building noted;
  std::optional<bool> copy = in.maybe_boolean(1).value;
  std::optional<array> a = olivine::python::from_dlpack(in.raw(0), copy);
  if (!a) in.mismatch(0, "an object with __dlpack__");
  return wrap(std::move(*a));
}

}  // namespace hand
}  // namespace olivine::python
