// Shape primitives: their records (shape, view, transpose, batching) and public functions.
//
// All but concatenate and the copy of an odd reshape are views: the evaluator asks `view` where the
// result's elements lie in the input's buffer.
#include "olivine/ops/shape.h"

#include <cstdlib>

#include "core/checks.h"
#include "core/error.h"
#include "core/node.h"
#include "core/op.h"
#include "core/size.h"
#include "olivine/ops/creation.h"
#include "olivine/ops/elementwise.h"
#include "olivine/ops/indexing.h"
#include "olivine/ops/reduction.h"
#include "ops/batching.h"
#include "ops/broadcasting.h"
#include "ops/indexing_params.h"

namespace olivine {
namespace {

using Specs = std::vector<OutSpec>;

Specs like_first(const ParamsRef&, std::span<const array> in) {
  return {{in[0].shape(), in[0].dtype()}};
}
bool same_layout(const ParamsRef&, const Layout& in, const OutSpec&, Layout& out) {
  out = in;
  return true;
}
MaybeArrays pass_cotangent(const VjpCall& c) {
  MaybeArrays out(c.in.size());
  out[0] = c.ct[0];
  return out;
}
VmapResult vmap_in_place(const VmapCall& c) { return {emit(c.op, c.params, c.in), {c.axes[0]}}; }
VmapResult vmap_first(const VmapCall& c, ParamsRef params) {
  array a = batch_first(c, 0);
  return {emit(c.op, params, std::span<const array>(&a, 1)), {0}};
}

// ---- reshape

struct ReshapeParams {
  Shape shape;
  auto fields() const { return std::tie(shape); }
};

// Strides under which the elements of (shape, strides) read as `to`, if there are any: axes are
// matched in groups of equal size, and an input group must be one run of evenly spaced elements.
bool reshape_strides(const Layout& in, const Shape& to, Strides& out) {
  Shape from;
  Strides step;
  for (size_t i = 0; i < in.shape.size(); ++i) {
    if (in.shape[i] == 0) {
      out = row_major(to);
      return true;
    }
    if (in.shape[i] == 1) continue;
    from.push_back(in.shape[i]);
    step.push_back(in.strides[i]);
  }
  out = row_major(to);  // right for trailing axes of size 1
  size_t i = 0, j = 0;
  while (i < from.size()) {
    size_t i_end = i + 1, j_end = j + 1;
    int64_t left = from[i], right = to[j];
    while (left != right) {
      if (left < right) {
        left *= from[i_end++];
      } else {
        right *= to[j_end++];
      }
    }
    for (size_t k = i; k + 1 < i_end; ++k) {
      if (step[k] != step[k + 1] * from[k + 1]) return false;
    }
    int64_t stride = step[i_end - 1];
    for (size_t k = j_end; k-- > j;) {
      out[k] = stride;
      stride *= to[k];
    }
    i = i_end;
    j = j_end;
  }
  return true;
}

const Op reshape_op = structural(
    "reshape",
    {.infer =
         [](const ParamsRef& p, std::span<const array> in) {
           return Specs{{p.as<ReshapeParams>().shape, in[0].dtype()}};
         },
     .transpose = [](const VjpCall& c) { return MaybeArrays{reshape(c.ct[0], c.in[0].shape())}; },
     .vmap =
         [](const VmapCall& c) {
           Shape shape = prepend(c.batch, c.params.as<ReshapeParams>().shape);
           return vmap_first(c, make_params(ReshapeParams{shape}));
         },
     .view =
         [](const ParamsRef&, const Layout& in, const OutSpec& out, Layout& result) {
           result.shape = out.shape;
           result.offset = in.offset;
           return reshape_strides(in, out.shape, result.strides);
         },
     .params = &params_type<ReshapeParams>,
     .check =
         [](const CheckCall& c) {
           expect_inputs(c, 1);
           const Shape& shape = c.params.as<ReshapeParams>().shape;
           if (element_count(shape, c.op.name) != c.in[0].size()) {
             reject(c, "expected a shape of ", c.in[0].size(), " elements; got ", shape);
           }
         }});

array make_reshape(const array& a, Shape shape, StreamOrDevice s) {
  if (shape == a.shape()) {
    note_size_read(a, "a reshape to its own shape");
    return a;
  }
  auto params = make_params(ReshapeParams{shape});
  return make_node(reshape_op, std::move(params), {a}, std::move(shape), a.dtype(), s);
}

// Replaces the one -1 in `shape` so that it has `size` elements; `what` is the shape to name.
Shape complete_shape(Shape shape, int64_t size, const char* op, const Shape& what) {
  int unknown = -1;
  int64_t known = 1;
  const Shape asked = shape;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == -1 && unknown < 0) {
      unknown = static_cast<int>(i);
    } else if (shape[i] < 0) {
      fail("[", op, "] expected sizes >= 0 and at most one -1; got ", asked);
    } else if (known != 0) {
      known = shape[i] == 0 ? 0 : checked_mul(known, shape[i], op);
    }
  }
  if (unknown >= 0) {
    if (known == 0) {
      fail("[", op, "] expected a shape that determines the -1; got ", asked, " for shape ", what);
    }
    shape[unknown] = size / known;
    known *= shape[unknown];
  }
  if (known != size) {
    fail("[", op, "] expected a shape of ", size, " elements to read shape ", what, "; got ",
         asked);
  }
  return shape;
}

