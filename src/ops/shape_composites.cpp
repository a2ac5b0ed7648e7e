// Shape ops made of others: splitting, stacking, padding, repeating, rolling, diagonals and grids.
#include <cstdlib>

#include "core/error.h"
#include "core/node.h"
#include "core/op.h"
#include "core/size.h"
#include "olivine/ops/creation.h"
#include "olivine/ops/elementwise.h"
#include "olivine/ops/indexing.h"
#include "olivine/ops/reduction.h"
#include "olivine/ops/shape.h"
#include "ops/indexing_params.h"
#include "runtime/interrupt.h"

namespace olivine {
namespace {

// Elements start <= i < stop of one axis.
array slice_axis(const array& a, int axis, int64_t start, int64_t stop, StreamOrDevice s) {
  Shape from(a.shape().size(), 0), to = a.shape();
  from[axis] = start;
  to[axis] = stop;
  return slice(a, from, to, s);
}
std::vector<int> all_axes(const array& a) {
  std::vector<int> axes(a.ndim());
  for (int i = 0; i < a.ndim(); ++i) axes[i] = i;
  return axes;
}

}  // namespace

array stack(const std::vector<array>& arrays, int axis, StreamOrDevice s) {
  if (arrays.empty()) fail("[stack] expected at least one array; got none");
  for (const array& a : arrays) {
    if (a.shape() != arrays[0].shape()) {
      fail("[stack] expected equal shapes; got ", arrays[0].shape(), " and ", a.shape());
    }
  }
  int ax = normalize_axis(axis, arrays[0].ndim() + 1, "stack");
  std::vector<array> rows;
  rows.reserve(arrays.size());
  for (const array& a : arrays) rows.push_back(expand_dims(a, ax, s));
  return concatenate(rows, ax, s);
}
array stack(const std::vector<array>& arrays, StreamOrDevice s) { return stack(arrays, 0, s); }

std::vector<array> unstack(const array& a, int axis, StreamOrDevice s) {
  int ax = normalize_axis(axis, a.ndim(), "unstack");
  std::vector<array> out;
  for (int64_t i = 0; i < a.shape()[ax]; ++i) {
    poll_interrupt();
    out.push_back(squeeze(slice_axis(a, ax, i, i + 1, s), ax, s));
  }
  return out;
}

std::vector<array> split(const array& a, const Shape& indices, int axis, StreamOrDevice s) {
  int ax = normalize_axis(axis, a.ndim(), "split");
  std::vector<array> parts;
  int64_t start = 0;
  for (int64_t stop : indices) {
    parts.push_back(slice_axis(a, ax, start, stop, s));
    start = stop;
  }
  parts.push_back(slice_axis(a, ax, start, a.shape()[ax], s));
  return parts;
}
std::vector<array> split(const array& a, const Shape& indices, StreamOrDevice s) {
  return split(a, indices, 0, s);
}
std::vector<array> split(const array& a, int parts, int axis, StreamOrDevice s) {
  int ax = normalize_axis(axis, a.ndim(), "split");
  if (parts <= 0) fail("[split] expected at least one part; got ", parts);
  int64_t size = a.shape()[ax];
  if (size % parts != 0) {
    fail("[split] expected an axis that divides into ", parts, " equal parts; got axis ", ax,
         " of shape ", a.shape());
  }
  Shape indices;
  for (int i = 1; i < parts; ++i) indices.push_back(size / parts * i);
  return split(a, indices, ax, s);
}
std::vector<array> split(const array& a, int parts, StreamOrDevice s) {
  return split(a, parts, 0, s);
}

// ---- pad

namespace {

// Extends one axis by its own elements in reverse, without (`reflect`) or with ("symmetric") the
// edge itself; wider than the axis, the sequence a, reversed a, a … continues.
array mirror_axis(const array& a, int axis, int64_t low, int64_t high, bool reflect,
                  StreamOrDevice s) {
  int64_t n = a.shape()[axis], skip = reflect ? 1 : 0;
  array reversed = flip(a, axis, s);
  if (low <= n - skip && high <= n - skip) {
    return concatenate({slice_axis(reversed, axis, n - skip - low, n - skip, s), a,
                        slice_axis(reversed, axis, skip, skip + high, s)},
                       axis, s);
  }
  array period = concatenate({a, slice_axis(reversed, axis, skip, n - skip, s)}, axis, s);
  int64_t length = period.shape()[axis], width = checked_add(checked_add(n, low, "pad"), high);
  int64_t phase = (length - low % length) % length;
  Shape lead = period.shape(), run = lead;
  lead.insert(lead.begin() + axis, (phase + width + length - 1) / length);
  run[axis] = checked_mul(length, lead[axis], "pad");
  array sequence = reshape(broadcast_to(expand_dims(period, axis, s), lead, s), run, s);
  return slice_axis(sequence, axis, phase, phase + width, s);
}

array repeat_edges(const array& a, int axis, int64_t low, int64_t high, StreamOrDevice s) {
  int64_t n = a.shape()[axis];
  Shape before = a.shape(), after = a.shape();
  before[axis] = low;
  after[axis] = high;
  return concatenate({broadcast_to(slice_axis(a, axis, 0, 1, s), before, s), a,
                      broadcast_to(slice_axis(a, axis, n - 1, n, s), after, s)},
                     axis, s);
}

array pad_axis(const array& a, int axis, int64_t low, int64_t high, const std::string& mode,
               StreamOrDevice s) {
  if (low == 0 && high == 0) return a;
  int64_t n = a.shape()[axis];
  if (n == 0) fail("[pad] expected elements to repeat along axis ", axis, "; got ", a.shape());
  if (mode == "edge" || n == 1) return repeat_edges(a, axis, low, high, s);
  return mirror_axis(a, axis, low, high, mode == "reflect", s);
}

}  // namespace

array pad(const array& a, const std::vector<int>& axes, const Shape& low, const Shape& high,
          const array& value, const std::string& mode, StreamOrDevice s) {
  if (low.size() != axes.size() || high.size() != axes.size()) {
    fail("[pad] expected ", axes.size(), " widths at each end; got ", low.size(), " and ",
         high.size());
  }
  if (mode != "constant" && mode != "edge" && mode != "reflect" && mode != "symmetric") {
    fail("[pad] expected mode constant, edge, reflect or symmetric; got '", mode, "'");
  }
  normalize_axes(axes, a.ndim(), "pad");
  Shape shape = a.shape(), start(shape.size(), 0);
  array out = a;
  for (size_t i = 0; i < axes.size(); ++i) {
    if (low[i] < 0 || high[i] < 0) fail("[pad] expected widths >= 0; got ", low, " and ", high);
    int axis = normalize_axis(axes[i], a.ndim(), "pad");
    start[axis] = low[i];
    shape[axis] = checked_add(checked_add(shape[axis], low[i], "pad"), high[i], "pad");
    if (mode != "constant") out = pad_axis(out, axis, low[i], high[i], mode, s);
  }
  if (mode != "constant" || shape == a.shape()) return out;
  Shape stop = start;
  for (int i = 0; i < a.ndim(); ++i) stop[i] += a.shape()[i];
  return slice_update(full(shape, value, a.dtype(), s), a, start, stop, s);
}
array pad(const array& a, const std::vector<std::pair<int, int>>& width, const array& value,
          const std::string& mode, StreamOrDevice s) {
  if (static_cast<int>(width.size()) != a.ndim()) {
    fail("[pad] expected ", a.ndim(), " pairs of widths for shape ", a.shape(), "; got ",
         width.size());
  }
  Shape low, high;
  for (auto [l, h] : width) {
    low.push_back(l);
    high.push_back(h);
  }
  return pad(a, all_axes(a), low, high, value, mode, s);
}
array pad(const array& a, const std::pair<int, int>& width, const array& value,
          const std::string& mode, StreamOrDevice s) {
  return pad(a, std::vector<std::pair<int, int>>(a.ndim(), width), value, mode, s);
}
array pad(const array& a, int width, const array& value, const std::string& mode,
          StreamOrDevice s) {
  return pad(a, std::pair<int, int>(width, width), value, mode, s);
}

// ---- tile, repeat, roll, flip

array tile(const array& a, std::vector<int> reps, StreamOrDevice s) {
  Shape shape = a.shape();
  while (reps.size() < shape.size()) reps.insert(reps.begin(), 1);
  while (shape.size() < reps.size()) shape.insert(shape.begin(), 1);
  // Each repeated axis becomes (reps, size): a broadcast, then one copy in order.
  Shape split_shape, repeated, out;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (reps[i] < 0) fail("[tile] expected repetitions >= 0; got ", reps[i]);
    if (reps[i] != 1) {
      split_shape.push_back(1);
      repeated.push_back(reps[i]);
    }
    split_shape.push_back(shape[i]);
    repeated.push_back(shape[i]);
    out.push_back(checked_mul(shape[i], reps[i], "tile"));
  }
  return reshape(broadcast_to(reshape(a, split_shape, s), repeated, s), out, s);
}

