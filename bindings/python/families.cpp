// Functions of the op families whose arguments the generator's type table does not cover.
#include <nanobind/stl/vector.h>

#include "arguments.h"
#include "core/layout.h"
#include "olivine/fast.h"
#include "olivine/ops/creation.h"
#include "olivine/ops/matmul.h"
#include "olivine/ops/shape.h"

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

namespace {

// arange over the numbers among these parameters; ints stay exact.
PyObject* arange_over(Arguments& in, int start, int stop, int step, int dtype, int stream) {
  bool floating = false;
  for (int i : {start, stop, step}) floating |= i >= 0 && !in.none(i) && PyFloat_Check(in.raw(i));
  if (stop != start && start >= 0 && in.none(stop)) stop = start, start = -1;
  auto s = in.stream(stream);
  bool given = !in.none(dtype);
  if (floating) {
    auto value = [&](int i, double otherwise) { return i < 0 ? otherwise : in.number(i, otherwise); };
    double a = value(start, 0), b = value(stop, 0), c = in.none(step) ? 1.0 : value(step, 1);
    return to_python(given ? arange(a, b, c, in.dtype(dtype), s) : arange(a, b, c, s));
  }
  auto value = [&](int i, int64_t otherwise) -> int64_t {
    return i < 0 || in.none(i) ? otherwise : in.integer(i, otherwise).value;
  };
  int64_t a = value(start, 0), b = value(stop, 0), c = value(step, 1);
  return to_python(given ? arange(a, b, c, in.dtype(dtype), s) : arange(a, b, c, s));
}

// One array for one argument, a list for several.
PyObject* one_or_list(const std::vector<array>& out) {
  return out.size() == 1 ? to_python(out[0]) : to_python(out);
}

std::vector<std::pair<int, int>> pad_widths(Arguments& in, int i) {
  auto pair_of = [&](PyObject* o) -> std::pair<int, int> {
    std::vector<int> v;
    if (PyLong_Check(o)) {
      int w = nb::cast<int>(nb::handle(o));
      return {w, w};
    }
    if (!nb::try_cast(nb::handle(o), v) || v.empty() || v.size() > 2) {
      in.mismatch(i, "int, a pair of ints or a list of pairs");
    }
    return {v[0], v.back()};
  };
  PyObject* o = in.raw(i);
  std::vector<int> flat;
  if (PyLong_Check(o) || nb::try_cast(nb::handle(o), flat)) return {pair_of(o)};
  std::vector<std::pair<int, int>> widths;
  if (!PySequence_Check(o)) in.mismatch(i, "int, a pair of ints or a list of pairs");
  for (Py_ssize_t k = 0; k < PySequence_Size(o); ++k) {
    nb::object item = nb::steal(PySequence_GetItem(o, k));
    widths.push_back(pair_of(item.ptr()));
  }
  return widths;
}

}  // namespace

PyObject* arange_1(Arguments& in) { return arange_over(in, 0, 1, 2, 3, 4); }
PyObject* arange_2(Arguments& in) { return arange_over(in, -1, 0, 1, 2, 3); }

PyObject* atleast_1d(Arguments& in) {
  return one_or_list(olivine::atleast_1d(in.arrays(0), in.stream(1)));
}
PyObject* atleast_2d(Arguments& in) {
  return one_or_list(olivine::atleast_2d(in.arrays(0), in.stream(1)));
}
PyObject* atleast_3d(Arguments& in) {
  return one_or_list(olivine::atleast_3d(in.arrays(0), in.stream(1)));
}

PyObject* broadcast_shapes(Arguments& in) {
  Shape out;
  for (nb::handle h : nb::handle(in.raw(0))) {
    std::vector<int64_t> dims;
    if (!nb::try_cast(h, dims)) in.mismatch(0, "shapes, as tuples of int");
    out = olivine::broadcast_shapes(out, Shape(dims.begin(), dims.end()), "broadcast_shapes");
  }
  return to_python(out);
}

PyObject* depends(Arguments& in) {
  auto list = [&](int i) {
    return is_array(in.raw(i)) ? std::vector<array>{in.ref(i)} : in.arrays(i);
  };
  std::vector<array> out = olivine::depends(list(0), list(1));
  return is_array(in.raw(0)) ? to_python(out[0]) : to_python(out);
}

PyObject* pad(Arguments& in) {
  const array& a = in.ref(0);
  auto widths = pad_widths(in, 1);
  std::string mode = in.string(2, "constant");
  array value = in.none(3) ? array(0) : in.ref(3);
  if (widths.size() == 1) {
    return to_python(olivine::pad(a, widths[0], value, mode, in.stream(4)));
  }
  return to_python(olivine::pad(a, widths, value, mode, in.stream(4)));
}

}  // namespace olivine::python::hand