// ---- reshapes that name no size, for graphs that hold for any: one size left open, and axes
// merged.

const Op reshape_open_op = structural(
    "reshape_open",
    {.infer =
         [](const ParamsRef& p, std::span<const array> in) {
           return Specs{
               {complete_shape(p.as<ReshapeParams>().shape, in[0].size(), "reshape", in[0].shape()),
                in[0].dtype()}};
         },
     .transpose = [](const VjpCall& c) { return MaybeArrays{reshape(c.ct[0], c.in[0].shape())}; },
     .vmap =
         [](const VmapCall& c) {
           array a = batch_first(c, 0);
           Shape element(a.shape().begin() + 1, a.shape().end());
           Shape shape = complete_shape(c.params.as<ReshapeParams>().shape, element_count(element),
                                        "reshape", element);
           return VmapResult{{make_reshape(a, prepend(c.batch, shape), {})}, {0}};
         },
     .view = reshape_op.view,
     .params = &params_type<ReshapeParams>,
     .check = check_unary,  // infer checks the shape
     .any_size = true});

// Output axis i merges `counts[i]` input axes from `first[i]` on; 0 is a new axis of size 1. Input
// axes that are left out are of size 1.
struct RegroupParams {
  SmallVector<int, 6> first, counts;
  auto fields() const { return std::tie(first, counts); }
};

Shape regrouped(const Shape& in, const RegroupParams& p) {
  Shape out(p.counts.size(), 1);
  for (size_t i = 0; i < out.size(); ++i) {
    for (int k = 0; k < p.counts[i]; ++k) {
      out[i] = checked_mul(out[i], in[p.first[i] + k], "reshape");
    }
  }
  return out;
}

void check_regroup(const CheckCall& c) {
  expect_inputs(c, 1);
  const auto& p = c.params.as<RegroupParams>();
  const Shape& in = c.in[0].shape();
  int next = 0, ndim = c.in[0].ndim();
  auto skip_to = [&](int axis) {
    for (; next < axis; ++next) require(c, in[next] == 1, "size 1 along axes that are left out");
  };
  require(c, p.first.size() == p.counts.size(), "as many counts as axes");
  for (size_t i = 0; i < p.counts.size(); ++i) {
    if (p.counts[i] == 0) continue;
    require(c,
            p.first[i] >= next && p.first[i] < ndim && p.counts[i] > 0 &&
                p.counts[i] <= ndim - p.first[i],
            "axes in order");
    skip_to(p.first[i]);
    next += p.counts[i];
  }
  skip_to(ndim);
}

array make_regroup(const array& a, const RegroupParams& p, StreamOrDevice s = {});

// Undoes a regrouping: axes that were merged get their sizes back, which only a reshape can say.
array undo_regroup(const array& ct, const Shape& in, const RegroupParams& p) {
  RegroupParams back{SmallVector<int, 6>(in.size(), 0), SmallVector<int, 6>(in.size(), 0)};
  for (size_t i = 0; i < p.counts.size(); ++i) {
    if (p.counts[i] > 1) return reshape(ct, in);
    if (p.counts[i] == 0) continue;
    back.first[p.first[i]] = static_cast<int>(i);
    back.counts[p.first[i]] = 1;
  }
  return make_regroup(ct, back);
}

const Op regroup_op = structural(
    "regroup",
    {.infer =
         [](const ParamsRef& p, std::span<const array> in) {
           return Specs{{regrouped(in[0].shape(), p.as<RegroupParams>()), in[0].dtype()}};
         },
     .transpose =
         [](const VjpCall& c) {
           return MaybeArrays{undo_regroup(c.ct[0], c.in[0].shape(), c.params.as<RegroupParams>())};
         },
     .vmap =
         [](const VmapCall& c) {
           RegroupParams p = c.params.as<RegroupParams>();
           for (int& axis : p.first) ++axis;
           p.first.insert(p.first.begin(), 0);
           p.counts.insert(p.counts.begin(), 1);
           return vmap_first(c, make_params(p));
         },
     .view = reshape_op.view,
     .params = &params_type<RegroupParams>,
     .check = check_regroup,
     .any_size = true});

array make_regroup(const array& a, const RegroupParams& p, StreamOrDevice s) {
  return make_node(regroup_op, make_params(p), {a}, regrouped(a.shape(), p), a.dtype(), s);
}
bool avoids_sizes(const array& a) { return ShapelessTrace::running() && a.node()->tracer; }

// ---- transpose

struct TransposeParams {
  SmallVector<int, 6> axes;
  auto fields() const { return std::tie(axes); }
};

SmallVector<int, 6> inverse_permutation(const SmallVector<int, 6>& axes) {
  SmallVector<int, 6> out(axes.size());
  for (size_t i = 0; i < axes.size(); ++i) out[axes[i]] = static_cast<int>(i);
  return out;
}
Shape permuted(const Shape& shape, const SmallVector<int, 6>& axes) {
  Shape out(shape.size());
  for (size_t i = 0; i < axes.size(); ++i) out[i] = shape[axes[i]];
  return out;
}
array make_transpose(const array& a, const SmallVector<int, 6>& axes, StreamOrDevice s = {});

