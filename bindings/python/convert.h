// Conversions between Python values and arrays, numbers and memory.
#pragma once

#include <optional>

#include "object.h"

namespace olivine::python {

// A Python bool, int, float or complex: its dtype gives way to that of an array beside it.
inline bool is_weak(PyObject* o) {
  return PyFloat_Check(o) || PyLong_Check(o) || PyComplex_Check(o);
}
// An operand of an operator: an array, a scalar (of dtype `like` where it can be), a NumPy array or
// scalar, or an object with __olivine_array__ or __mlx_array__. nullopt: none of these.
std::optional<array> from_operand(PyObject* o, std::optional<Dtype> like);
// What array(o, dtype) means: also nested lists and tuples, buffers and DLPack; always a copy.
array from_object(PyObject* o, std::optional<Dtype> dtype);

std::optional<int64_t> to_int64(PyObject* o, const char* op);
std::optional<double> to_double(PyObject* o, const char* op);

// The value of an array of one element as a Python scalar; nested lists of such.
PyObject* to_scalar(const array& a);
PyObject* to_list(const array& a);

// Row i of an array of at least one dimension.
array row_of(const array& a, int64_t i);

// ---- Memory of others (buffers.cpp).
// From an object with the buffer protocol (NumPy and its bfloat16 included): a view of its memory
// if `copy` is false and the layout allows it, else a copy. nullopt: it has none.
std::optional<array> from_buffer(PyObject* o, bool copy);
std::optional<array> from_dlpack(PyObject* o, std::optional<bool> copy);
// float64 and complex128 of NumPy become float32 and complex64 unless asked for.
array with_default_precision(array a, std::optional<Dtype> dtype);

// A capsule that shares the memory of `a`, or of a copy: if `copy` is true, or not given and an
// axis is reversed.
PyObject* to_dlpack(array a, bool versioned, std::optional<bool> copy);
int get_buffer(PyObject* self, Py_buffer* view, int flags);
void release_buffer(PyObject* self, Py_buffer* view);

// Calls f.template operator()<T>() with the storage type of a dtype.
template <class F>
decltype(auto) visit_dtype(Dtype t, F&& f) {
  switch (t.val()) {
    case Dtype::Val::bool_:
      return f.template operator()<bool>();
    case Dtype::Val::uint8:
      return f.template operator()<uint8_t>();
    case Dtype::Val::uint16:
      return f.template operator()<uint16_t>();
    case Dtype::Val::uint32:
      return f.template operator()<uint32_t>();
    case Dtype::Val::uint64:
      return f.template operator()<uint64_t>();
    case Dtype::Val::int8:
      return f.template operator()<int8_t>();
    case Dtype::Val::int16:
      return f.template operator()<int16_t>();
    case Dtype::Val::int32:
      return f.template operator()<int32_t>();
    case Dtype::Val::int64:
      return f.template operator()<int64_t>();
    case Dtype::Val::float16:
      return f.template operator()<float16_t>();
    case Dtype::Val::bfloat16:
      return f.template operator()<bfloat16_t>();
    case Dtype::Val::float32:
      return f.template operator()<float>();
    case Dtype::Val::float64:
      return f.template operator()<double>();
    case Dtype::Val::complex64:
      return f.template operator()<complex64_t>();
    case Dtype::Val::complex128:
      break;
  }
  return f.template operator()<complex128_t>();
}

}  // namespace olivine::python
