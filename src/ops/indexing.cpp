// Indexing ops: records of slice, slice_update, gather, scatter and their one-axis forms.
//
// gather and scatter are each other's derivative, as are slice and slice_update: reading blocks
// transposes to adding into zeros. Indices are data: kernels check them.
#include "olivine/ops/indexing.h"

#include "core/checks.h"
#include "core/error.h"
#include "core/node.h"
#include "core/op.h"
#include "core/size.h"
#include "olivine/ops/creation.h"
#include "olivine/ops/elementwise.h"
#include "olivine/ops/scan.h"
#include "olivine/ops/shape.h"
#include "ops/batching.h"
#include "ops/indexing_params.h"

namespace olivine {

namespace {

using Specs = std::vector<OutSpec>;

Specs like_first(const ParamsRef&, std::span<const array> in) {
  return {{in[0].shape(), in[0].dtype()}};
}
array emit_one(const Op& op, const ParamsRef& params, std::span<const array> in) {
  return emit(op, params, in)[0];
}

// ---- slice and slice_update

extern const Op slice_update_op;

array make_slice(const array& a, const SliceParams& p, StreamOrDevice s = {});
array make_slice_update(const array& src, const array& update, const SliceParams& p,
                        StreamOrDevice s = {}) {
  return make_node(slice_update_op, make_params(p), {src, update}, src.shape(), src.dtype(), s);
}

SliceParams batched(const SliceParams& p, int64_t batch) {
  return {prepend(0, p.start), prepend(batch, p.shape), prepend(1, p.strides)};
}

// The block lies within the first input.
void check_block(const CheckCall& c) {
  const auto& p = c.params.as<SliceParams>();
  const Shape& in = c.in[0].shape();
  require(
      c,
      p.start.size() == in.size() && p.shape.size() == in.size() && p.strides.size() == in.size(),
      "a start, size and stride for each axis");
  bool empty = element_count(p.shape, c.op.name) == 0;
  for (size_t i = 0; i < in.size(); ++i) {
    int64_t reach = checked_mul(std::max<int64_t>(p.shape[i] - 1, 0), p.strides[i], c.op.name);
    int64_t last = checked_add(p.start[i], reach, c.op.name);
    bool inside = std::min(p.start[i], last) >= 0 && std::max(p.start[i], last) < in[i];
    if (!inside && !(empty && p.start[i] == 0 && reach == 0)) {
      reject(c, "expected a block within shape ", in, "; got one from ", p.start[i], " to ", last,
             " along axis ", i);
    }
  }
}

const Op slice_op = structural(
    "slice",
    {.infer =
         [](const ParamsRef& p, std::span<const array> in) {
           return Specs{{p.as<SliceParams>().shape, in[0].dtype()}};
         },
     .transpose =
         [](const VjpCall& c) {
           array into = zeros(c.in[0].shape(), c.ct[0].dtype());
           return MaybeArrays{make_slice_update(into, c.ct[0], c.params.as<SliceParams>())};
         },
     .vmap =
         [](const VmapCall& c) {
           auto p = batched(c.params.as<SliceParams>(), c.batch);
           return VmapResult{{make_slice(batch_first(c, 0), p)}, {0}};
         },
     .view =
         [](const ParamsRef& params, const Layout& in, const OutSpec& out, Layout& result) {
           const auto& p = params.as<SliceParams>();
           result = {out.shape, in.strides, in.offset};
           for (size_t i = 0; i < p.start.size(); ++i) {
             result.offset += p.start[i] * in.strides[i];
             result.strides[i] *= p.strides[i];
           }
           return true;
         },
     .params = &params_type<SliceParams>,
     .check =
         [](const CheckCall& c) {
           expect_inputs(c, 1);
           check_block(c);
         }});

const Op slice_update_op = structural(
    "slice_update",
    {.infer = like_first,
     .transpose =
         [](const VjpCall& c) {
           const auto& p = c.params.as<SliceParams>();
           MaybeArrays out(2);
           if (c.wanted[0]) {
             out[0] = make_slice_update(c.ct[0], zeros(p.shape, c.ct[0].dtype()), p);
           }
           if (c.wanted[1]) out[1] = make_slice(c.ct[0], p);
           return out;
         },
     .vmap =
         [](const VmapCall& c) {
           auto p = batched(c.params.as<SliceParams>(), c.batch);
           return VmapResult{{make_slice_update(batch_first(c, 0), batch_first(c, 1), p)}, {0}};
         },
     .params = &params_type<SliceParams>,
     .check =
         [](const CheckCall& c) {
           expect_inputs(c, 2);
           expect_one_dtype(c, 0, 2);
           check_block(c);
           expect_shape(c, 1, c.params.as<SliceParams>().shape);
         }});

array make_slice(const array& a, const SliceParams& p, StreamOrDevice s) {
  bool whole = p.shape == a.shape();
  for (size_t i = 0; i < p.start.size(); ++i) whole &= p.start[i] == 0 && p.strides[i] == 1;
  if (whole) {
    note_size_read(a, "a slice of a whole axis");
    return a;
  }
  return make_node(slice_op, make_params(p), {a}, p.shape, a.dtype(), s);
}

SliceParams normalize_slice(const Shape& shape, const Shape& start, const Shape& stop,
                            const Shape& strides, const char* op) {
  size_t ndim = shape.size();
  if (start.size() != ndim || stop.size() != ndim || strides.size() != ndim) {
    fail("[", op, "] expected a start, stop and stride for each axis of ", shape, "; got ",
         start.size(), ", ", stop.size(), " and ", strides.size());
  }
  SliceParams p{Shape(ndim, 0), Shape(ndim, 0), Shape(ndim, 1)};
  for (size_t i = 0; i < ndim; ++i) {
    if (strides[i] == 0) fail("[", op, "] expected strides other than 0; got ", strides);
    int64_t n = shape[i];
    int64_t step = std::clamp(strides[i], -n - 1, n + 1);
    int64_t from = start[i] < 0 ? start[i] + n : start[i];
    int64_t to = stop[i] < 0 ? stop[i] + n : stop[i];
    int64_t count;
    if (step > 0) {
      from = std::clamp<int64_t>(from, 0, n);
      count = (std::clamp<int64_t>(to, 0, n) - from + step - 1) / step;
    } else {
      from = std::clamp<int64_t>(from, -1, n - 1);
      count = (from - std::clamp<int64_t>(to, -1, n - 1) - step - 1) / -step;
    }
    p.shape[i] = std::max<int64_t>(count, 0);
    p.start[i] = count > 0 ? from : 0;
    p.strides[i] = count > 1 ? step : 1;
  }
  return p;
}

// ---- gather and scatter

extern const Op scatter_op;
extern const Op gather_op;

array make_gather(const array& a, std::span<const array> indices, const GatherParams& p) {
  Arrays in{a};
  in.insert(in.end(), indices.begin(), indices.end());
  return emit_one(gather_op, make_params(p), in);
}
array make_scatter(const array& a, std::span<const array> indices, const array& updates,
                   const ScatterParams& p) {
  Arrays in{a};
  in.insert(in.end(), indices.begin(), indices.end());
  in.push_back(updates);
  return emit_one(scatter_op, make_params(p), in);
}
// The positions 0 … batch-1, shaped to broadcast in front of `index_ndim` further axes.
array batch_index(int64_t batch, const Shape& shape) {
  Shape column(shape.size() + 1, 1);
  column[0] = batch;
  return broadcast_to(reshape(arange(double(batch), int64), column), prepend(batch, shape));
}
SmallVector<int, 6> shifted(const SmallVector<int, 6>& axes) {
  auto out = axes;
  for (int& a : out) ++a;
  return out;
}
bool any_batched(std::span<const int> axes) {
  return std::any_of(axes.begin(), axes.end(), [](int a) { return a >= 0; });
}

Specs infer_gather(const ParamsRef& params, std::span<const array> in) {
  Shape shape = in.size() > 1 ? in[1].shape() : Shape{};
  for (int64_t d : params.as<GatherParams>().sizes) shape.push_back(d);
  return {{shape, in[0].dtype()}};
}

MaybeArrays vjp_gather(const VjpCall& c) {
  MaybeArrays out(c.in.size());
  if (!c.wanted[0]) return out;
  const auto& p = c.params.as<GatherParams>();
  array into = zeros(c.in[0].shape(), c.ct[0].dtype());
  out[0] = make_scatter(into, c.in.subspan(1), c.ct[0], {p.axes, ScatterMode::add, p.caller});
  return out;
}

// Derivative of an op that is linear in its first input, whose other inputs are indices.
MaybeArrays jvp_first(const JvpCall& c) {
  if (!c.tangent[0]) return MaybeArrays(1);
  Arrays in(c.in.begin(), c.in.end());
  in[0] = *c.tangent[0];
  return {emit_one(c.op, c.params, in)};
}

VmapResult vmap_gather(const VmapCall& c) {
  GatherParams p = c.params.as<GatherParams>();
  int index_ndim = c.in.size() > 1 ? c.in[1].ndim() - (c.axes[1] >= 0) : 0;
  array a = c.axes[0] >= 0 ? batch_first(c, 0) : c.in[0];
  if (!any_batched(c.axes.subspan(1))) {  // the batch is one more whole axis of each block
    p.axes = shifted(p.axes);
    p.sizes = prepend(c.batch, p.sizes);
    return {{make_gather(a, c.in.subspan(1), p)}, {index_ndim}};
  }
  Arrays indices;
  for (size_t i = 1; i < c.in.size(); ++i) indices.push_back(batch_first(c, i));
  if (c.axes[0] < 0) return {{make_gather(a, indices, p)}, {0}};
  Shape inner(indices[0].shape().begin() + 1, indices[0].shape().end());
  p.axes = shifted(p.axes);
  p.axes.push_back(0);
  p.sizes = prepend(1, p.sizes);
  indices.push_back(batch_index(c.batch, inner));
  return {{squeeze(make_gather(a, indices, p), index_ndim + 1)}, {0}};
}

// Inputs [from, to) are equally shaped indices, one per axis.
void check_index_arrays(const CheckCall& c, const SmallVector<int, 6>& axes, size_t from,
                        size_t to) {
  require(c, axes.size() == to - from, "one index array per axis");
  expect_axes(c, axes, c.in[0].ndim(), false);
  for (size_t i = from; i < to; ++i) {
    expect_indices(c, i);
    expect_shape(c, i, c.in[from].shape());
  }
}
void check_block_sizes(const CheckCall& c, std::span<const int64_t> sizes) {
  const Shape& in = c.in[0].shape();
  bool fits = sizes.size() == in.size();
  for (size_t i = 0; fits && i < sizes.size(); ++i) fits = sizes[i] >= 0 && sizes[i] <= in[i];
  if (!fits) {
    reject(c, "expected block sizes within shape ", in, "; got ", Shape(sizes));
  }
}

const Op gather_op{.name = "gather",
                   .infer = infer_gather,
                   .vjp = vjp_gather,
                   .jvp = jvp_first,
                   .vmap = vmap_gather,
                   .params = &params_type<GatherParams>,
                   .check = [](const CheckCall& c) {
                     expect_inputs(c, 1, kMaxIndices + 1);
                     const auto& p = c.params.as<GatherParams>();
                     check_index_arrays(c, p.axes, 1, c.in.size());
                     check_block_sizes(c, p.sizes);
                   }};

// What surrounds a scatter's derivative: inputs by name, blocks as gather reads them.
struct ScatterParts {
  const ScatterParams& p;
  const array& a;
  std::span<const array> indices;
  const array& updates;
  ScatterParts(const ParamsRef& params, std::span<const array> in)
      : p(params.as<ScatterParams>()),
        a(in[0]),
        indices(in.subspan(1, in.size() - 2)),
        updates(in.back()) {}