array repeat(const array& a, int repeats, int axis, StreamOrDevice s) {
  int ax = normalize_axis(axis, a.ndim(), "repeat");
  if (repeats < 0) fail("[repeat] expected repeats >= 0; got ", repeats);
  if (repeats == 1) return a;
  Shape repeated = a.shape(), out = a.shape();
  repeated.insert(repeated.begin() + ax + 1, repeats);
  out[ax] = checked_mul(out[ax], repeats, "repeat");
  return reshape(broadcast_to(expand_dims(a, ax + 1, s), repeated, s), out, s);
}
array repeat(const array& a, int repeats, StreamOrDevice s) {
  return repeat(flatten(a, s), repeats, 0, s);
}

array roll(const array& a, const Shape& shift, const std::vector<int>& axes, StreamOrDevice s) {
  if (shift.size() != axes.size()) {
    fail("[roll] expected one shift per axis; got ", shift.size(), " and ", axes.size());
  }
  array out = a;
  for (size_t i = 0; i < axes.size(); ++i) {
    int axis = normalize_axis(axes[i], a.ndim(), "roll");
    int64_t n = a.shape()[axis];
    if (n == 0) continue;
    int64_t by = ((shift[i] % n) + n) % n;
    if (by == 0) {
      if (shift[i] != 0) note_size_read(a, "a roll by the length of an axis");
      continue;
    }
    out = concatenate({slice_axis(out, axis, n - by, n, s), slice_axis(out, axis, 0, n - by, s)},
                      axis, s);
  }
  return out;
}
namespace {
int64_t total(const Shape& shift) {
  int64_t sum = 0;
  for (int64_t d : shift) sum = checked_add(sum, d, "roll");
  return sum;
}
}  // namespace
array roll(const array& a, const Shape& shift, int axis, StreamOrDevice s) {
  return roll(a, Shape{total(shift)}, std::vector<int>{axis}, s);
}
array roll(const array& a, const Shape& shift, StreamOrDevice s) {
  return reshape(roll(flatten(a, s), Shape{total(shift)}, std::vector<int>{0}, s), a.shape(), s);
}
array roll(const array& a, int shift, const std::vector<int>& axes, StreamOrDevice s) {
  return roll(a, Shape(axes.size(), shift), axes, s);
}
array roll(const array& a, int shift, int axis, StreamOrDevice s) {
  return roll(a, Shape{shift}, std::vector<int>{axis}, s);
}
array roll(const array& a, int shift, StreamOrDevice s) { return roll(a, Shape{shift}, s); }