const Op transpose_op = structural(
    "transpose",
    {.infer =
         [](const ParamsRef& p, std::span<const array> in) {
           return Specs{{permuted(in[0].shape(), p.as<TransposeParams>().axes), in[0].dtype()}};
         },
     .transpose =
         [](const VjpCall& c) {
           const auto& axes = c.params.as<TransposeParams>().axes;
           return MaybeArrays{make_transpose(c.ct[0], inverse_permutation(axes))};
         },
     .vmap =
         [](const VmapCall& c) {
           int batch = c.axes[0];
           SmallVector<int, 6> axes{batch};
           for (int a : c.params.as<TransposeParams>().axes) axes.push_back(a + (a >= batch));
           return VmapResult{{make_transpose(c.in[0], axes)}, {0}};
         },
     .view =
         [](const ParamsRef& p, const Layout& in, const OutSpec& out, Layout& result) {
           result = {out.shape, permuted(in.strides, p.as<TransposeParams>().axes), in.offset};
           return true;
         },
     .params = &params_type<TransposeParams>,
     .check =
         [](const CheckCall& c) {
           expect_inputs(c, 1);
           const auto& axes = c.params.as<TransposeParams>().axes;
           expect_ndim(c, 0, static_cast<int>(axes.size()), static_cast<int>(axes.size()));
           expect_axes(c, axes, c.in[0].ndim(), false);
         },
     .any_size = true});

array make_transpose(const array& a, const SmallVector<int, 6>& axes, StreamOrDevice s) {
  bool identity = true;
  for (size_t i = 0; i < axes.size(); ++i) identity &= axes[i] == static_cast<int>(i);
  if (identity) return a;
  return make_node(transpose_op, make_params(TransposeParams{axes}), {a}, permuted(a.shape(), axes),
                   a.dtype(), s);
}
SmallVector<int, 6> identity_axes(int ndim) {
  SmallVector<int, 6> axes(static_cast<size_t>(ndim));
  for (int i = 0; i < ndim; ++i) axes[i] = i;
  return axes;
}

// ---- broadcast

const Op broadcast_op = structural(
    "broadcast_to",
    {.infer =
         [](const ParamsRef& p, std::span<const array> in) {
           return Specs{{p.as<ReshapeParams>().shape, in[0].dtype()}};
         },
     .transpose = [](const VjpCall& c) { return MaybeArrays{sum_to(c.ct[0], c.in[0].shape())}; },
     .vmap =
         [](const VmapCall& c) {
           const Shape& shape = c.params.as<ReshapeParams>().shape;
           array a = moveaxis(c.in[0], c.axes[0], 0);
           Shape aligned(shape.size() + 1, 1);
           aligned[0] = c.batch;
           std::copy(a.shape().begin() + 1, a.shape().end(), aligned.end() - (a.ndim() - 1));
           return VmapResult{{broadcast_to(reshape(a, aligned), prepend(c.batch, shape))}, {0}};
         },
     .view =
         [](const ParamsRef&, const Layout& in, const OutSpec& out, Layout& result) {
           result = {out.shape, broadcast_strides(in.shape, in.strides, out.shape), in.offset};
           return true;
         },
     .params = &params_type<ReshapeParams>,
     .check =
         [](const CheckCall& c) {
           expect_inputs(c, 1);
           element_count(c.params.as<ReshapeParams>().shape, c.op.name);
           expect_broadcasts(c, 0, c.params.as<ReshapeParams>().shape);
         }});

// Input 0 repeated to the shape of input 1.
const Op broadcast_like_op = [] {
  Op op = structural(
      "broadcast_like",
      {.infer =
           [](const ParamsRef&, std::span<const array> in) {
             return Specs{{in[1].shape(), in[0].dtype()}};
           },
       .transpose =
           [](const VjpCall& c) {
             return MaybeArrays{sum_to(c.ct[0], c.in[0].shape()), std::nullopt};
           },
       .vmap =
           [](const VmapCall& c) {
             array a = batch_first(c, 0), like = batch_first(c, 1);
             Shape aligned(like.shape().size(), 1);
             aligned[0] = c.batch;
             std::copy(a.shape().begin() + 1, a.shape().end(), aligned.end() - (a.ndim() - 1));
             return VmapResult{{broadcast_to(reshape(a, aligned), like.shape())}, {0}};
           },
       .view = broadcast_op.view,
       .check =
           [](const CheckCall& c) {
             expect_inputs(c, 2);
             expect_broadcasts(c, 0, c.in[1].shape());
           },
       .any_size = true});
  op.jvp = [](const JvpCall& c) {
    return c.tangent[0] ? MaybeArrays{broadcast_like(*c.tangent[0], c.in[1])} : MaybeArrays(1);
  };
  return op;
}();

// ---- as_strided: `shape` and `strides` replace the last axis; those before it are batches.

struct StridedParams {
  Shape shape;
  Strides strides;
  int64_t offset;
  auto fields() const { return std::tie(shape, strides, offset); }
};

