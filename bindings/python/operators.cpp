// Operators of the class array, as number-protocol slots.
#include "array.h"
#include "convert.h"
#include "core/error.h"
#include "olivine/ops/elementwise.h"
#include "olivine/ops/matmul.h"

namespace olivine::python {
namespace {

using BinaryFn = array (*)(const array&, const array&, StreamOrDevice);
using UnaryFn = array (*)(const array&, StreamOrDevice);

PyObject* not_implemented() { return Py_NewRef(Py_NotImplemented); }

// One operand is not an array: a scalar takes the other's dtype.
PyObject* mixed(BinaryFn f, PyObject* x, PyObject* y) {
  bool left = is_array(x);
  const array& own = value_of(left ? x : y);
  std::optional<array> other = from_operand(left ? y : x, own.dtype());
  if (!other) return not_implemented();
  return wrap(left ? f(own, *other, {}) : f(*other, own, {}));
}

inline PyObject* apply(BinaryFn f, PyObject* x, PyObject* y) {
  if (Py_TYPE(x) == array_type && Py_TYPE(y) == array_type) {
    return wrap(f(value_of(x), value_of(y), {}));
  }
  return mixed(f, x, y);
}

template <BinaryFn f>
PyObject* binary(PyObject* x, PyObject* y) {
  return guarded([&] { return apply(f, x, y); });
}
template <UnaryFn f>
PyObject* unary(PyObject* x) {
  return guarded([&] { return wrap(f(value_of(x), {})); });
}

// x += y changes what the object x means, for everybody who holds it.
template <BinaryFn f>
PyObject* in_place(PyObject* x, PyObject* y) {
  return guarded([&]() -> PyObject* {
    const array& own = value_of(x);
    std::optional<array> other = from_operand(y, own.dtype());
    if (!other) return not_implemented();
    set_value(x, f(own, *other, {}));
    return Py_NewRef(x);
  });
}

PyObject* in_place_divide(PyObject* x, PyObject* y) {
  if (!is_inexact(value_of(x).dtype())) {
    return guarded([&]() -> PyObject* {
      fail("[divide] expected a floating dtype for in-place division; got ", value_of(x).dtype());
    });
  }
  return in_place<divide>(x, y);
}

PyObject* raise_to(PyObject* x, PyObject* y, PyObject* modulus) {
  return modulus == Py_None ? binary<power>(x, y) : not_implemented();
}
PyObject* in_place_raise_to(PyObject* x, PyObject* y, PyObject* modulus) {
  return modulus == Py_None ? in_place<power>(x, y) : not_implemented();
}

PyObject* compare(PyObject* x, PyObject* y, int op) {
  switch (op) {
    case Py_LT:
      return binary<less>(x, y);
    case Py_LE:
      return binary<less_equal>(x, y);
    case Py_EQ:
      return binary<equal>(x, y);
    case Py_NE:
      return binary<not_equal>(x, y);
    case Py_GT:
      return binary<greater>(x, y);
    default:
      return binary<greater_equal>(x, y);
  }
}

int truth(PyObject* x) {
  nb::object v = nb::steal(guarded([&] { return to_scalar(value_of(x)); }));
  return v.is_valid() ? PyObject_IsTrue(v.ptr()) : -1;
}
PyObject* to_int(PyObject* x) {
  nb::object v = nb::steal(guarded([&] { return to_scalar(value_of(x)); }));
  return v.is_valid() ? PyNumber_Long(v.ptr()) : nullptr;
}
PyObject* to_float_object(PyObject* x) {
  nb::object v = nb::steal(guarded([&] { return to_scalar(value_of(x)); }));
  return v.is_valid() ? PyNumber_Float(v.ptr()) : nullptr;
}
PyObject* to_index(PyObject* x) {
  return guarded([&]() -> PyObject* {
    const array& a = value_of(x);
    if (a.ndim() != 0 || !is_integer(a.dtype())) {
      fail<TypeError>("[index] expected an integer array of 0 dimensions; got ", a.dtype(),
                      " of shape ", a.shape());
    }
    return to_scalar(a);
  });
}

template <class F>
PyType_Slot slot(int id, F* f) {
  return {id, reinterpret_cast<void*>(f)};
}

}  // namespace

std::vector<PyType_Slot> operator_slots() {
  return {
      slot(Py_nb_add, binary<add>),
      slot(Py_nb_subtract, binary<subtract>),
      slot(Py_nb_multiply, binary<multiply>),
      slot(Py_nb_true_divide, binary<divide>),
      slot(Py_nb_floor_divide, binary<floor_divide>),
      slot(Py_nb_remainder, binary<remainder>),
      slot(Py_nb_power, raise_to),
      slot(Py_nb_matrix_multiply, binary<matmul>),
      slot(Py_nb_lshift, binary<left_shift>),
      slot(Py_nb_rshift, binary<right_shift>),
      slot(Py_nb_and, binary<bitwise_and>),
      slot(Py_nb_or, binary<bitwise_or>),
      slot(Py_nb_xor, binary<bitwise_xor>),
      slot(Py_nb_inplace_add, in_place<add>),
      slot(Py_nb_inplace_subtract, in_place<subtract>),
      slot(Py_nb_inplace_multiply, in_place<multiply>),
      slot(Py_nb_inplace_true_divide, in_place_divide),
      slot(Py_nb_inplace_floor_divide, in_place<floor_divide>),
      slot(Py_nb_inplace_remainder, in_place<remainder>),
      slot(Py_nb_inplace_power, in_place_raise_to),
      slot(Py_nb_inplace_matrix_multiply, in_place<matmul>),
      slot(Py_nb_inplace_lshift, in_place<left_shift>),
      slot(Py_nb_inplace_rshift, in_place<right_shift>),
      slot(Py_nb_inplace_and, in_place<bitwise_and>),
      slot(Py_nb_inplace_or, in_place<bitwise_or>),
      slot(Py_nb_inplace_xor, in_place<bitwise_xor>),
      slot(Py_nb_negative, unary<negative>),
      slot(Py_nb_positive, unary<positive>),
      slot(Py_nb_absolute, unary<abs>),
      slot(Py_nb_invert, unary<bitwise_invert>),
      slot(Py_nb_bool, truth),
      slot(Py_nb_int, to_int),
      slot(Py_nb_float, to_float_object),
      slot(Py_nb_index, to_index),
      slot(Py_tp_richcompare, compare),
  };
}

}  // namespace olivine::python
