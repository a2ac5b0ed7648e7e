// Operators of the class array, as number-protocol slots.
#include "array.h"
#include "convert.h"
#include "core/error.h"
#include "olivine/ops/elementwise.h"
#include "olivine/ops/matmul.h"
#include "recording.h"

namespace olivine::python {
namespace {

using BinaryFn = array (*)(const array&, const array&, StreamOrDevice);

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
      return recorded<binary<less>>(x, y);
    case Py_LE:
      return recorded<binary<less_equal>>(x, y);
    case Py_EQ:
      return recorded<binary<equal>>(x, y);
    case Py_NE:
      return recorded<binary<not_equal>>(x, y);
    case Py_GT:
      return recorded<binary<greater>>(x, y);
    default:
      return recorded<binary<greater_equal>>(x, y);
  }
}

PyObject* scalar(PyObject* x) {
  return guarded([&] { return to_scalar(value_of(x)); });
}
int truth(PyObject* x) {
  nb::object v = nb::steal(recorded<scalar>(x));
  return v.is_valid() ? PyObject_IsTrue(v.ptr()) : -1;
}
PyObject* to_int(PyObject* x) {
  nb::object v = nb::steal(recorded<scalar>(x));
  return v.is_valid() ? PyNumber_Long(v.ptr()) : nullptr;
}
PyObject* to_float_object(PyObject* x) {
  nb::object v = nb::steal(recorded<scalar>(x));
  return v.is_valid() ? PyNumber_Float(v.ptr()) : nullptr;
}
PyObject* index_of(PyObject* x) {
  return guarded([&]() -> PyObject* {
    const array& a = value_of(x);
    if (a.ndim() != 0 || !is_integer(a.dtype())) {
      fail<TypeError>("[index] expected an integer array of 0 dimensions; got ", a.dtype(),
                      " of shape ", a.shape());
    }
    return to_scalar(a);
  });
}

PyObject* to_index(PyObject* x) { return recorded<index_of>(x); }

template <class F>
PyType_Slot slot(int id, F* f) {
  return {id, reinterpret_cast<void*>(f)};
}
template <auto f>
PyType_Slot recorded_slot(int id) {
  if constexpr (std::is_invocable_v<decltype(f), PyObject*>) {
    return slot(
        id, +[](PyObject* x) { return recorded<f>(x); });
  } else if constexpr (std::is_invocable_v<decltype(f), PyObject*, PyObject*>) {
    return slot(
        id, +[](PyObject* x, PyObject* y) { return recorded<f>(x, y); });
  } else {
    return slot(
        id, +[](PyObject* x, PyObject* y, PyObject* z) { return recorded<f>(x, y, z); });
  }
}

}  // namespace

std::vector<PyType_Slot> operator_slots() {
  return {
      recorded_slot<binary<add>>(Py_nb_add),
      recorded_slot<binary<subtract>>(Py_nb_subtract),
      recorded_slot<binary<multiply>>(Py_nb_multiply),
      recorded_slot<binary<divide>>(Py_nb_true_divide),
      recorded_slot<binary<floor_divide>>(Py_nb_floor_divide),
      recorded_slot<binary<remainder>>(Py_nb_remainder),
      recorded_slot<raise_to>(Py_nb_power),
      recorded_slot<binary<matmul>>(Py_nb_matrix_multiply),
      recorded_slot<binary<left_shift>>(Py_nb_lshift),
      recorded_slot<binary<right_shift>>(Py_nb_rshift),
      recorded_slot<binary<bitwise_and>>(Py_nb_and),
      recorded_slot<binary<bitwise_or>>(Py_nb_or),
      recorded_slot<binary<bitwise_xor>>(Py_nb_xor),
      recorded_slot<in_place<add>>(Py_nb_inplace_add),
      recorded_slot<in_place<subtract>>(Py_nb_inplace_subtract),
      recorded_slot<in_place<multiply>>(Py_nb_inplace_multiply),
      recorded_slot<in_place_divide>(Py_nb_inplace_true_divide),
      recorded_slot<in_place<floor_divide>>(Py_nb_inplace_floor_divide),
      recorded_slot<in_place<remainder>>(Py_nb_inplace_remainder),
      recorded_slot<in_place_raise_to>(Py_nb_inplace_power),
      recorded_slot<in_place<matmul>>(Py_nb_inplace_matrix_multiply),
      recorded_slot<in_place<left_shift>>(Py_nb_inplace_lshift),
      recorded_slot<in_place<right_shift>>(Py_nb_inplace_rshift),
      recorded_slot<in_place<bitwise_and>>(Py_nb_inplace_and),
      recorded_slot<in_place<bitwise_or>>(Py_nb_inplace_or),
      recorded_slot<in_place<bitwise_xor>>(Py_nb_inplace_xor),
      recorded_slot<unary_call<negative>>(Py_nb_negative),
      recorded_slot<unary_call<positive>>(Py_nb_positive),
      recorded_slot<unary_call<abs>>(Py_nb_absolute),
      recorded_slot<unary_call<bitwise_invert>>(Py_nb_invert),
      slot(Py_nb_bool, truth),
      slot(Py_nb_int, to_int),
      slot(Py_nb_float, to_float_object),
      slot(Py_nb_index, to_index),
      slot(Py_tp_richcompare, compare),
  };
}

}  // namespace olivine::python