// Throws unless all elements lie in [0, size). Returns whether there are none.
bool check_strided(const Shape& shape, const Strides& strides, int64_t offset, int64_t size) {
  if (shape.size() != strides.size()) {
    fail("[as_strided] expected as many strides as axes; got shape ", shape, " and strides ",
         Shape(strides));
  }
  int64_t lowest = offset, highest = offset;
  bool empty = element_count(shape, "as_strided") == 0;
  for (size_t i = 0; i < shape.size() && !empty; ++i) {
    int64_t reach = checked_mul(shape[i] - 1, strides[i], "as_strided");
    int64_t& end = reach < 0 ? lowest : highest;
    end = checked_add(end, reach, "as_strided");
  }
  if (!empty && (lowest < 0 || highest >= size)) {
    fail("[as_strided] expected elements in [0, ", size, "); got shape ", shape, ", strides ",
         Shape(strides), " and offset ", offset, ", which reach [", lowest, ", ", highest, "]");
  }
  return empty;
}

Shape strided_shape(const Shape& in, const Shape& tail) {
  Shape out(in.begin(), in.end() - 1);
  for (int64_t d : tail) out.push_back(d);
  return out;
}

MaybeArrays transpose_as_strided(const VjpCall& c) {
  const auto& p = c.params.as<StridedParams>();
  const Shape& in = c.in[0].shape();
  // Where each element of the view came from.
  array from = flatten(as_strided(arange(double(in.back()), int64), p.shape, p.strides, p.offset));
  Shape flat(in.begin(), in.end() - 1);
  flat.push_back(element_count(p.shape));
  array into = zeros(in, c.ct[0].dtype());
  return {scatter_add_axis(into, broadcast_to(from, flat), reshape(c.ct[0], flat), -1)};
}

const Op as_strided_op = structural(
    "as_strided",
    {.infer =
         [](const ParamsRef& p, std::span<const array> in) {
           return Specs{{strided_shape(in[0].shape(), p.as<StridedParams>().shape), in[0].dtype()}};
         },
     .transpose = transpose_as_strided,
     .vmap = [](const VmapCall& c) { return vmap_first(c, c.params); },
     .view =
         [](const ParamsRef& p, const Layout& in, const OutSpec& out, Layout& result) {
           const auto& q = p.as<StridedParams>();
           int64_t step = in.shape.back() <= 1 ? 1 : in.strides.back();
           result.shape = out.shape;
           result.offset = in.offset + q.offset * step;
           result.strides.assign(in.strides.begin(), in.strides.end() - 1);
           for (int64_t stride : q.strides) result.strides.push_back(stride * step);
           return true;
         },
     .params = &params_type<StridedParams>,
     .check =
         [](const CheckCall& c) {
           expect_inputs(c, 1);
           expect_ndim(c, 0, 1);
           const auto& p = c.params.as<StridedParams>();
           bool empty = check_strided(p.shape, p.strides, p.offset, c.in[0].shape().back());
           require(c, !empty || p.offset == 0, "the offset 0 where there are no elements");
         }});

// ---- view of another dtype

struct ViewParams {
  Dtype to = bool_;
  int from_size;
  auto fields() const { return std::tie(to, from_size); }
};

Shape view_shape(const Shape& shape, Dtype from, Dtype to) {
  Shape out = shape;
  if (from.size() != to.size()) {
    out.back() = checked_mul(out.back(), int64_t(from.size()), "view") / int64_t(to.size());
  }
  return out;
}

const Op view_op{.name = "view",
                 .kind = OpKind::structural,
                 .infer =
                     [](const ParamsRef& p, std::span<const array> in) {
                       Dtype to = p.as<ViewParams>().to;
                       return Specs{{view_shape(in[0].shape(), in[0].dtype(), to), to}};
                     },
                 .vjp = [](const VjpCall&) { return MaybeArrays(1); },
                 .jvp = [](const JvpCall&) { return MaybeArrays(1); },
                 .vmap = [](const VmapCall& c) { return vmap_first(c, c.params); },
                 .view =
                     [](const ParamsRef& p, const Layout& in, const OutSpec& out, Layout& result) {
                       const auto& q = p.as<ViewParams>();
                       int64_t from = q.from_size, to = static_cast<int64_t>(q.to.size());
                       result = in;
                       result.shape = out.shape;
                       if (from == to) return true;
                       if (!is_row_contiguous(in.shape, in.strides) || in.offset * from % to != 0)
                         return false;
                       result.strides = row_major(out.shape);
                       result.offset = in.offset * from / to;
                       return true;
                     },
                 .params = &params_type<ViewParams>,
                 .check =
                     [](const CheckCall& c) {
                       expect_inputs(c, 1);
                       const auto& p = c.params.as<ViewParams>();
                       const array& a = c.in[0];
                       int64_t from = static_cast<int64_t>(a.itemsize()),
                               to = static_cast<int64_t>(p.to.size());
                       require(c, p.from_size == from, "the input's item size");
                       if (from == to) return;
                       expect_ndim(c, 0, 1);
                       int64_t bytes = checked_mul(a.shape().back(), from, c.op.name);
                       require(c, bytes % to == 0, "a last axis of whole elements");
                     },
                 .any_size = true};