array flip(const array& a, const std::vector<int>& axes, StreamOrDevice s) {
  Shape start(a.shape().size(), 0), stop = a.shape(), step(a.shape().size(), 1);
  for (int axis : normalize_axes(axes, a.ndim(), "flip")) {
    start[axis] = -1;
    stop[axis] = -a.shape()[axis] - 1;
    step[axis] = -1;
  }
  return slice(a, start, stop, step, s);
}
array flip(const array& a, int axis, StreamOrDevice s) {
  return flip(a, std::vector<int>{axis}, s);
}
array flip(const array& a, StreamOrDevice s) { return flip(a, all_axes(a), s); }

// ---- ranks, diagonals, grids

array atleast_1d(const array& a, StreamOrDevice s) {
  return a.ndim() >= 1 ? a : reshape(a, {1}, s);
}
array atleast_2d(const array& a, StreamOrDevice s) {
  if (a.ndim() >= 2) return a;
  return reshape(a, {1, a.size()}, s);
}
array atleast_3d(const array& a, StreamOrDevice s) {
  if (a.ndim() >= 3) return a;
  if (a.ndim() == 2) return expand_dims(a, 2, s);
  return reshape(a, {1, a.size(), 1}, s);
}
namespace {
std::vector<array> each(const std::vector<array>& arrays, StreamOrDevice s,
                        array (*f)(const array&, StreamOrDevice)) {
  std::vector<array> out;
  for (const array& a : arrays) out.push_back(f(a, s));
  return out;
}
}  // namespace
std::vector<array> atleast_1d(const std::vector<array>& a, StreamOrDevice s) {
  return each(a, s, atleast_1d);
}
std::vector<array> atleast_2d(const std::vector<array>& a, StreamOrDevice s) {
  return each(a, s, atleast_2d);
}
std::vector<array> atleast_3d(const std::vector<array>& a, StreamOrDevice s) {
  return each(a, s, atleast_3d);
}

