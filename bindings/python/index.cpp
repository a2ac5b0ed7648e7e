// Reads Python indices: ints, slices, None, Ellipsis, bools, arrays and lists.
#include "index.h"

#include <string_view>

#include "convert.h"
#include "core/error.h"
#include "core/known.h"
#include "core/node.h"
#include "olivine/ops/elementwise.h"
#include "olivine/ops/selection.h"

namespace olivine::python {
namespace {

using Kind = IndexItem::Kind;

// NumPy's arrays say that they are integers; its scalars, which are, are no sequences.
bool is_foreign_array(PyObject* o) {
  return PyObject_CheckBuffer(o) && (!PyIndex_Check(o) || PySequence_Check(o));
}

class Reader {
 public:
  Reader(const array& a, const char* op) : a_(a), op_(op) {}

  Index read(PyObject* index, bool keeps_mask) {
    PyObject* const* items = &index;
    Py_ssize_t n = 1;
    if (PyTuple_Check(index)) {
      items = reinterpret_cast<PyTupleObject*>(index)->ob_item;
      n = PyTuple_GET_SIZE(index);
    }
    masks_.resize(static_cast<size_t>(n));
    count(items, n);
    if (keeps_mask && n == 1 && masks_[0] && masks_[0]->dtype() == bool_ && masks_[0]->ndim() > 0) {
      check_mask(*masks_[0]);
      out_.mask = std::move(masks_[0]);
      return std::move(out_);
    }
    for (Py_ssize_t i = 0; i < n; ++i) {
      size_t made = out_.items.size();
      add(items[i], masks_[static_cast<size_t>(i)]);
      bool follows = i > 0 && items[i - 1] == Py_Ellipsis && made < out_.items.size();
      if (follows) out_.items[made].after_ellipsis = true;
    }
    while (axis_ < a_.ndim()) add_whole();
    return std::move(out_);
  }

 private:
  static bool is_list_or_array(PyObject* o) {
    return is_array(o) || PyList_Check(o) || is_foreign_array(o) ||
           (!PyIndex_Check(o) && PyObject_HasAttrString(o, "__array__"));
  }

  // Converts arrays, and finds how many axes the Ellipsis stands for.
  void count(PyObject* const* items, Py_ssize_t n) {
    int axes = 0;
    bool ellipsis = false;
    for (Py_ssize_t i = 0; i < n; ++i) {
      PyObject* o = items[i];
      if (o == Py_None || PyBool_Check(o)) continue;
      if (o == Py_Ellipsis) {
        if (ellipsis) fail<std::out_of_range>("[", op_, "] expected at most one Ellipsis; got two");
        ellipsis = true;
      } else if (is_list_or_array(o)) {
        array converted = from_object(o, std::nullopt);
        if (PyList_Check(o) && converted.size() == 0) converted = astype(converted, int32);
        axes += converted.dtype() == bool_ ? converted.ndim() : 1;
        masks_[static_cast<size_t>(i)] = std::move(converted);
      } else {
        ++axes;
      }
    }
    if (axes > a_.ndim()) {
      fail<std::out_of_range>("[", op_, "] expected at most ", a_.ndim(), " indices; got ", axes);
    }
    missing_ = a_.ndim() - axes;
  }

  void add(PyObject* o, const std::optional<array>& converted) {
    if (converted) return add_array(*converted);
    if (o == Py_None) {
      out_.items.push_back({.kind = Kind::new_axis});
      out_.whole = false;
    } else if (o == Py_Ellipsis) {
      for (int i = 0; i < missing_; ++i) add_whole();
    } else if (PyBool_Check(o)) {
      out_.items.push_back({.kind = Kind::flag, .flag = o == Py_True});
      out_.advanced = true;
      out_.whole = false;
    } else if (PySlice_Check(o)) {
      add_slice(o);
    } else {
      add_integer(o);
    }
  }

  void add_whole() {
    out_.items.push_back({.kind = Kind::range, .axis = axis_, .range = {0, 1, size()}});
    ++axis_;
  }
  int64_t size() const { return a_.shape()[axis_]; }

