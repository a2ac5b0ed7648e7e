// x[index], x[index] = value and x.at[index].add(value), as NumPy defines them.
//
// Integers and slices take a block by slice. Arrays gather from, or scatter into, that block: their
// dimensions lead the result, then move to where the first of them stood if they stood together.
#include "olivine/ops/indexing.h"
#include "array.h"
#include "convert.h"
#include "core/error.h"
#include "core/known.h"
#include "index.h"
#include "olivine/ops/elementwise.h"
#include "olivine/ops/selection.h"
#include "olivine/ops/shape.h"
#include "recording.h"

namespace olivine::python {
namespace {

using Kind = IndexItem::Kind;

// ---- The block that integers and slices select.
struct Block {
  Shape start, stop, strides, shape;
  bool whole = true;
};

Block block_of(const array& a, const Index& index) {
  Block b{Shape(a.ndim()), a.shape(), Shape(a.ndim(), 1), a.shape(), true};
  for (const IndexItem& item : index.items) {
    if (item.kind != Kind::integer && item.kind != Kind::range) continue;
    int64_t n = a.shape()[item.axis];
    const Range& r = item.range;
    if (r.start == 0 && r.step == 1 && r.count == n) continue;
    b.whole = false;
    int64_t stop = r.start + r.count * r.step;
    // One before the first element is written as -n - 1: -1 would mean the last one.
    b.start[item.axis] = r.start;
    b.stop[item.axis] = r.step > 0 ? std::min(stop, n) : (stop < 0 ? -n - 1 : stop);
    b.strides[item.axis] = r.step;
    b.shape[item.axis] = r.count;
  }
  return b;
}

array take_block(const array& a, const Block& b) {
  return b.whole ? a : slice(a, b.start, b.stop, b.strides);
}

// ---- How the dimensions of the result relate to those of the block.
struct ResultLayout {
  std::vector<int> dropped;   // axes of the block that the result lacks
  std::vector<int> new_axes;  // positions among the kept dimensions
  int kept = 0;               // dimensions of the result that are not of index arrays
  int position = 0;           // where among the kept ones those of index arrays stand
};

ResultLayout layout_of(const Index& index) {
  ResultLayout l;
  int runs = 0, kept_before = 0;
  bool inside = false;
  for (const IndexItem& item : index.items) {
    bool joins = item.advanced() || (index.advanced && item.kind == Kind::integer);
    inside = inside && !item.after_ellipsis;
    if (joins && !inside && runs++ == 0) kept_before = l.kept;
    inside = joins;
    if (item.kind == Kind::new_axis) l.new_axes.push_back(l.kept);
    if (item.kind == Kind::new_axis || item.kind == Kind::range) ++l.kept;
    if (item.kind == Kind::integer || item.kind == Kind::indices) l.dropped.push_back(item.axis);
  }
  l.position = runs > 1 ? 0 : kept_before;
  return l;
}

// ---- Index arrays.
struct Gathering {
  std::vector<array> indices;
  std::vector<int> axes;
  Shape shape;  // of the broadcast indices
};

Shape common_shape(const Shape& a, const Shape& b) {
  try {
    return broadcast_shapes(a, b);
  } catch (const std::invalid_argument&) {
    fail<std::out_of_range>("[getitem] expected index arrays that broadcast; got shapes ", a,
                            " and ", b);
  }
}

Gathering gathering_of(const Index& index) {
  Gathering g;
  bool flags = false, all = true;
  for (const IndexItem& item : index.items) {
    if (item.kind == Kind::flag) {
      flags = true;
      all = all && item.flag;
    }
    if (item.kind != Kind::indices) continue;
    g.shape =
        g.indices.empty() ? item.indices->shape() : common_shape(g.shape, item.indices->shape());
    g.indices.push_back(*item.indices);
    g.axes.push_back(item.axis);
  }
  if (flags) g.shape = common_shape(g.shape, Shape{all ? 1 : 0});
  for (array& i : g.indices) i = broadcast_to(i, g.shape);
  return g;
}

// The axes first … of the result become those before `position`; the inverse with `back`.
array move_leading(const array& a, int count, int position, bool back) {
  if (count == 0 || position == 0) return a;
  std::vector<int> order;
  int n = a.ndim();
  if (!back) {
    for (int i = 0; i < position; ++i) order.push_back(count + i);
    for (int i = 0; i < count; ++i) order.push_back(i);
  } else {
    for (int i = 0; i < count; ++i) order.push_back(position + i);
    for (int i = 0; i < position; ++i) order.push_back(i);
  }
  for (int i = count + position; i < n; ++i) order.push_back(i);
  return transpose(a, order);
}

array squeezed(const array& a, const std::vector<int>& axes) {
  return axes.empty() ? a : squeeze(a, axes);
}
array expanded(const array& a, const std::vector<int>& axes) {
  return axes.empty() ? a : expand_dims(a, axes);
}
std::vector<int> shifted(std::vector<int> axes, int by) {
  for (int& i : axes) i += by;
  return axes;
}

// The elements of a block that index arrays select, their dimensions leading.
array gather_block(const array& block, const Gathering& g) {
  if (!g.indices.empty()) {
    Shape sizes = block.shape();
    for (int axis : g.axes) sizes[axis] = 1;
    return gather(block, g.indices, g.axes, sizes);
  }
  array one = expand_dims(block, 0);  // only bools: a new axis, of size 1 or 0
  if (g.shape[0] == 1) return one;
  Shape stop = one.shape();
  stop[0] = 0;
  return slice(one, Shape(stop.size()), stop);
}

array index_array(const array& a, PyObject* o) {
  Index index = read_index(a, o, "getitem", true);
  if (index.mask) return extract(*index.mask, a);
  if (index.whole) return a;
  Block block = block_of(a, index);
  ResultLayout layout = layout_of(index);
  array taken = take_block(a, block);
  if (!index.advanced) {
    return expanded(squeezed(taken, layout.dropped), layout.new_axes);
  }
  Gathering g = gathering_of(index);
  auto leading = static_cast<int>(g.shape.size());
  bool plain = g.indices.size() == 1 && layout.dropped.size() == 1 && layout.new_axes.empty() &&
               index.items.size() == static_cast<size_t>(a.ndim());
  if (plain) return take(taken, g.indices[0], g.axes[0]);
  array result = gather_block(taken, g);
  result = squeezed(result, shifted(layout.dropped, leading));
  result = expanded(result, shifted(layout.new_axes, leading));
  return move_leading(result, leading, layout.position, false);
}

// ---- Updates.
struct Update {
  const char* op;
  array (*on_slice)(const array&, const array&, Shape, Shape, Shape, StreamOrDevice);
  array (*on_indices)(const array&, const std::vector<array>&, const array&,
                      const std::vector<int>&, StreamOrDevice);
};
constexpr Update kAssign{"setitem", slice_update, scatter};
constexpr Update kAdd{"at.add", slice_update_add, scatter_add};
constexpr Update kMultiply{"at.multiply", slice_update_prod, scatter_prod};
constexpr Update kMaximum{"at.maximum", slice_update_max, scatter_max};
constexpr Update kMinimum{"at.minimum", slice_update_min, scatter_min};

// `value` without extra leading axes of size 1, broadcast to `shape`.
array fitted(array value, const Shape& shape, const char* op) {
  while (value.ndim() > static_cast<int>(shape.size()) && value.shape()[0] == 1) {
    value = squeeze(value, 0);
  }
  if (value.ndim() > static_cast<int>(shape.size())) {
    fail("[", op, "] expected a value that broadcasts to ", shape, "; got shape ", value.shape());
  }
  return value.shape() == shape ? value : broadcast_to(value, shape);
}

array update_array(const array& a, const Index& index, array value, const Update& u) {
  value = astype(value, a.dtype());
  if (index.whole && u.on_slice == kAssign.on_slice) return fitted(value, a.shape(), u.op);
  Block block = block_of(a, index);
  ResultLayout layout = layout_of(index);
  Gathering g = gathering_of(index);
  int leading = static_cast<int>(g.shape.size());

  // The shape of the result of indexing; from there back to the block's dimensions.
  Shape kept, full;
  for (const IndexItem& item : index.items) {
    if (item.kind == Kind::range) kept.push_back(item.range.count);
    if (item.kind == Kind::new_axis) kept.push_back(1);
  }
  full.assign(kept.begin(), kept.begin() + layout.position);
  for (int64_t d : g.shape) full.push_back(d);
  for (size_t i = static_cast<size_t>(layout.position); i < kept.size(); ++i) {
    full.push_back(kept[i]);
  }
  value = fitted(value, full, u.op);
  value = move_leading(value, leading, layout.position, true);
  value = squeezed(value, shifted(layout.new_axes, leading));
  value = expanded(value, shifted(layout.dropped, leading));

  if (!index.advanced) return u.on_slice(a, value, block.start, block.stop, block.strides, {});
  if (g.indices.empty()) {  // only bools: all of the block, or nothing
    if (g.shape[0] == 0) return a;
    return u.on_slice(a, squeeze(value, 0), block.start, block.stop, block.strides, {});
  }
  array changed = u.on_indices(take_block(a, block), g.indices, value, g.axes, {});
  if (block.whole) return changed;
  return slice_update(a, changed, block.start, block.stop, block.strides);
}

array operand(PyObject* value, const array& a, const char* op) {
  std::optional<array> v = from_operand(value, a.dtype());
  if (!v && (PyList_Check(value) || PyTuple_Check(value))) v = from_object(value, std::nullopt);
  if (!v) {
    fail<TypeError>("[", op, "] expected array or scalar; got ", Py_TYPE(value)->tp_name);
  }
  return *v;
}

// Where a mask is true: one value, or part, for all; or the parts of `v` in their order. Nothing
// here asks how many there are, which a traced mask does not tell.
array assigned_under(const array& a, const array& mask, array v) {
  int rank = mask.ndim();
  std::vector<int> trailing;
  for (int i = rank; i < a.ndim(); ++i) trailing.push_back(i);
  int extra = v.ndim() - (a.ndim() - rank);
  Shape parts(a.shape().begin() + rank, a.shape().end());
  parts.insert(parts.begin(), extra > 0 ? v.shape()[extra - 1] : 1);
  v = fitted(astype(v, a.dtype()), parts, "setitem");
  array under = expanded(mask, trailing);
  return parts[0] == 1 ? where(under, squeeze(v, 0), a) : masked_scatter(a, under, v);
}

array assigned(const array& a, PyObject* index, PyObject* value) {
  array v = operand(value, a, "setitem");
  if (v.size() == 1 || is_array(index)) {
    std::optional<array> mask = lone_mask(a, index);
    // A mask need not be computed for one value.
    if (mask && (v.size() == 1 || awaits_input(*mask))) return assigned_under(a, *mask, v);
  }
  return update_array(a, read_index(a, index, "setitem"), std::move(v), kAssign);
}

struct At {
  array value;
  nb::object index;
};

// x.at[index].add(value)
template <const Update& u>
PyObject* updated(PyObject* x, PyObject* o, PyObject* value) {
  return guarded([&] {
    const array& a = value_of(x);
    Index index = read_index(a, o, u.op);
    return wrap(update_array(a, index, operand(value, a, u.op), u));
  });
}
template <const Update& u>
nb::object at_update(const At& at, nb::handle value) {
  if (!at.index.is_valid()) {
    fail("[", u.op, "] expected an index, as in x.at[index]; got none");
  }
  nb::object x = nb::steal(wrap(at.value));
  nb::object out = nb::steal(recorded<updated<u>>(x.ptr(), at.index.ptr(), value.ptr()));
  if (!out.is_valid()) throw nb::python_error();
  return out;
}
// The same with f of the value.
template <const Update& u, array (*f)(const array&, StreamOrDevice)>
nb::object at_update_by(const At& at, nb::handle value, const char* op) {
  nb::object v = nb::steal(wrap(operand(as_number(value).ptr(), at.value, op)));
  v = nb::steal(recorded<unary_call<f>>(v.ptr()));
  if (!v.is_valid()) throw nb::python_error();
  return at_update<u>(at, v);
}

}  // namespace

PyObject* get_item(PyObject* self, PyObject* index) {
  return guarded([&] { return wrap(index_array(value_of(self), index)); });
}

static PyObject* assign_item(PyObject* self, PyObject* index, PyObject* value) {
  return guarded([&] {
    set_value(self, assigned(value_of(self), index, value));
    return Py_NewRef(Py_None);
  });
}
int set_item(PyObject* self, PyObject* index, PyObject* value) {
  return guarded([&] {
    if (!value) fail<TypeError>("[delitem] expected an assignment; got a deletion");
    nb::object done = nb::steal(recorded<assign_item>(self, index, value));
    if (!done.is_valid()) throw nb::python_error();
    return 0;
  });
}

PyObject* make_array_at(PyObject* self) { return nb::cast(At{value_of(self), {}}).release().ptr(); }

void bind_array_at(nb::module_& m) {
  nb::class_<At>(m, "ArrayAt")
      .def(
          "__getitem__",
          [](const At& at, nb::object index) {
            return At{at.value, index};
          },
          nb::arg("indices").none())
      .def("add", at_update<kAdd>, nb::arg("value"))
      .def("multiply", at_update<kMultiply>, nb::arg("value"))
      .def("maximum", at_update<kMaximum>, nb::arg("value"))
      .def("minimum", at_update<kMinimum>, nb::arg("value"))
      .def(
          "subtract",
          [](const At& at, nb::handle value) {
            return at_update_by<kAdd, negative>(at, value, "at.subtract");
          },
          nb::arg("value"))
      .def(
          "divide",
          [](const At& at, nb::handle value) {
            if (!is_inexact(at.value.dtype())) {
              fail("[at.divide] expected a floating dtype; got ", at.value.dtype());
            }
            return at_update_by<kMultiply, reciprocal>(at, value, "at.divide");
          },
          nb::arg("value"));
}

}  // namespace olivine::python
