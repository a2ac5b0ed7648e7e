// Python scalars and nested sequences to arrays and back.
#include "convert.h"

#include <cmath>
#include <cstring>

#include "core/error.h"
#include "core/node.h"
#include "core/size.h"
#include "olivine/ops/elementwise.h"
#include "olivine/ops/indexing.h"
#include "olivine/ops/shape.h"
#include "recording.h"
#include "runtime/interrupt.h"

namespace olivine::python {
namespace {

[[noreturn]] void does_not_fit(PyObject* o, Dtype t) {
  fail("[array] expected a value that fits ", t, "; got ", shown(o));
}

// The integer, or nullopt where it needs more than 64 bits.
std::optional<__int128> integer_value(PyObject* o) {
  int overflow;
  long long v = PyLong_AsLongLongAndOverflow(o, &overflow);
  if (!overflow) return v;
  if (overflow > 0) {
    unsigned long long u = PyLong_AsUnsignedLongLong(o);
    if (!PyErr_Occurred()) return u;
    PyErr_Clear();
  }
  return std::nullopt;
}

template <class T>
T integral_value(PyObject* o) {
  if (PyLong_Check(o)) {
    std::optional<__int128> v = integer_value(o);
    if (!v || *v < __int128(std::numeric_limits<T>::min()) ||
        *v > __int128(std::numeric_limits<T>::max())) {
      does_not_fit(o, dtype_of<T>);
    }
    return static_cast<T>(*v);
  }
  if (PyComplex_Check(o)) does_not_fit(o, dtype_of<T>);
  double v = std::trunc(PyFloat_AS_DOUBLE(o));
  // Both bounds are exact as doubles: max + 1 is a power of two.
  double low = static_cast<double>(std::numeric_limits<T>::min());
  double high = std::ldexp(1.0, std::numeric_limits<T>::digits);
  if (!(v >= low && v < high)) does_not_fit(o, dtype_of<T>);
  return static_cast<T>(v);
}

double real_value(PyObject* o, Dtype t) {
  if (PyFloat_Check(o)) return PyFloat_AS_DOUBLE(o);
  if (PyComplex_Check(o)) does_not_fit(o, t);
  double v = PyLong_AsDouble(o);
  if (v == -1.0 && PyErr_Occurred()) {
    PyErr_Clear();
    does_not_fit(o, t);
  }
  return v;
}

// The Python scalar `o` (see is_weak) as an element.
template <class T>
T element(PyObject* o) {
  if constexpr (std::is_same_v<T, bool>) {
    return PyObject_IsTrue(o) == 1;
  } else if constexpr (std::is_integral_v<T>) {
    return integral_value<T>(o);
  } else if constexpr (std::is_same_v<T, float16_t>) {
    return to_float16(static_cast<float>(real_value(o, float16)));
  } else if constexpr (std::is_same_v<T, bfloat16_t>) {
    return to_bfloat16(static_cast<float>(real_value(o, bfloat16)));
  } else if constexpr (std::is_floating_point_v<T>) {
    return static_cast<T>(real_value(o, dtype_of<T>));
  } else {
    using R = typename T::value_type;
    Py_complex v = PyComplex_AsCComplex(o);
    if (v.real == -1.0 && PyErr_Occurred()) {
      if (!PyErr_ExceptionMatches(PyExc_OverflowError)) throw nb::python_error();
      PyErr_Clear();
      does_not_fit(o, dtype_of<T>);
    }
    return T(static_cast<R>(v.real), static_cast<R>(v.imag));
  }
}

Dtype integer_dtype(PyObject* o) {
  std::optional<__int128> v = integer_value(o);
  if (!v) does_not_fit(o, uint64);
  if (*v >= INT32_MIN && *v <= INT32_MAX) return int32;
  return *v <= INT64_MAX ? int64 : uint64;
}

Dtype scalar_dtype(PyObject* o) {
  if (PyBool_Check(o)) return bool_;
  if (PyFloat_Check(o)) return float32;
  return PyLong_Check(o) ? integer_dtype(o) : complex64;
}

// The dtype that the scalar `o` has beside an array of dtype `like`.
Dtype weak_dtype(PyObject* o, Dtype like) {
  if (PyBool_Check(o)) return like;
  if (PyLong_Check(o)) return like == bool_ ? integer_dtype(o) : like;
  if (PyFloat_Check(o)) return is_inexact(like) ? like : float32;
  return is_complexfloating(like) ? like : like == float64 ? complex128 : complex64;
}

array from_scalar(PyObject* o, Dtype t) {
  return visit_dtype(t, [&]<class T>() {
    T v = element<T>(o);
    return array(&v, Shape{}, t);
  });
}

// Operands that are scalars come again and again (`x * 0.5` in a loop), so that the last ones are
// kept: a graph then has one leaf for all of a value. Arrays are immutable; users never see these.
array recent_scalar(PyObject* o, Dtype t) {
  struct Recent {
    uint64_t bits = 0;
    std::optional<array> value;
  };
  static thread_local Recent recent[16];
  return visit_dtype(t, [&]<class T>() {
    T v = element<T>(o);
    if constexpr (sizeof(T) > sizeof(uint64_t)) {
      return array(&v, Shape{}, t);
    } else {
      uint64_t bits = 0;
      std::memcpy(&bits, &v, sizeof(T));
      Recent& r = recent[(bits * 0x9E3779B97F4A7C15u) >> 60];
      if (!r.value || r.bits != bits || r.value->dtype() != t) {
        r = {bits, array(&v, Shape{}, t)};
        settle(*r.value);  // it stays when the trace is over
      }
      return *r.value;
    }
  });
}

// ---- Nested sequences.
bool is_sequence(PyObject* o) { return PyList_Check(o) || PyTuple_Check(o); }

// Rank of scalar kinds: the result has that of the highest.
int kind_of(PyObject* o) {
  return PyBool_Check(o) ? 0 : PyLong_Check(o) ? 1 : PyFloat_Check(o) ? 2 : 3;
}

struct Leaves {
  Shape shape;
  std::vector<nb::object> items;  // held: converting one may run code that drops another
  bool arrays = false;            // some leaf is not a Python scalar