array diag(const array& a, int k, StreamOrDevice s) {
  if (a.ndim() == 2) return diagonal(a, k, 0, 1, s);
  if (a.ndim() != 1) fail("[diag] expected one or two axes; got shape ", a.shape());
  int64_t n = a.size() + std::abs(int64_t(k));
  return place_diagonal(a, n, n, k, s);
}

array trace(const array& a, int offset, int axis1, int axis2, Dtype dtype, StreamOrDevice s) {
  return astype(sum(astype(diagonal(a, offset, axis1, axis2, s), dtype, s), -1, false, s), dtype,
                s);
}
array trace(const array& a, int offset, int axis1, int axis2, StreamOrDevice s) {
  return sum(diagonal(a, offset, axis1, axis2, s), -1, false, s);
}
array trace(const array& a, StreamOrDevice s) { return trace(a, 0, 0, 1, s); }

std::vector<array> meshgrid(const std::vector<array>& arrays, bool sparse,
                            const std::string& indexing, StreamOrDevice s) {
  if (indexing != "xy" && indexing != "ij") {
    fail("[meshgrid] expected indexing 'xy' or 'ij'; got '", indexing, "'");
  }
  size_t n = arrays.size();
  std::vector<array> out;
  for (size_t i = 0; i < n; ++i) {
    Shape shape(n, 1);
    size_t axis = indexing == "xy" && n > 1 && i < 2 ? 1 - i : i;
    shape[axis] = arrays[i].size();
    out.push_back(reshape(arrays[i], shape, s));
  }
  return sparse ? out : broadcast_arrays(out, s);
}

array number_of_elements(const array& a, std::vector<int> axes, bool inverted, Dtype dtype,
                         StreamOrDevice s) {
  double count = 1;
  for (int axis : normalize_axes(axes, a.ndim(), "number_of_elements")) {
    count *= static_cast<double>(a.shape()[axis]);
  }
  return astype(array(inverted ? 1 / count : count, float64), dtype, s);
}

}  // namespace olivine