  array read(const array& from) const {
    const Shape& shape = updates.shape();
    Shape sizes(shape.end() - a.ndim(), shape.end());
    return make_gather(from, indices, {p.axes, sizes, p.caller});
  }
  array write(const array& into, const array& values, ScatterMode mode) const {
    return make_scatter(into, indices, values, {p.axes, mode, p.caller});
  }
  // The cotangents of the updates that remain: where several meet, the last one overwrote the rest.
  array read_last(const array& ct) const {
    Shape counted(updates.shape().begin(), updates.shape().end() - a.ndim());
    int64_t n = element_count(counted);
    array values = read(ct);
    if (n == 1) return values;
    counted.resize(updates.shape().size(), 1);
    array number =
        broadcast_to(reshape(arange(int64_t(0), n, int64_t(1), int64), counted), updates.shape());
    array last = write(zeros(a.shape(), int64), number, ScatterMode::set);
    return where(equal(read(last), number), values, array(0, ct.dtype()));
  }
};

// d(out)/d(update) per update of a product: the product of everything else at its element. Zeros
// are counted apart so that nothing is divided by zero.
array product_of_others(const ScatterParts& s) {
  array zero = array(0, s.a.dtype()), one = array(1, s.a.dtype());
  auto is_zero = [&](const array& x) { return equal(x, zero); };
  auto without_zeros = [&](const array& x) { return where(is_zero(x), one, x); };
  array count =
      s.write(astype(is_zero(s.a), int32), astype(is_zero(s.updates), int32), ScatterMode::add);
  array product = s.write(without_zeros(s.a), without_zeros(s.updates), ScatterMode::prod);
  array zeros_here = s.read(count), all = s.read(product);
  array others = subtract(zeros_here, astype(is_zero(s.updates), int32));
  return where(equal(others, array(0)), divide(all, without_zeros(s.updates)), zero);
}
// Max and min: 1 / n where n elements tie for a result, which share the derivative; else 0.
struct Shares {
  array a, updates;
  Shares(const ScatterParts& s, const array& out)
      : a(astype(equal(s.a, out), out.dtype())),
        updates(astype(equal(s.updates, s.read(out)), out.dtype())) {
    array count = maximum(s.write(a, updates, ScatterMode::add), array(1, out.dtype()));
    a = divide(a, count);
    updates = divide(updates, s.read(count));
  }
};

MaybeArrays vjp_scatter(const VjpCall& c) {
  ScatterParts s(c.params, c.in);
  const array& ct = c.ct[0];
  MaybeArrays out(c.in.size());
  MaybeArray& da = out.front();
  MaybeArray& du = out.back();
  bool want_a = c.wanted.front(), want_u = c.wanted.back();
  switch (s.p.mode) {
    case ScatterMode::set:
      if (want_a) da = s.write(ct, zeros(s.updates.shape(), ct.dtype()), ScatterMode::set);
      if (want_u) du = s.read_last(ct);
      break;
    case ScatterMode::add:
      if (want_a) da = ct;
      if (want_u) du = s.read(ct);
      break;
    case ScatterMode::prod:
      if (want_a) da = s.write(ct, s.updates, ScatterMode::prod);
      if (want_u) du = multiply(s.read(ct), product_of_others(s));
      break;
    case ScatterMode::max:
    case ScatterMode::min: {
      Shares shares(s, c.out[0]);
      if (want_a) da = multiply(ct, shares.a);
      if (want_u) du = multiply(s.read(ct), shares.updates);
      break;
    }
  }
  return out;
}

MaybeArrays jvp_scatter(const JvpCall& c) {
  ScatterParts s(c.params, c.in);
  array ta = c.tangent.front() ? *c.tangent.front() : zeros_like(s.a);
  array tu = c.tangent.back() ? *c.tangent.back() : zeros_like(s.updates);
  switch (s.p.mode) {
    case ScatterMode::set:
      return {s.write(ta, tu, ScatterMode::set)};
    case ScatterMode::add:
      break;
    case ScatterMode::prod:
      ta = s.write(ta, s.updates, ScatterMode::prod);
      tu = multiply(tu, product_of_others(s));
      break;
    case ScatterMode::max:
    case ScatterMode::min: {
      Shares shares(s, c.out[0]);
      ta = multiply(ta, shares.a);
      tu = multiply(tu, shares.updates);
      break;
    }
  }
  return {s.write(ta, tu, ScatterMode::add)};
}

VmapResult vmap_scatter(const VmapCall& c) {
  ScatterParams p = c.params.as<ScatterParams>();
  size_t last = c.in.size() - 1;
  array a = batch_first(c, 0), updates = batch_first(c, last);
  int index_ndim = updates.ndim() - a.ndim();
  p.axes = shifted(p.axes);
  auto index_axes = c.axes.subspan(1, last - 1);
  if (!any_batched(index_axes)) {  // the batch is one more whole axis of each block
    updates = moveaxis(updates, 0, index_ndim);
    return {{make_scatter(a, c.in.subspan(1, last - 1), updates, p)}, {0}};
  }
  Arrays indices;
  for (size_t i = 1; i < last; ++i) indices.push_back(batch_first(c, i));
  Shape inner(indices[0].shape().begin() + 1, indices[0].shape().end());
  indices.push_back(batch_index(c.batch, inner));
  p.axes.push_back(0);
  return {{make_scatter(a, indices, expand_dims(updates, index_ndim + 1), p)}, {0}};
}

void check_scatter(const CheckCall& c) {
  expect_inputs(c, 2, kMaxIndices + 2);
  const auto& p = c.params.as<ScatterParams>();
  size_t last = c.in.size() - 1;
  require(c, p.mode <= ScatterMode::min, "a known mode");
  check_index_arrays(c, p.axes, 1, last);
  expect_dtype(c, last, c.in[0].dtype());
  Shape shape = last > 1 ? c.in[1].shape() : Shape{};
  const Shape& updates = c.in[last].shape();
  size_t indexed = shape.size();
  require(c, updates.size() == indexed + c.in[0].shape().size(),
          "updates of the indices' axes, then those of the input");
  check_block_sizes(c, std::span<const int64_t>(updates).subspan(indexed));
  for (int64_t d : std::span<const int64_t>(updates).subspan(indexed)) shape.push_back(d);
  expect_shape(c, last, shape);
}

const Op scatter_op{.name = "scatter",
                    .infer = like_first,
                    .vjp = vjp_scatter,
                    .jvp = jvp_scatter,
                    .vmap = vmap_scatter,
                    .params = &params_type<ScatterParams>,
                    .check = check_scatter};

// ---- along one axis

extern const Op scatter_axis_op;
extern const Op gather_axis_op;

array make_gather_axis(const array& a, const array& indices, const AxisIndexParams& p) {
  return make_node(gather_axis_op, make_params(p), {a, indices}, indices.shape(), a.dtype());
}
array make_scatter_axis(const array& a, const array& indices, const array& updates,
                        AxisIndexParams p, ScatterMode mode) {
  p.mode = mode;
  return make_node(scatter_axis_op, make_params(p), {a, indices, updates}, a.shape(), a.dtype());
}
VmapResult vmap_axis(const VmapCall& c) {
  AxisIndexParams p = c.params.as<AxisIndexParams>();
  ++p.axis;
  Arrays in;
  for (size_t i = 0; i < c.in.size(); ++i) in.push_back(batch_first(c, i));
  return {emit(c.op, make_params(p), in), {0}};
}

// Indices along one axis, one per position of the others.
void check_axis_indices(const CheckCall& c) {
  const auto& p = c.params.as<AxisIndexParams>();
  expect_axis(c, p.axis, c.in[0].ndim());
  require(c, p.mode == ScatterMode::set || p.mode == ScatterMode::add, "the mode set or add");
  expect_indices(c, 1);
  expect_ndim(c, 1, c.in[0].ndim(), c.in[0].ndim());
  Shape shape = c.in[0].shape();
  shape[p.axis] = c.in[1].shape()[p.axis];
  expect_shape(c, 1, shape);
}

const Op gather_axis_op{.name = "gather_axis",
                        .infer =
                            [](const ParamsRef&, std::span<const array> in) {
                              return Specs{{in[1].shape(), in[0].dtype()}};
                            },
                        .vjp =
                            [](const VjpCall& c) {
                              MaybeArrays out(2);
                              if (c.wanted[0]) {
                                out[0] = make_scatter_axis(
                                    zeros(c.in[0].shape(), c.ct[0].dtype()), c.in[1], c.ct[0],
                                    c.params.as<AxisIndexParams>(), ScatterMode::add);
                              }
                              return out;
                            },
                        .jvp = jvp_first,
                        .vmap = vmap_axis,
                        .params = &params_type<AxisIndexParams>,
                        .check =
                            [](const CheckCall& c) {
                              expect_inputs(c, 2);
                              check_axis_indices(c);
                            },
                        .any_size = true};

MaybeArrays vjp_scatter_axis(const VjpCall& c) {
  const auto& p = c.params.as<AxisIndexParams>();
  const array& ct = c.ct[0];
  MaybeArrays out(3);
  if (c.wanted[0] && p.mode == ScatterMode::add) {
    out[0] = ct;
  } else if (c.wanted[0]) {
    array nothing = zeros(c.in[1].shape(), ct.dtype());
    out[0] = make_scatter_axis(ct, c.in[1], nothing, p, ScatterMode::set);
  }
  if (!c.wanted[2]) return out;
  out[2] = make_gather_axis(ct, c.in[1], p);
  if (p.mode == ScatterMode::set) {  // the last of several updates of an element overwrote the rest
    Shape along(c.in[1].shape().size(), 1);
    along[p.axis] = c.in[1].shape()[p.axis];
    array number = broadcast_to(
        reshape(arange(int64_t(0), along[p.axis], int64_t(1), int64), along), c.in[1].shape());
    array last = make_scatter_axis(zeros(ct.shape(), int64), c.in[1], number, p, ScatterMode::set);
    array remains = equal(make_gather_axis(last, c.in[1], p), number);
    out[2] = where(remains, *out[2], array(0, ct.dtype()));
  }
  return out;
}

const Op scatter_axis_op{
    .name = "scatter_axis",
    .infer = like_first,
    .vjp = vjp_scatter_axis,
    .jvp =
        [](const JvpCall& c) {
          array ta = c.tangent[0] ? *c.tangent[0] : zeros_like(c.in[0]);
          array tu = c.tangent[2] ? *c.tangent[2] : zeros_like(c.in[2]);
          return MaybeArrays{emit_one(c.op, c.params, Arrays{ta, c.in[1], tu})};
        },
    .vmap = vmap_axis,
    .params = &params_type<AxisIndexParams>,
    .check =
        [](const CheckCall& c) {
          expect_inputs(c, 3);
          check_axis_indices(c);
          expect_shape(c, 2, c.in[1].shape());
          expect_dtype(c, 2, c.in[0].dtype());
        },
    .any_size = true};

// ---- checks

void check_index_dtype(const array& index, const char* op) {
  if (!is_integer(index.dtype())) {
    fail("[", op, "] expected indices of an integer dtype; got ", index.dtype());
  }
}

// Checks indices and axes of a gather or scatter; returns the indices broadcast together.
Arrays prepare_indices(const array& a, const std::vector<array>& indices,
                       const std::vector<int>& axes, const char* op, StreamOrDevice s) {
  if (indices.size() != axes.size()) {
    fail("[", op, "] expected one index array per axis; got ", indices.size(), " for ", axes.size(),
         " axes");
  }
  if (indices.size() > size_t{kMaxIndices}) {
    fail("[", op, "] expected at most ", kMaxIndices, " index arrays; got ", indices.size());
  }
  normalize_axes(axes, a.ndim(), op);
  for (const array& i : indices) check_index_dtype(i, op);
  return broadcast_arrays(indices, s);
}
SmallVector<int, 6> positive_axes(const std::vector<int>& axes, int ndim) {
  SmallVector<int, 6> out;
  for (int a : axes) out.push_back(a < 0 ? a + ndim : a);
  return out;
}

array checked_gather(const array& a, const std::vector<array>& indices,
                     const std::vector<int>& axes, const Shape& sizes, const char* op,
                     StreamOrDevice s) {
  Arrays in = prepare_indices(a, indices, axes, op, s);
  bool fits = sizes.size() == a.shape().size();
  for (size_t i = 0; fits && i < sizes.size(); ++i) {
    fits = sizes[i] >= 0 && sizes[i] <= a.shape()[i];
  }
  if (!fits) {
    fail("[", op, "] expected block sizes within shape ", a.shape(), "; got ", sizes);
  }
  in.insert(in.begin(), a);
  auto params = make_params(GatherParams{positive_axes(axes, a.ndim()), sizes, op});
  Shape shape = infer_gather(params, in)[0].shape;
  return make_node(gather_op, std::move(params), in, std::move(shape), a.dtype(), s);
}

array checked_scatter(const array& a, const std::vector<array>& indices, const array& updates,
                      const std::vector<int>& axes, ScatterMode mode, const char* op,
                      StreamOrDevice s) {
  Arrays in = prepare_indices(a, indices, axes, op, s);
  size_t index_ndim = in.empty() ? 0 : in[0].shape().size();
  const Shape& shape = updates.shape();
  bool fits = shape.size() == index_ndim + a.shape().size();
  for (size_t i = 0; fits && i < shape.size(); ++i) {
    fits = i < index_ndim ? shape[i] == in[0].shape()[i] : shape[i] <= a.shape()[i - index_ndim];
  }
  if (!fits) {
    fail("[", op, "] expected updates of the indices' shape ", in.empty() ? Shape{} : in[0].shape(),
         ", then a block within ", a.shape(), "; got ", shape);
  }
  in.insert(in.begin(), a);
  in.push_back(astype(updates, a.dtype(), s));
  auto params = make_params(ScatterParams{positive_axes(axes, a.ndim()), mode, op});
  return make_node(scatter_op, std::move(params), in, a.shape(), a.dtype(), s);
}

}  // namespace

// ---- public functions

array slice(const array& a, Shape start, Shape stop, Shape strides, StreamOrDevice s) {
  return make_slice(a, normalize_slice(a.shape(), start, stop, strides, "slice"), s);
}
array slice(const array& a, Shape start, Shape stop, StreamOrDevice s) {
  return slice(a, std::move(start), std::move(stop), Shape(a.shape().size(), 1), s);
}

namespace {

// The scalars of a start array, one per axis.
std::vector<array> start_indices(const array& start, const std::vector<int>& axes, const char* op,
                                 StreamOrDevice s) {
  if (start.ndim() > 1 || start.size() != static_cast<int64_t>(axes.size())) {
    fail("[", op, "] expected one start per axis; got shape ", start.shape(), " for ", axes.size(),
         " axes");
  }
  check_index_dtype(start, op);
  array flat = flatten(start, s);
  std::vector<array> out;
  for (size_t i = 0; i < axes.size(); ++i) out.push_back(take(flat, static_cast<int>(i), 0, s));
  return out;
}

array combine_slice(const array& src, const array& update, const Shape& start, const Shape& stop,
                    const Shape& strides, const char* op,
                    array (*combine)(const array&, const array&, StreamOrDevice),
                    StreamOrDevice s) {
  SliceParams p = normalize_slice(src.shape(), start, stop, strides, op);
  array value = astype(update, src.dtype(), s);
  // Leading axes of size 1 may be left over from broadcasting; others must fit.
  while (value.ndim() > src.ndim() && value.shape()[0] == 1) value = squeeze(value, 0, s);
  if (combine) value = combine(make_slice(src, p, s), value, s);
  if (value.ndim() > src.ndim() || broadcast_shapes(value.shape(), p.shape, op) != p.shape) {
    fail("[", op, "] expected an update that broadcasts to ", p.shape, "; got ", update.shape());
  }
  note_size_read(src, "a slice of a whole axis, or of nothing");
  if (element_count(p.shape) == 0) return src;
  value = broadcast_to(value, p.shape, s);
  return p.shape == src.shape() && p.strides == Shape(p.shape.size(), 1)
             ? value
             : make_slice_update(src, value, p, s);
}

}  // namespace

array slice(const array& a, const array& start, std::vector<int> axes, Shape slice_size,
            StreamOrDevice s) {
  return checked_gather(a, start_indices(start, axes, "slice", s), axes, slice_size, "slice", s);
}
array slice_update(const array& src, const array& update, const array& start, std::vector<int> axes,
                   StreamOrDevice s) {
  auto indices = start_indices(start, axes, "slice_update", s);
  return checked_scatter(src, indices, update, axes, ScatterMode::set, "slice_update", s);
}

#define OLIVINE_SLICE_UPDATE(NAME, COMBINE)                                                      \
  array NAME(const array& src, const array& update, Shape start, Shape stop, Shape strides,      \
             StreamOrDevice s) {                                                                 \
    return combine_slice(src, update, start, stop, strides, #NAME, COMBINE, s);                  \
  }                                                                                              \
  array NAME(const array& src, const array& update, Shape start, Shape stop, StreamOrDevice s) { \
    return combine_slice(src, update, start, stop, Shape(start.size(), 1), #NAME, COMBINE, s);   \
  }
OLIVINE_SLICE_UPDATE(slice_update, nullptr)
OLIVINE_SLICE_UPDATE(slice_update_add, add)
OLIVINE_SLICE_UPDATE(slice_update_prod, multiply)
OLIVINE_SLICE_UPDATE(slice_update_max, maximum)
OLIVINE_SLICE_UPDATE(slice_update_min, minimum)
#undef OLIVINE_SLICE_UPDATE

array gather(const array& a, const std::vector<array>& indices, const std::vector<int>& axes,
             const Shape& slice_sizes, StreamOrDevice s) {
  return checked_gather(a, indices, axes, slice_sizes, "gather", s);
}

namespace {

// The slice at one known index, its axis dropped.
array take_one(const array& a, int64_t index, int axis, StreamOrDevice s) {
  int64_t n = a.shape()[axis], i = index < 0 ? index + n : index;
  if (i < 0 || i >= n) {
    fail<std::out_of_range>("[take] index ", index, " is out of bounds for axis ", axis,
                            " with size ", n);
  }
  Shape start(a.shape().size(), 0), stop = a.shape();
  start[axis] = i;
  stop[axis] = i + 1;
  return squeeze(slice(a, start, stop, s), axis, s);
}

}  // namespace

array take(const array& a, const array& indices, int axis, StreamOrDevice s) {
  int ax = normalize_axis(axis, a.ndim(), "take");
  check_index_dtype(indices, "take");
  if (indices.ndim() == 0 && indices.node()->done() && !indices.node()->tracer) {
    return take_one(a, indices.item<int64_t>(), ax, s);  // a view, and errors are told at once
  }
  if (a.shape()[ax] == 0 && indices.size() != 0) {
    fail<std::out_of_range>("[take] expected no indices into an empty axis; got ", indices.size(),
                            " for shape ", a.shape());
  }
  Shape out(a.shape().begin(), a.shape().begin() + ax);
  for (int64_t d : indices.shape()) out.push_back(d);
  for (int i = ax + 1; i < a.ndim(); ++i) out.push_back(a.shape()[i]);
  if (element_count(out) == 0) return zeros(out, a.dtype(), s);
  if (ax == 0) {
    Shape sizes = a.shape();
    sizes[0] = 1;
    return reshape(checked_gather(a, {indices}, {0}, sizes, "take", s), out, s);
  }
  // One index per position along the axis, the same for all other positions.
  Shape line(a.shape().size(), 1), grid = a.shape();
  line[ax] = grid[ax] = indices.size();
  array index = broadcast_to(reshape(indices, line, s), grid, s);
  AxisIndexParams p{ax, ScatterMode::set, "take"};
  return reshape(make_gather_axis(a, index, p), out, s);
}
array take(const array& a, const array& indices, StreamOrDevice s) {
  return take(flatten(a, s), indices, 0, s);
}
array take(const array& a, int index, int axis, StreamOrDevice s) {
  return take_one(a, index, normalize_axis(axis, a.ndim(), "take"), s);
}
array take(const array& a, int index, StreamOrDevice s) { return take(flatten(a, s), index, 0, s); }

namespace {

// `a` and `indices` (and `values`) broadcast together along every axis but one.
struct AxisOperands {
  array a, indices;
  Shape shape;  // of the indices
  int axis;
};
AxisOperands align_axis(const array& a, const array& indices, int axis, const char* op,
                        StreamOrDevice s) {
  int ax = normalize_axis(axis, a.ndim(), op);
  check_index_dtype(indices, op);
  if (indices.ndim() != a.ndim()) {
    fail("[", op, "] expected indices of as many axes as ", a.shape(), "; got ", indices.shape());
  }
  Shape to_a = a.shape(), to_index = indices.shape();
  to_a[ax] = to_index[ax] = 1;
  Shape common = broadcast_shapes(to_a, to_index, op);
  to_a = to_index = common;
  to_a[ax] = a.shape()[ax];
  to_index[ax] = indices.shape()[ax];
  // What has the shape already needs no note of its sizes: the ops refuse others that differ.
  auto fitted = [&](const array& x, const Shape& shape) {
    return x.shape() == shape ? x : broadcast_to(x, shape, s);
  };
  return {fitted(a, to_a), fitted(indices, to_index), to_index, ax};
}

array update_axis(const array& a, const array& indices, const array& values, int axis,
                  ScatterMode mode, const char* op, StreamOrDevice s) {
  AxisOperands x = align_axis(a, indices, axis, op, s);
  if (x.a.shape() != a.shape()) {
    fail("[", op, "] expected indices that broadcast to ", a.shape(), " except along axis ", x.axis,
         "; got ", indices.shape());
  }
  if (values.ndim() > a.ndim() || broadcast_shapes(values.shape(), x.shape, op) != x.shape) {
    fail("[", op, "] expected values that broadcast to ", x.shape, "; got ", values.shape());
  }
  array updates = broadcast_to(astype(values, a.dtype(), s), x.shape, s);
  return make_node(scatter_axis_op, make_params(AxisIndexParams{x.axis, mode, op}),
                   {a, x.indices, updates}, a.shape(), a.dtype(), s);
}

}  // namespace

array take_along_axis(const array& a, const array& indices, int axis, StreamOrDevice s) {
  AxisOperands x = align_axis(a, indices, axis, "take_along_axis", s);
  AxisIndexParams p{x.axis, ScatterMode::set, "take_along_axis"};
  return make_node(gather_axis_op, make_params(p), {x.a, x.indices}, x.shape, a.dtype(), s);
}
array take_along_axis(const array& a, const array& indices, StreamOrDevice s) {
  return take_along_axis(flatten(a, s), flatten(indices, s), 0, s);
}
array put_along_axis(const array& a, const array& indices, const array& values, StreamOrDevice s) {
  array flat = broadcast_to(values, indices.shape(), s);
  return reshape(put_along_axis(flatten(a, s), flatten(indices, s), flatten(flat, s), 0, s),
                 a.shape(), s);
}
array put_along_axis(const array& a, const array& indices, const array& values, int axis,
                     StreamOrDevice s) {
  return update_axis(a, indices, values, axis, ScatterMode::set, "put_along_axis", s);
}
array scatter_add_axis(const array& a, const array& indices, const array& values, int axis,
                       StreamOrDevice s) {
  return update_axis(a, indices, values, axis, ScatterMode::add, "scatter_add_axis", s);
}

#define OLIVINE_SCATTER(NAME, MODE)                                                   \
  array NAME(const array& a, const std::vector<array>& indices, const array& updates, \
             const std::vector<int>& axes, StreamOrDevice s) {                        \
    return checked_scatter(a, indices, updates, axes, ScatterMode::MODE, #NAME, s);   \
  }
OLIVINE_SCATTER(scatter, set)
OLIVINE_SCATTER(scatter_add, add)
OLIVINE_SCATTER(scatter_prod, prod)
OLIVINE_SCATTER(scatter_max, max)
OLIVINE_SCATTER(scatter_min, min)
#undef OLIVINE_SCATTER

array masked_scatter(const array& a, const array& mask, const array& src, StreamOrDevice s) {
  if (mask.dtype() != bool_) fail("[masked_scatter] expected a mask of bools; got ", mask.dtype());
  array m = broadcast_to(mask, a.shape(), s);
  if (a.size() == 0) return a;
  // Where the mask is true, how many were before; an index beyond `src` fails.
  array flat = astype(flatten(m, s), int64, s);
  array position = reshape(cumsum(flat, 0, false, false, std::nullopt, s), a.shape(), s);
  array values = astype(flatten(src, s), a.dtype(), s);
  if (values.size() == 0) values = zeros({1}, a.dtype(), s);
  position =
      where(m, src.size() ? position : add(position, array(int64_t{1}), s), array(int64_t{0}), s);
  return where(m, take(values, position, 0, s), a, s);
}

auto array::ArrayIterator::operator*() const -> reference {
  return take(array_, static_cast<int>(index_), 0);
}

}  // namespace olivine