  void collect(PyObject* o, size_t depth) {
    if (!is_sequence(o)) {
      if (!is_weak(o)) {
        arrays = true;  // they have shapes of their own: stack_items sorts it out
        return;
      }
      if (depth != shape.size() && !arrays) ragged();
      items.push_back(nb::borrow(o));
      return;
    }
    Py_ssize_t n = PySequence_Fast_GET_SIZE(o);
    if ((depth >= shape.size() || shape[depth] != n) && !arrays) ragged();
    for (Py_ssize_t i = 0; i < n; ++i) collect(PySequence_Fast_GET_ITEM(o, i), depth + 1);
  }
  [[noreturn]] static void ragged() {
    fail("[array] expected nested sequences of equal lengths; got lengths that differ");
  }
};

// The shape that the first elements suggest.
Shape outer_shape(PyObject* o) {
  Shape shape;
  while (is_sequence(o)) {
    if (shape.size() == 64) fail("[array] expected at most 64 dimensions; got more");
    Py_ssize_t n = PySequence_Fast_GET_SIZE(o);
    shape.push_back(n);
    if (n == 0) break;
    o = PySequence_Fast_GET_ITEM(o, 0);
  }
  return shape;
}

Dtype common_dtype(const std::vector<nb::object>& items) {
  if (items.empty()) return float32;
  int kind = 0;
  for (const nb::object& o : items) kind = std::max(kind, kind_of(o.ptr()));
  if (kind != 1) return kind == 0 ? bool_ : kind == 2 ? float32 : complex64;
  Dtype t = int32;
  for (const nb::object& o : items) {
    Dtype own = integer_dtype(o.ptr());
    if (own != int32 && t != uint64) t = own;
  }
  return t;
}

array stack_items(PyObject* o) {
  nb::object items = items_of(o);
  std::vector<array> rows;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(items.ptr()); ++i) {
    rows.push_back(from_object(PyTuple_GET_ITEM(items.ptr(), i), std::nullopt));
  }
  Dtype t = rows.front().dtype();
  for (const array& row : rows) {
    if (row.shape() != rows.front().shape()) Leaves::ragged();
    t = promote_types(t, row.dtype());
  }
  for (array& row : rows) row = astype(row, t);
  return stack(rows, 0);
}

array from_sequence(PyObject* o, std::optional<Dtype> dtype) {
  Leaves leaves;
  leaves.shape = outer_shape(o);
  // An array among the first elements ends the descent early; so does one deeper inside.
  for (PyObject* first = o; is_sequence(first) && PySequence_Fast_GET_SIZE(first) > 0;) {
    first = PySequence_Fast_GET_ITEM(first, 0);
    if (!is_sequence(first) && !is_weak(first)) {
      array a = stack_items(o);
      return dtype ? astype(a, *dtype) : a;
    }
  }
  leaves.items.reserve(static_cast<size_t>(std::max<int64_t>(leaves.shape[0], 1)));
  leaves.collect(o, 0);
  if (leaves.arrays) {
    array a = stack_items(o);
    return dtype ? astype(a, *dtype) : a;
  }
  Dtype t = dtype ? *dtype : common_dtype(leaves.items);
  BufferRef buffer = allocate(leaves.items.size() * t.size());
  visit_dtype(t, [&]<class T>() {
    T* out = static_cast<T*>(buffer->data);
    for (const nb::object& item : leaves.items) *out++ = element<T>(item.ptr());
  });
  return make_done(std::move(buffer), leaves.shape, t);
}

// An object that knows how to become an array; nullopt if it does not.
std::optional<array> from_protocol(PyObject* o) {
  for (const char* name : {"__olivine_array__", "__mlx_array__"}) {
    nb::object method =
        nb::steal(PyObject_GetAttrString(reinterpret_cast<PyObject*>(Py_TYPE(o)), name));
    if (!method.is_valid()) {
      PyErr_Clear();
      continue;
    }
    nb::object result = nb::steal(PyObject_CallOneArg(method.ptr(), o));
    if (!result.is_valid()) throw nb::python_error();
    if (!is_array(result.ptr())) {
      fail<TypeError>("[array] expected an array from ", name, "; got ",
                      Py_TYPE(result.ptr())->tp_name);
    }
    return value_of(result.ptr());
  }
  return std::nullopt;
}

}  // namespace