// ---- concatenate

Shape joined_shape(int axis, std::span<const array> in) {
  Shape shape = in[0].shape();
  for (size_t i = 1; i < in.size(); ++i) {
    shape[axis] = checked_add(shape[axis], in[i].shape()[axis], "concatenate");
  }
  return shape;
}

MaybeArrays transpose_concatenate(const VjpCall& c) {
  int axis = c.params.as<AxisParams>().axis;
  MaybeArrays out(c.in.size());
  Shape start(c.ct[0].shape().size(), 0), stop = c.ct[0].shape();
  for (size_t i = 0; i < c.in.size(); ++i) {
    stop[axis] = start[axis] + c.in[i].shape()[axis];
    if (c.wanted[i]) out[i] = slice(c.ct[0], start, stop);
    start[axis] = stop[axis];
  }
  return out;
}

VmapResult vmap_concatenate(const VmapCall& c) {
  Arrays in;
  for (size_t i = 0; i < c.in.size(); ++i) in.push_back(batch_first(c, i));
  return {emit(c.op, make_params(AxisParams{c.params.as<AxisParams>().axis + 1}), in), {0}};
}

void check_concatenate(const CheckCall& c) {
  expect_inputs(c, 1, SIZE_MAX);
  expect_one_dtype(c, 0, c.in.size());
  int axis = c.params.as<AxisParams>().axis;
  expect_axis(c, axis, c.in[0].ndim());
  for (size_t i = 1; i < c.in.size(); ++i) {
    expect_ndim(c, i, c.in[0].ndim(), c.in[0].ndim());
    Shape shape = c.in[0].shape();
    shape[axis] = c.in[i].shape()[axis];
    expect_shape(c, i, shape);
  }
}

const Op concatenate_op = structural(
    "concatenate", {.infer =
                        [](const ParamsRef& p, std::span<const array> in) {
                          return Specs{{joined_shape(p.as<AxisParams>().axis, in), in[0].dtype()}};
                        },
                    .transpose = transpose_concatenate,
                    .vmap = vmap_concatenate,
                    .params = &params_type<AxisParams>,
                    .check = check_concatenate,
                    .any_size = true});

// ---- the identity in several roles

struct ContiguousParams {
  bool allow_col_major;
  auto fields() const { return std::tie(allow_col_major); }
};

bool is_col_contiguous(const Layout& l) {
  Shape shape(l.shape.size());
  Strides strides(l.shape.size());
  std::reverse_copy(l.shape.begin(), l.shape.end(), shape.begin());
  std::reverse_copy(l.strides.begin(), l.strides.end(), strides.begin());
  return is_row_contiguous(shape, strides);
}

const Op contiguous_op = structural(
    "contiguous", {.infer = like_first,
                   .transpose = pass_cotangent,
                   .vmap = [](const VmapCall& c) { return vmap_first(c, c.params); },
                   .view =
                       [](const ParamsRef& p, const Layout& in, const OutSpec&, Layout& result) {
                         result = in;
                         return is_row_contiguous(in.shape, in.strides) ||
                                (p.as<ContiguousParams>().allow_col_major && is_col_contiguous(in));
                       },
                   .params = &params_type<ContiguousParams>,
                   .check = check_unary,
                   .any_size = true});

const Op copy_op = structural("copy", {.infer = like_first,
                                       .transpose = pass_cotangent,
                                       .vmap = vmap_in_place,
                                       .view = same_layout,
                                       .check = check_unary,
                                       .any_size = true});

const Op stop_gradient_op{.name = "stop_gradient",
                          .kind = OpKind::structural,
                          .infer = like_first,
                          .vjp = [](const VjpCall&) { return MaybeArrays(1); },
                          .jvp = [](const JvpCall&) { return MaybeArrays(1); },
                          .vmap = vmap_in_place,
                          .view = same_layout,
                          .stops_gradient = true,
                          .check = check_unary,
                          .any_size = true};

// Input 0; the others only have to be computed before.
const Op depends_op{.name = "depends",
                    .kind = OpKind::structural,
                    .infer = like_first,
                    .vjp = pass_cotangent,
                    .jvp = [](const JvpCall& c) { return MaybeArrays{c.tangent[0]}; },
                    .vmap = vmap_in_place,
                    .view = same_layout,
                    .check = check_any,
                    .any_size = true};

// ---- diagonal

struct DiagonalParams {
  int64_t offset;
  int axis1, axis2;
  auto fields() const { return std::tie(offset, axis1, axis2); }
};

int64_t diagonal_length(int64_t rows, int64_t cols, int64_t offset) {
  return std::max<int64_t>(
      0, offset >= 0 ? std::min(rows, cols - offset) : std::min(rows + offset, cols));
}
// The list without the entries of the two axes, then `last`.
template <class List>
List diagonal_entries(const List& list, const DiagonalParams& p, int64_t last) {
  List out;
  for (int i = 0; i < static_cast<int>(list.size()); ++i) {
    if (i != p.axis1 && i != p.axis2) out.push_back(list[i]);
  }
  out.push_back(last);
  return out;
}
Shape diagonal_shape(const Shape& in, const DiagonalParams& p) {
  return diagonal_entries(in, p, diagonal_length(in[p.axis1], in[p.axis2], p.offset));
}