  void add_slice(PyObject* o) {
    Py_ssize_t start, stop, step;
    if (PySlice_Unpack(o, &start, &stop, &step) < 0) throw nb::python_error();
    Py_ssize_t n = PySlice_AdjustIndices(size(), &start, &stop, step);
    if (n == 0) start = 0, step = 1;
    out_.items.push_back({.kind = Kind::range, .axis = axis_, .range = {start, step, n}});
    out_.whole = out_.whole && step == 1 && n == size();
    auto* s = reinterpret_cast<PySliceObject*>(o);
    if (s->start != Py_None || s->stop != Py_None) note_size_read(a_, "bounds of a slice");
    ++axis_;
  }

  void add_integer(PyObject* o) {
    std::optional<int64_t> v = to_int64(o, op_);
    if (!v) {
      fail<TypeError>("[", op_,
                      "] expected ints, slices, None, Ellipsis or int arrays as indices; "
                      "got ",
                      Py_TYPE(o)->tp_name);
    }
    int64_t n = size(), i = *v < 0 ? *v + n : *v;
    if (i < 0 || i >= n) {
      fail<std::out_of_range>("[", op_, "] expected an index in [", -n, ", ", n, ") for axis ",
                              axis_, "; got ", *v);
    }
    out_.items.push_back({.kind = Kind::integer, .axis = axis_, .range = {i, 1, 1}});
    out_.whole = false;
    ++axis_;
  }

  void add_array(const array& indices) {
    out_.advanced = true;
    out_.whole = false;
    if (indices.dtype() == bool_) return add_mask(indices);
    if (!is_integer(indices.dtype())) {
      fail<TypeError>("[", op_, "] expected int or bool arrays as indices; got ", indices.dtype());
    }
    out_.items.push_back({.kind = Kind::indices, .axis = axis_, .indices = indices});
    ++axis_;
  }

  void check_mask(const array& mask) {
    bool reads = std::string_view(op_) == "getitem";
    expect_known(mask, op_, reads ? "extract(mask, x, size=n)" : "where(mask, value, x)");
    for (int i = 0; i < mask.ndim(); ++i) {
      if (mask.shape()[i] != a_.shape()[axis_ + i]) {
        fail<std::out_of_range>("[", op_,
                                "] expected a mask of the shape of the axes it indexes; "
                                "got ",
                                mask.shape(), " for an array of shape ", a_.shape());
      }
    }
  }

  // A mask of several axes stands for one array of positions per axis.
  void add_mask(const array& mask) {
    check_mask(mask);
    if (mask.ndim() == 0) {
      out_.items.push_back({.kind = Kind::flag, .flag = mask.item<bool>()});
      return;
    }
    for (array& at : nonzero(mask)) {
      out_.items.push_back({.kind = Kind::indices, .axis = axis_, .indices = std::move(at)});
      ++axis_;
    }
  }

  const array& a_;
  const char* op_;
  int missing_ = 0;
  int axis_ = 0;
  std::vector<std::optional<array>> masks_;
  Index out_;
};

}  // namespace

Index read_index(const array& a, PyObject* index, const char* op, bool keeps_mask) {
  return Reader(a, op).read(index, keeps_mask);
}

std::optional<array> lone_mask(const array& a, PyObject* index) {
  if (PyTuple_Check(index) && PyTuple_GET_SIZE(index) == 1) index = PyTuple_GET_ITEM(index, 0);
  std::optional<array> mask;
  if (is_array(index)) {
    mask = value_of(index);
  } else if (is_foreign_array(index)) {
    mask = from_buffer(index, true);
  }
  if (!mask || mask->dtype() != bool_ || mask->ndim() > a.ndim()) {
    return std::nullopt;
  }
  for (int i = 0; i < mask->ndim(); ++i) {
    if (mask->shape()[i] != a.shape()[i]) return std::nullopt;
  }
  return mask;
}

}  // namespace olivine::python