std::optional<array> from_operand(PyObject* o, std::optional<Dtype> like) {
  if (is_array(o)) return value_of(o);
  if (is_size(o)) [[unlikely]]
    return from_operand(as_number(o).ptr(), like);
  if (is_weak(o)) return recent_scalar(o, like ? weak_dtype(o, *like) : scalar_dtype(o));
  if (is_sequence(o) || PyUnicode_Check(o) || o == Py_None) return std::nullopt;
  if (std::optional<array> a = from_protocol(o)) return a;
  if (std::optional<array> a = from_buffer(o, true)) {
    return with_default_precision(std::move(*a), std::nullopt);
  }
  return std::nullopt;
}

array from_object(PyObject* o, std::optional<Dtype> dtype) {
  if (is_size(o)) [[unlikely]]
    return from_object(as_number(o).ptr(), dtype);
  if (is_weak(o)) return from_scalar(o, dtype ? *dtype : scalar_dtype(o));
  if (is_sequence(o)) return from_sequence(o, dtype);
  std::optional<array> a;
  if (is_array(o)) {
    a = value_of(o);
  } else if (!PyUnicode_Check(o)) {
    a = from_protocol(o);
    if (!a && (a = from_buffer(o, true))) a = with_default_precision(std::move(*a), dtype);
    if (!a) a = from_dlpack(o, true);
  }
  if (!a) {
    fail<TypeError>("[array] expected a scalar, a list, a tuple or an array; got ",
                    Py_TYPE(o)->tp_name);
  }
  return dtype ? astype(*a, *dtype) : *a;
}

array with_default_precision(array a, std::optional<Dtype> dtype) {
  Dtype t = a.dtype();
  if (dtype || (t != float64 && t != complex128)) return a;
  array out = astype(a, t == float64 ? float32 : complex64);
  evaluate(out);  // lets go of the wide copy
  return out;
}

