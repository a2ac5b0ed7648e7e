// Functions of the op families whose arguments the generator's type table does not cover.
#include <nanobind/stl/vector.h>

#include "arguments.h"
#include "olivine/fast.h"
#include "olivine/ops/matmul.h"

namespace olivine::python::hand {

PyObject* tensordot(Arguments& in) {
  in.promote({0, 1});
  const array &a = in.ref(0), &b = in.ref(1);
  PyObject* axes = in.raw(2);
  if (!axes || PyLong_Check(axes)) {
    return to_python(olivine::tensordot(a, b, static_cast<int>(in.integer(2, 2)), in.stream(3)));
  }
  std::vector<int> sides[2];
  if (!PySequence_Check(axes) || PySequence_Size(axes) != 2) {
    in.mismatch(2, "int or a pair of lists of int");
  }
  for (int side = 0; side < 2; ++side) {
    nb::object list = nb::steal(PySequence_GetItem(axes, side));
    if (PyLong_Check(list.ptr())) {
      sides[side].push_back(nb::cast<int>(list));
    } else if (!nb::try_cast(list, sides[side])) {
      in.mismatch(2, "int or a pair of lists of int");
    }
  }
  return to_python(olivine::tensordot(a, b, sides[0], sides[1], in.stream(3)));
}

PyObject* fast_scaled_dot_product_attention(Arguments& in) {
  const array &q = in.ref(0), &k = in.ref(1), &v = in.ref(2);
  float scale = static_cast<float>(in.number(3));
  std::string mode;
  std::optional<array> mask, sinks;
  if (!in.none(4)) {
    if (PyUnicode_Check(in.raw(4))) {
      mode = in.string(4);
    } else {
      mask = in.ref(4);
    }
  }
  if (!in.none(5)) sinks = in.ref(5);
  return to_python(fast::scaled_dot_product_attention(q, k, v, scale, mode, mask, sinks,
                                                      in.boolean(6), in.stream(7)));
}

}  // namespace olivine::python::hand