MaybeArrays transpose_diagonal(const VjpCall& c) {
  const auto& p = c.params.as<DiagonalParams>();
  const Shape& in = c.in[0].shape();
  array plane = place_diagonal(c.ct[0], in[p.axis1], in[p.axis2], p.offset);
  // The planes' axes are last; put them back.
  int ndim = c.in[0].ndim();
  SmallVector<int, 6> axes(static_cast<size_t>(ndim));
  for (int i = 0, rest = 0; i < ndim; ++i) {
    axes[i] = i == p.axis1 ? ndim - 2 : i == p.axis2 ? ndim - 1 : rest++;
  }
  return {make_transpose(plane, axes)};
}

const Op diagonal_op = structural(
    "diagonal",
    {.infer =
         [](const ParamsRef& p, std::span<const array> in) {
           return Specs{{diagonal_shape(in[0].shape(), p.as<DiagonalParams>()), in[0].dtype()}};
         },
     .transpose = transpose_diagonal,
     .vmap =
         [](const VmapCall& c) {
           const auto& p = c.params.as<DiagonalParams>();
           return vmap_first(c, make_params(DiagonalParams{p.offset, p.axis1 + 1, p.axis2 + 1}));
         },
     .view =
         [](const ParamsRef& params, const Layout& in, const OutSpec& out, Layout& result) {
           const auto& p = params.as<DiagonalParams>();
           int64_t row = in.strides[p.axis1], col = in.strides[p.axis2];
           result.shape = out.shape;
           result.strides = diagonal_entries(in.strides, p, row + col);
           result.offset = in.offset;
           if (out.shape.back() > 0)
             result.offset += p.offset >= 0 ? p.offset * col : -p.offset * row;
           return true;
         },
     .params = &params_type<DiagonalParams>,
     .check =
         [](const CheckCall& c) {
           expect_inputs(c, 1);
           const auto& p = c.params.as<DiagonalParams>();
           expect_axes(c, SmallVector<int, 6>{p.axis1, p.axis2}, c.in[0].ndim(), false);
           require(c, std::in_range<int>(p.offset), "an offset of 32 bits");
         },
     .any_size = true});

}  // namespace

// ---- public functions

array reshape(const array& a, Shape shape, StreamOrDevice s) {
  if (shape == a.shape()) {
    note_size_read(a, "a reshape to its own shape");
    return a;
  }
  Shape complete = complete_shape(shape, a.size(), "reshape", a.shape());
  if (avoids_sizes(a) && std::ranges::count(shape, -1) == 1) {
    return make_node(reshape_open_op, make_params(ReshapeParams{shape}), {a}, std::move(complete),
                     a.dtype(), s);
  }
  return make_reshape(a, std::move(complete), s);
}

array unflatten(const array& a, int axis, Shape shape, StreamOrDevice s) {
  int ax = normalize_axis(axis, a.ndim(), "unflatten");
  if (shape.empty()) fail("[unflatten] expected a shape of at least one axis; got none");
  Shape part = complete_shape(std::move(shape), a.shape()[ax], "unflatten", a.shape());
  Shape out(a.shape().begin(), a.shape().begin() + ax);
  for (int64_t d : part) out.push_back(d);
  for (int i = ax + 1; i < a.ndim(); ++i) out.push_back(a.shape()[i]);
  return make_reshape(a, out, s);
}

array flatten(const array& a, int start_axis, int end_axis, StreamOrDevice s) {
  int ndim = a.ndim();
  int start = std::max(0, start_axis < 0 ? start_axis + ndim : start_axis);
  int end = std::min(ndim - 1, end_axis < 0 ? end_axis + ndim : end_axis);
  if (ndim == 0) return make_reshape(a, {1}, s);
  if (start > end) {
    fail("[flatten] expected start_axis <= end_axis; got ", start_axis, " and ", end_axis,
         " for shape ", a.shape());
  }
  if (start == end) return a;
  Shape out(a.shape().begin(), a.shape().begin() + start);
  if (avoids_sizes(a)) {
    RegroupParams p;
    for (int i = 0; i < ndim; ++i) {
      if (i > start && i <= end) continue;
      p.first.push_back(i);
      p.counts.push_back(i == start ? end - start + 1 : 1);
    }
    return make_regroup(a, p, s);
  }
  int64_t merged = 1;
  for (int i = start; i <= end; ++i) merged *= a.shape()[i];
  out.push_back(merged);
  for (int i = end + 1; i < ndim; ++i) out.push_back(a.shape()[i]);
  return make_reshape(a, out, s);
}
array flatten(const array& a, StreamOrDevice s) { return flatten(a, 0, -1, s); }