std::optional<int64_t> to_int64(PyObject* o, const char* op) {
  nb::object index;
  if (!PyLong_Check(o)) {
    if (!PyIndex_Check(o)) return std::nullopt;
    index = nb::steal(PyNumber_Index(o));
    if (!index.is_valid()) {
      if (!PyErr_ExceptionMatches(PyExc_TypeError)) throw nb::python_error();
      PyErr_Clear();  // NumPy's arrays have the protocol, though most of them are no index
      return std::nullopt;
    }
    o = index.ptr();
  }
  int overflow;
  int64_t v = PyLong_AsLongLongAndOverflow(o, &overflow);
  if (overflow) fail("[", op, "] expected an int of 64 bits; got ", shown(o));
  return v;
}

std::optional<double> to_double(PyObject* o, const char* op) {
  if (PyFloat_Check(o)) return PyFloat_AS_DOUBLE(o);
  PyNumberMethods* numbers = Py_TYPE(o)->tp_as_number;
  if (!numbers || !(numbers->nb_float || numbers->nb_index)) return std::nullopt;
  double v = PyFloat_AsDouble(o);
  if (v != -1.0 || !PyErr_Occurred()) return v;
  bool large = PyErr_ExceptionMatches(PyExc_OverflowError);
  // NumPy's arrays have the protocol, though most of them are no number.
  bool none = PyErr_ExceptionMatches(PyExc_TypeError) || PyErr_ExceptionMatches(PyExc_ValueError);
  if (!large && !none) throw nb::python_error();
  PyErr_Clear();
  if (large) fail("[", op, "] expected a number that a double holds; got ", shown(o));
  return std::nullopt;
}

// ---- Arrays to Python.
namespace {

template <class T>
PyObject* scalar_object(T v) {
  if constexpr (std::is_same_v<T, bool>) {
    return PyBool_FromLong(v);
  } else if constexpr (std::is_unsigned_v<T>) {
    return PyLong_FromUnsignedLongLong(v);
  } else if constexpr (std::is_integral_v<T>) {
    return PyLong_FromLongLong(v);
  } else if constexpr (std::is_floating_point_v<T>) {
    return PyFloat_FromDouble(v);
  } else if constexpr (std::is_same_v<T, float16_t> || std::is_same_v<T, bfloat16_t>) {
    return PyFloat_FromDouble(to_float(v));
  } else {
    return PyComplex_FromDoubles(v.real(), v.imag());
  }
}

template <class T>
nb::object nested(const T* data, const Shape& shape, const Strides& strides, size_t axis) {
  if (axis == shape.size()) {
    nb::object o = nb::steal(scalar_object(*data));
    if (!o.is_valid()) throw nb::python_error();
    return o;
  }
  nb::object list = nb::steal(PyList_New(shape[axis]));
  if (!list.is_valid()) {
    PyErr_Clear();
    fail<OutOfMemory>("[tolist] expected lists that fit the memory; got shape ", shape);
  }
  for (int64_t i = 0; i < shape[axis]; ++i) {
    if (axis + 1 < shape.size()) poll_interrupt();
    nb::object item = nested(data + i * strides[axis], shape, strides, axis + 1);
    PyList_SET_ITEM(list.ptr(), i, item.release().ptr());
  }
  return list;
}

}  // namespace

PyObject* to_scalar(const array& a) {
  if (a.size() != 1) {
    fail("[item] expected an array of one element; got shape ", a.shape());
  }
  evaluate(a);
  return visit_dtype(a.dtype(), [&]<class T>() { return scalar_object(*a.data<T>()); });
}

PyObject* to_list(const array& a) {
  evaluate(a);
  Building noted;
  return visit_dtype(a.dtype(), [&]<class T>() {
    return nested(a.data<T>(), a.shape(), a.strides(), 0).release().ptr();
  });
}

array row_of(const array& a, int64_t i) {
  Shape start(a.ndim()), stop = a.shape();
  start[0] = i;
  stop[0] = i + 1;
  return squeeze(slice(a, std::move(start), std::move(stop)), 0);
}

}  // namespace olivine::python
