// Functions of the op families whose arguments the generator's type table does not cover.
#include <nanobind/stl/vector.h>

#include <atomic>

#include "arguments.h"
#include "convert.h"
#include "core/error.h"
#include "olivine/fast.h"
#include "olivine/ops/creation.h"
#include "olivine/ops/einsum.h"
#include "olivine/ops/matmul.h"
#include "olivine/ops/selection.h"
#include "olivine/ops/shape.h"
#include "olivine/ops/sort.h"

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
    PyErr_Clear();
    in.mismatch(2, "int or a pair of lists of int");
  }
  for (int side = 0; side < 2; ++side) {
    nb::object list = nb::steal(PySequence_GetItem(axes, side));
    if (!list.is_valid()) {  // a memoryview of several axes has a length but no items
      PyErr_Clear();
      in.mismatch(2, "int or a pair of lists of int");
    }
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
  double scale = in.number(3);
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

// ---- arange: the type of the bounds chooses the default dtype.
static array make_range(Arguments& in, PyObject* start, PyObject* stop, int step_at) {
  PyObject* step = in.none(step_at) ? nullptr : in.raw(step_at);
  bool integers = true;
  for (PyObject* o : {start, stop, step}) integers = integers && (!o || PyIndex_Check(o));
  Maybe<Dtype> dtype = in.maybe_dtype(step_at + 1);
  StreamOrDevice s = in.stream(step_at + 2);
  auto number = [&](PyObject* o, double otherwise) {
    if (!o) return otherwise;
    std::optional<double> v = to_double(o, "arange");
    if (!v) fail<TypeError>("[arange] expected numbers; got ", Py_TYPE(o)->tp_name);
    return *v;
  };
  auto integer = [&](PyObject* o, int64_t otherwise) {
    if (!o) return otherwise;
    std::optional<int64_t> v = to_int64(o, "arange");
    if (!v) fail<TypeError>("[arange] expected numbers; got ", Py_TYPE(o)->tp_name);
    return *v;
  };
  if (integers) {
    int64_t from = integer(start, 0), to = integer(stop, 0), by = integer(step, 1);
    return dtype.value ? olivine::arange(from, to, by, *dtype.value, s)
                       : olivine::arange(from, to, by, s);
  }
  double from = number(start, 0), to = number(stop, 0), by = number(step, 1);
  return dtype.value ? olivine::arange(from, to, by, *dtype.value, s)
                     : olivine::arange(from, to, by, s);
}
PyObject* arange_1(Arguments& in) {
  bool one = in.none(1);  // arange(stop, None)
  return wrap(make_range(in, one ? nullptr : in.raw(0), one ? in.raw(0) : in.raw(1), 2));
}
PyObject* arange_2(Arguments& in) { return wrap(make_range(in, nullptr, in.raw(0), 1)); }

// ---- Shapes.
static Shape shape_of(PyObject* o, const char* op) {
  nb::object list = nb::steal(PySequence_Check(o) ? PySequence_List(o) : nullptr);
  if (!list.is_valid()) {
    PyErr_Clear();
    fail<TypeError>("[", op, "] expected a sequence of ints; got ", Py_TYPE(o)->tp_name);
  }
  Shape shape;
  for (nb::handle item : nb::borrow<nb::list>(list)) {
    std::optional<int64_t> d = to_int64(item.ptr(), op);
    if (!d) fail<TypeError>("[", op, "] expected ints; got ", Py_TYPE(item.ptr())->tp_name);
    shape.push_back(*d);
  }
  return shape;
}

PyObject* broadcast_shapes(Arguments& in) {
  PyObject* shapes = in.raw(0);
  Shape common;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(shapes); ++i) {
    common =
        olivine::broadcast_shapes(common, shape_of(PyTuple_GET_ITEM(shapes, i), in.function()));
  }
  return to_python(common);
}

PyObject* pad(Arguments& in) {
  in.promote({0, 3});
  const array& a = in.ref(0);
  PyObject* width = in.raw(1);
  std::vector<int> axes;
  Shape low, high;
  auto add = [&](int64_t before, int64_t after) {
    axes.push_back(static_cast<int>(axes.size()));
    low.push_back(before);
    high.push_back(after);
  };
  nb::object pairs;
  if (PyList_Check(width) || PyTuple_Check(width)) pairs = items_of(width);
  bool nested = pairs.is_valid() && PyTuple_GET_SIZE(pairs.ptr()) > 0 &&
                !PyIndex_Check(PyTuple_GET_ITEM(pairs.ptr(), 0));
  if (nested) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(pairs.ptr()); ++i) {
      Shape pair = shape_of(PyTuple_GET_ITEM(pairs.ptr(), i), "pad");
      if (pair.empty() || pair.size() > 2)
        in.mismatch(1, "an int, a pair of ints or a list of pairs");
      add(pair.front(), pair.back());
    }
    if (axes.size() == 1) {
      while (static_cast<int>(axes.size()) < a.ndim()) add(low[0], high[0]);
    }
    if (static_cast<int>(axes.size()) != a.ndim()) {
      fail("[pad] expected one pair per axis, ", a.ndim(), "; got ", axes.size());
    }
  } else {
    Ints pair = in.ints(1);
    if (pair.values.empty() || pair.values.size() > 2) {
      in.mismatch(1, "an int, a pair of ints or a list of pairs");
    }
    for (int i = 0; i < a.ndim(); ++i) add(pair.values.front(), pair.values.back());
  }
  return wrap(olivine::pad(a, axes, low, high, in.ref(3, array(0)), in.string(2, "constant"),
                           in.stream(4)));
}