array squeeze(const array& a, const std::vector<int>& axes, StreamOrDevice s) {
  auto gone = normalize_axes(axes, a.ndim(), "squeeze");
  Shape out;
  RegroupParams kept;
  for (int i = 0; i < a.ndim(); ++i) {
    if (!std::binary_search(gone.begin(), gone.end(), i)) {
      out.push_back(a.shape()[i]);
      kept.first.push_back(i);
    } else if (a.shape()[i] != 1) {
      fail("[squeeze] expected size 1 along axis ", i, "; got shape ", a.shape());
    }
  }
  if (avoids_sizes(a)) {
    kept.counts.resize(kept.first.size(), 1);
    return make_regroup(a, kept, s);
  }
  return make_reshape(a, out, s);
}
array squeeze(const array& a, int axis, StreamOrDevice s) {
  return squeeze(a, std::vector<int>{axis}, s);
}
array squeeze(const array& a, StreamOrDevice s) {
  std::vector<int> axes;
  for (int i = 0; i < a.ndim(); ++i) {
    if (a.shape()[i] == 1) axes.push_back(i);
  }
  return squeeze(a, axes, s);
}

array expand_dims(const array& a, const std::vector<int>& axes, StreamOrDevice s) {
  int ndim = a.ndim() + static_cast<int>(axes.size());
  auto added = normalize_axes(axes, ndim, "expand_dims");
  Shape out;
  RegroupParams p;
  for (int i = 0, rest = 0; i < ndim; ++i) {
    bool fresh = std::binary_search(added.begin(), added.end(), i);
    p.first.push_back(fresh ? 0 : rest);
    p.counts.push_back(fresh ? 0 : 1);
    out.push_back(fresh ? 1 : a.shape()[rest++]);
  }
  if (avoids_sizes(a)) return make_regroup(a, p, s);
  return make_reshape(a, out, s);
}
array expand_dims(const array& a, int axis, StreamOrDevice s) {
  return expand_dims(a, std::vector<int>{axis}, s);
}

array transpose(const array& a, const std::vector<int>& axes, StreamOrDevice s) {
  if (static_cast<int>(axes.size()) != a.ndim()) {
    fail("[transpose] expected ", a.ndim(), " axes for shape ", a.shape(), "; got ", axes.size());
  }
  normalize_axes(axes, a.ndim(), "transpose");
  SmallVector<int, 6> order;
  for (int axis : axes) order.push_back(axis < 0 ? axis + a.ndim() : axis);
  return make_transpose(a, order, s);
}
array transpose(const array& a, StreamOrDevice s) {
  auto axes = identity_axes(a.ndim());
  std::reverse(axes.begin(), axes.end());
  return make_transpose(a, axes, s);
}
array matrix_transpose(const array& a, StreamOrDevice s) {
  if (a.ndim() < 2) {
    fail("[matrix_transpose] expected at least two axes; got shape ", a.shape());
  }
  return swapaxes(a, -1, -2, s);
}
array swapaxes(const array& a, int axis1, int axis2, StreamOrDevice s) {
  auto axes = identity_axes(a.ndim());
  std::swap(axes[normalize_axis(axis1, a.ndim(), "swapaxes")],
            axes[normalize_axis(axis2, a.ndim(), "swapaxes")]);
  return make_transpose(a, axes, s);
}
array moveaxis(const array& a, int source, int destination, StreamOrDevice s) {
  int from = normalize_axis(source, a.ndim(), "moveaxis");
  int to = normalize_axis(destination, a.ndim(), "moveaxis");
  auto axes = identity_axes(a.ndim());
  axes.erase(axes.begin() + from);
  axes.insert(axes.begin() + to, from);
  return make_transpose(a, axes, s);
}

array broadcast_to(const array& a, const Shape& shape, StreamOrDevice s) {
  if (shape == a.shape()) {
    note_size_read(a, "a broadcast to its own shape");
    return a;
  }
  element_count(shape, "broadcast_to");
  size_t lead = shape.size() - a.shape().size();
  bool fits = shape.size() >= a.shape().size();
  for (size_t i = 0; fits && i < a.shape().size(); ++i) {
    fits = a.shape()[i] == 1 || a.shape()[i] == shape[lead + i];
  }
  if (!fits) {
    fail("[broadcast_to] expected a shape that ", a.shape(), " broadcasts to; got ", shape);
  }
  return make_node(broadcast_op, make_params(ReshapeParams{shape}), {a}, shape, a.dtype(), s);
}
std::vector<array> broadcast_arrays(const std::vector<array>& arrays, StreamOrDevice s) {
  std::vector<array> out;
  if (arrays.empty()) return out;
  Shape shape = arrays[0].shape();
  for (const array& a : arrays) shape = broadcast_shapes(shape, a.shape(), "broadcast_arrays");
  for (const array& a : arrays) out.push_back(broadcast_to(a, shape, s));
  return out;
}
Shape broadcast_shapes(const Shape& a, const Shape& b) {
  return broadcast_shapes(std::span<const int64_t>(a), std::span<const int64_t>(b));
}

array broadcast_like(const array& a, const array& like) {
  if (!ShapelessTrace::running()) return broadcast_to(a, like.shape());
  return make_node(broadcast_like_op, {}, {a, like}, like.shape(), a.dtype());
}
array sum_to(const array& a, const Shape& shape) {
  if (a.shape() == shape) return a;
  int lead = a.ndim() - static_cast<int>(shape.size());
  std::vector<int> axes, leading;
  for (int i = 0; i < a.ndim(); ++i) {
    if (i < lead || shape[i - lead] != a.shape()[i]) axes.push_back(i);
    if (i < lead) leading.push_back(i);
  }
  array total = axes.empty() ? a : sum(a, axes, true);
  if (lead == 0) return total;
  return ShapelessTrace::running() ? squeeze(total, leading) : reshape(total, shape);
}