PyObject* depends(Arguments& in) {
  auto arrays = [&](int i) {
    return is_array(in.raw(i)) ? std::vector<array>{in.ref(i)} : in.arrays(i);
  };
  std::vector<array> out = olivine::depends(arrays(0), arrays(1));
  return is_array(in.raw(0)) ? wrap(out.at(0)) : wrap_list(out);
}

static PyObject* at_least(Arguments& in,
                          std::vector<array> (*f)(const std::vector<array>&, StreamOrDevice)) {
  std::vector<array> out = f(in.arrays(0), in.stream(1));
  return out.size() == 1 ? wrap(out[0]) : wrap_list(out);
}
PyObject* atleast_1d(Arguments& in) { return at_least(in, olivine::atleast_1d); }
PyObject* atleast_2d(Arguments& in) { return at_least(in, olivine::atleast_2d); }
PyObject* atleast_3d(Arguments& in) { return at_least(in, olivine::atleast_3d); }

PyObject* einsum_path(Arguments& in) {
  auto [path, text] = olivine::einsum_path(in.string(0), in.arrays(1));
  nb::list steps;
  for (const std::vector<int>& step : path) steps.append(nb::tuple(nb::cast(step)));
  return nb::make_tuple(steps, nb::str(text.c_str())).release().ptr();
}

// ---- unique, and where with a condition alone
static std::optional<int64_t> size_of(Arguments& in, int i) {
  return in.none(i) ? std::nullopt : std::optional<int64_t>(in.integer(i));
}
PyObject* unique(Arguments& in) {
  std::optional<array> fill;
  if (!in.none(5)) fill = in.ref(5);
  std::vector<array> out = olivine::unique(in.ref(0), size_of(in, 1), in.boolean(2), in.boolean(3),
                                           in.boolean(4), fill, in.stream(6));
  return out.size() == 1 ? wrap(out[0]) : wrap_tuple(out);
}

PyObject* where_2(Arguments& in) {
  return wrap_tuple(nonzero(in.ref(0), size_of(in, 1), in.integer(2, 0), in.stream(3)));
}

// A named tuple, whose type is made at the first use.
static PyObject* named(std::atomic<PyTypeObject*>& type, PyStructSequence_Desc desc,
                       const std::vector<array>& values) {
  if (!type.load()) {
    PyTypeObject* made = PyStructSequence_NewType(&desc);
    if (!made) throw nb::python_error();
    PyTypeObject* none = nullptr;
    if (!type.compare_exchange_strong(none, made)) Py_DECREF(made);
  }
  nb::object out = nb::steal(PyStructSequence_New(type.load()));
  if (!out.is_valid()) throw nb::python_error();
  for (size_t i = 0; i < values.size(); ++i) {
    PyStructSequence_SetItem(out.ptr(), static_cast<Py_ssize_t>(i), wrap(values[i]));
  }
  return out.release().ptr();
}

static PyObject* unique_parts(Arguments& in, std::atomic<PyTypeObject*>& type,
                              PyStructSequence_Desc desc,
                              std::vector<array> (*f)(const array&, std::optional<int64_t>,
                                                      const std::optional<array>&,
                                                      StreamOrDevice)) {
  std::optional<array> fill;
  if (!in.none(2)) fill = in.ref(2);
  return named(type, desc, f(in.ref(0), size_of(in, 1), fill, in.stream(3)));
}

PyObject* unique_all(Arguments& in) {
  static constinit std::atomic<PyTypeObject*> type{nullptr};
  PyStructSequence_Field fields[] = {{"values", nullptr},
                                     {"indices", nullptr},
                                     {"inverse_indices", nullptr},
                                     {"counts", nullptr},
                                     {}};
  return unique_parts(in, type, {"olivine.core.UniqueAll", nullptr, fields, 4},
                      olivine::unique_all);
}
PyObject* unique_counts(Arguments& in) {
  static constinit std::atomic<PyTypeObject*> type{nullptr};
  PyStructSequence_Field fields[] = {{"values", nullptr}, {"counts", nullptr}, {}};
  return unique_parts(in, type, {"olivine.core.UniqueCounts", nullptr, fields, 2},
                      olivine::unique_counts);
}
PyObject* unique_inverse(Arguments& in) {
  static constinit std::atomic<PyTypeObject*> type{nullptr};
  PyStructSequence_Field fields[] = {{"values", nullptr}, {"inverse_indices", nullptr}, {}};
  return unique_parts(in, type, {"olivine.core.UniqueInverse", nullptr, fields, 2},
                      olivine::unique_inverse);
}

}  // namespace olivine::python::hand