array as_strided(const array& a, Shape shape, Strides strides, int64_t offset, StreamOrDevice s) {
  bool empty = check_strided(shape, strides, offset, a.size());
  auto params = make_params(StridedParams{shape, std::move(strides), empty ? 0 : offset});
  return make_node(as_strided_op, std::move(params), {flatten(a, s)}, std::move(shape), a.dtype(),
                   s);
}

array as_strided(const array& a, const std::optional<Shape>& shape,
                 const std::optional<Strides>& strides, int64_t offset, StreamOrDevice s) {
  const Shape& out = shape ? *shape : a.shape();
  return as_strided(a, out, strides ? *strides : row_major(out), offset, s);
}

array view(const array& a, Dtype dtype, StreamOrDevice s) {
  if (dtype == a.dtype()) return a;
  size_t from = a.itemsize(), to = dtype.size();
  if (from != to && a.ndim() == 0) {
    fail("[view] expected a dtype of ", from, " bytes for a scalar; got ", dtype);
  }
  if (from < to && a.shape().back() * int64_t(from) % int64_t(to) != 0) {
    fail("[view] expected a last axis of whole ", dtype, " elements; got shape ", a.shape(), " of ",
         a.dtype());
  }
  auto params = make_params(ViewParams{dtype, static_cast<int>(from)});
  return make_node(view_op, std::move(params), {a}, view_shape(a.shape(), a.dtype(), dtype), dtype,
                   s);
}

array concatenate(const std::vector<array>& arrays, int axis, StreamOrDevice s) {
  if (arrays.empty()) fail("[concatenate] expected at least one array; got none");
  int ndim = arrays[0].ndim();
  int ax = normalize_axis(axis, ndim, "concatenate");
  Dtype dtype = arrays[0].dtype();
  for (const array& a : arrays) {
    bool fits = a.ndim() == ndim;
    for (int i = 0; fits && i < ndim; ++i) {
      fits = i == ax || a.shape()[i] == arrays[0].shape()[i];
    }
    if (!fits) {
      fail("[concatenate] expected equal shapes except along axis ", ax, "; got ",
           arrays[0].shape(), " and ", a.shape());
    }
    dtype = promote_types(dtype, a.dtype());
  }
  if (arrays.size() == 1) return arrays[0];
  Arrays in;
  for (const array& a : arrays) in.push_back(astype(a, dtype, s));
  Shape shape = joined_shape(ax, in);
  return make_node(concatenate_op, make_params(AxisParams{ax}), in, std::move(shape), dtype, s);
}
array concatenate(const std::vector<array>& arrays, StreamOrDevice s) {
  std::vector<array> flat;
  for (const array& a : arrays) flat.push_back(flatten(a, s));
  return concatenate(flat, 0, s);
}

array contiguous(const array& a, bool allow_col_major, StreamOrDevice s) {
  return make_node(contiguous_op, make_params(ContiguousParams{allow_col_major}), {a}, a.shape(),
                   a.dtype(), s);
}
array copy(const array& a, StreamOrDevice s) {
  return make_node(copy_op, {}, {a}, a.shape(), a.dtype(), s);
}
array stop_gradient(const array& a, StreamOrDevice s) {
  return make_node(stop_gradient_op, {}, {a}, a.shape(), a.dtype(), s);
}
std::vector<array> depends(const std::vector<array>& inputs,
                           const std::vector<array>& dependencies) {
  std::vector<array> out;
  for (const array& a : inputs) {
    Arrays in{a};
    in.insert(in.end(), dependencies.begin(), dependencies.end());
    out.push_back(make_node(depends_op, {}, in, a.shape(), a.dtype()));
  }
  return out;
}

array diagonal(const array& a, int offset, int axis1, int axis2, StreamOrDevice s) {
  if (a.ndim() < 2) fail("[diagonal] expected at least two axes; got shape ", a.shape());
  DiagonalParams p{offset, normalize_axis(axis1, a.ndim(), "diagonal"),
                   normalize_axis(axis2, a.ndim(), "diagonal")};
  if (p.axis1 == p.axis2) fail("[diagonal] expected two different axes; got ", axis1, " twice");
  return make_node(diagonal_op, make_params(p), {a}, diagonal_shape(a.shape(), p), a.dtype(), s);
}

array place_diagonal(const array& a, int64_t rows, int64_t cols, int64_t offset, StreamOrDevice s) {
  int64_t before = std::min(rows, std::max<int64_t>(0, -offset));
  array column = expand_dims(
      pad(a, {-1}, {before}, {rows - before - a.shape().back()}, array(0), "constant", s), -1, s);
  Shape shape = column.shape();
  shape.back() = cols;
  array on_diagonal = equal(expand_dims(arange(double(rows), int64, s), 1, s),
                            subtract(arange(double(cols), int64, s), array(offset), s), s);
  return broadcast_to(where(on_diagonal, column, array(0, a.dtype()), s), shape, s);
}

}  // namespace olivine
