// Reductions: records with their derivatives, checks, and the functions made of them.
//
// A node keeps the reduced axes as size 1; the public functions drop them. Derivatives therefore
// broadcast against the input without further ado.
#include "olivine/ops/reduction.h"

#include <cmath>
#include <numeric>

#include "core/checks.h"
#include "core/error.h"
#include "core/node.h"
#include "core/op.h"
#include "olivine/ops/creation.h"
#include "olivine/ops/elementwise.h"
#include "olivine/ops/indexing.h"
#include "olivine/ops/scan.h"
#include "olivine/ops/shape.h"
#include "olivine/ops/sort.h"
#include "ops/broadcasting.h"

namespace olivine {

namespace {

using Specs = std::vector<OutSpec>;
using AxisList = SmallVector<int, 6>;

AxisList resolve(const Axes& axes, int ndim, const char* op) {
  if (!axes.all()) return normalize_axes(axes.list(), ndim, op);
  AxisList all;
  for (int i = 0; i < ndim; ++i) all.push_back(i);
  return all;
}

const AxisList& axes_of(const ParamsRef& p) { return p.as<ReduceParams>().axes; }

Shape kept_shape(const Shape& shape, const AxisList& axes) {
  Shape out = shape;
  for (int axis : axes) out[axis] = 1;
  return out;
}

int64_t reduced_count(const Shape& shape, const AxisList& axes) {
  int64_t n = 1;
  for (int axis : axes) n *= shape[axis];
  return n;
}

// bool and small integers are added and multiplied in 32 bits.
Dtype wide_dtype(Dtype t) {
  if (t == bool_ || t == int8 || t == int16) return int32;
  if (t == uint8 || t == uint16) return uint32;
  return t;
}

template <Dtype (*out_dtype)(Dtype)>
Specs infer_reduction(const ParamsRef& p, std::span<const array> in) {
  return {{kept_shape(in[0].shape(), axes_of(p)), out_dtype(in[0].dtype())}};
}
Dtype same_dtype(Dtype t) { return t; }
Dtype truth_dtype(Dtype) { return bool_; }
Dtype index_dtype(Dtype) { return uint32; }
Dtype float_dtype(Dtype) { return float32; }

array spread(const array& a, const array& like) { return broadcast_like(a, like); }
array cast_like(const array& a, const array& like) {
  return a.dtype() == like.dtype() ? a : astype(a, like.dtype());
}

// There is something to reduce along each axis.
void check_nonempty(const CheckCall& c) {
  check_reduction(c);
  for (int axis : axes_of(c.params)) {
    require(c, c.in[0].shape()[axis] > 0, "at least one element along each axis");
  }
}
void check_arg_reduction(const CheckCall& c) {
  check_nonempty(c);
  const AxisList& axes = axes_of(c.params);
  require(c, axes.size() == 1, "one axis");
  require(c, c.in[0].shape()[axes[0]] <= std::numeric_limits<uint32_t>::max(),
          "an axis of less than 2^32 elements");
}

MaybeArrays no_vjp(const VjpCall& c) { return MaybeArrays(c.in.size()); }
MaybeArrays no_jvp(const JvpCall& c) { return MaybeArrays(c.out.size()); }

// ---- sum

MaybeArrays vjp_sum(const VjpCall& c) { return {spread(cast_like(c.ct[0], c.in[0]), c.in[0])}; }
MaybeArrays jvp_sum(const JvpCall& c) {
  return {emit(c.op, c.params, std::span(&*c.tangent[0], 1))[0]};
}

const Op sum_op =
    reduction("sum", {.vjp = vjp_sum, .jvp = jvp_sum, .infer = infer_reduction<wide_dtype>});
// The sum of 16-bit floats in float32.
const Op sum_wide_op =
    reduction("sum_wide", {.vjp = vjp_sum, .jvp = jvp_sum, .infer = infer_reduction<float_dtype>});

// ---- prod

// For each element the product of all others along the axes, which is right with zeros too.
array product_of_others(const array& a, const AxisList& axes) {
  auto others = [](const array& x, int axis) {
    return multiply(cumprod(x, axis, false, false), cumprod(x, axis, true, false));
  };
  if (axes.empty()) return ones_like(a);
  if (axes.size() == 1) return others(a, axes[0]);
  std::vector<int> order, inverse(a.ndim());
  for (int i = 0; i < a.ndim(); ++i) {
    if (std::find(axes.begin(), axes.end(), i) == axes.end()) order.push_back(i);
  }
  size_t kept = order.size();
  order.insert(order.end(), axes.begin(), axes.end());
  for (size_t i = 0; i < order.size(); ++i) inverse[order[i]] = static_cast<int>(i);
  array moved = transpose(a, order);
  Shape flat(moved.shape().begin(), moved.shape().begin() + kept);
  flat.push_back(reduced_count(a.shape(), axes));
  return transpose(reshape(others(reshape(moved, flat), -1), moved.shape()), inverse);
}

const Op prod_op = reduction(
    "prod", {.vjp =
                 [](const VjpCall& c) {
                   array g = multiply(spread(cast_like(c.ct[0], c.in[0]), c.in[0]),
                                      product_of_others(c.in[0], axes_of(c.params)));
                   return MaybeArrays{g};
                 },
             .jvp =
                 [](const JvpCall& c) {
                   const AxisList& axes = axes_of(c.params);
                   array t = multiply(*c.tangent[0], product_of_others(c.in[0], axes));
                   return MaybeArrays{sum(t, std::vector<int>(axes.begin(), axes.end()), true)};
                 },
             .infer = infer_reduction<wide_dtype>});

// ---- max and min: elements that tie share the derivative equally.

array shares(const array& in, const array& out, const AxisList& axes) {
  array hit = astype(equal(in, out), in.dtype());
  return divide(hit, sum(hit, std::vector<int>(axes.begin(), axes.end()), true));
}
MaybeArrays vjp_extreme(const VjpCall& c) {
  return {multiply(c.ct[0], shares(c.in[0], c.out[0], axes_of(c.params)))};
}
MaybeArrays jvp_extreme(const JvpCall& c) {
  const AxisList& axes = axes_of(c.params);
  return {sum(multiply(*c.tangent[0], shares(c.in[0], c.out[0], axes)),
              std::vector<int>(axes.begin(), axes.end()), true)};
}

constexpr ReductionRules extreme_rules{vjp_extreme, jvp_extreme, infer_reduction<same_dtype>,
                                       check_nonempty};
const Op max_op = reduction("max", extreme_rules);
const Op min_op = reduction("min", extreme_rules);

// ---- Reductions without derivative

constexpr ReductionRules truth_rules{no_vjp, no_jvp, infer_reduction<truth_dtype>};
constexpr ReductionRules index_rules{no_vjp, no_jvp, infer_reduction<index_dtype>,
                                     check_arg_reduction};
const Op all_op = reduction("all", truth_rules);
const Op any_op = reduction("any", truth_rules);
const Op argmax_op = reduction("argmax", index_rules);
const Op argmin_op = reduction("argmin", index_rules);

// ---- logsumexp

// exp(in - out): the weight of each element; zero where all elements are -inf.
array weights(const array& in, const array& out) {
  return exp(subtract(in, where(isneginf(out), zeros_like(out), out)));
}

const Op logsumexp_op = reduction(
    "logsumexp", {.vjp =
                      [](const VjpCall& c) {
                        return MaybeArrays{multiply(c.ct[0], weights(c.in[0], c.out[0]))};
                      },
                  .jvp =
                      [](const JvpCall& c) {
                        const AxisList& axes = axes_of(c.params);
                        return MaybeArrays{sum(multiply(*c.tangent[0], weights(c.in[0], c.out[0])),
                                               std::vector<int>(axes.begin(), axes.end()), true)};
                      },
                  .infer = infer_reduction<same_dtype>,
                  .check = check_nonempty});

// ---- softmax along one axis

std::vector<int> softmax_axis(const ParamsRef& p) { return {axes_of(p)[0]}; }

// out * (v - sum(out * v)): the same in both modes, as the Jacobian is symmetric.
array apply_softmax_jacobian(const array& out, const array& v, const ParamsRef& p) {
  array ov = multiply(out, v);
  return subtract(ov, multiply(out, sum(ov, softmax_axis(p), true)));
}

const Op softmax_op{
    .name = "softmax",
    .infer =
        [](const ParamsRef&, std::span<const array> in) {
          return Specs{{in[0].shape(), in[0].dtype()}};
        },
    .vjp =
        [](const VjpCall& c) {
          return MaybeArrays{apply_softmax_jacobian(c.out[0], c.ct[0], c.params)};
        },
    .jvp =
        [](const JvpCall& c) {
          return MaybeArrays{apply_softmax_jacobian(c.out[0], *c.tangent[0], c.params)};
        },
    .vmap = vmap_reduction,
    .params = &params_type<ReduceParams>,
    .check =
        [](const CheckCall& c) {
          check_nonempty(c);
          require(c, axes_of(c.params).size() == 1, "one axis");
        },
    .any_size = true};

// ---- How many elements lie along some axes, as a value: for graphs that hold for any sizes.

struct CountParams {
  AxisList axes;
  Dtype dtype = float32;
  auto fields() const { return std::tie(axes, dtype); }
};

const Op element_count_op{.name = "element_count",
                          .infer =
                              [](const ParamsRef& p, std::span<const array>) {
                                return Specs{{{}, p.as<CountParams>().dtype}};
                              },
                          .vjp = no_vjp,
                          .jvp = no_jvp,
                          .vmap =
                              [](const VmapCall& c) {
                                CountParams p = c.params.as<CountParams>();
                                for (int& axis : p.axes) axis += axis >= c.axes[0];
                                return VmapResult{emit(c.op, make_params(p), c.in), {-1}};
                              },
                          .composite =
                              [](const ParamsRef& params, std::span<const array> in) {
                                const auto& p = params.as<CountParams>();
                                auto n = static_cast<double>(reduced_count(in[0].shape(), p.axes));
                                return Arrays{array(n, p.dtype)};
                              },
                          .params = &params_type<CountParams>,
                          .check =
                              [](const CheckCall& c) {
                                expect_inputs(c, 1);
                                const auto& p = c.params.as<CountParams>();
                                expect_axes(c, p.axes, c.in[0].ndim(), true);
                                require(c, is_inexact(p.dtype),
                                        "a floating point or complex dtype");
                              },
                          .any_size = true};

// ---- Making nodes

array count_along(const array& a, const AxisList& axes, Dtype dtype, StreamOrDevice s) {
  if (!ShapelessTrace::running() || !a.node()->tracer) {
    return array(static_cast<double>(reduced_count(a.shape(), axes)), dtype);
  }
  return make_node(element_count_op, make_params(CountParams{axes, dtype}), {a}, {}, dtype, s);
}

array reduce_kept(const Op& op, const array& a, const AxisList& axes, Dtype out, StreamOrDevice s) {
  return make_node(op, make_params(ReduceParams{axes}), {a}, kept_shape(a.shape(), axes), out, s);
}

array drop_axes(const array& a, const AxisList& axes, bool keepdims, StreamOrDevice s) {
  if (keepdims || axes.empty()) return a;
  if (ShapelessTrace::running()) {
    return squeeze(a, std::vector<int>(axes.begin(), axes.end()), s);
  }
  Shape shape;
  size_t next = 0;
  for (int i = 0; i < a.ndim(); ++i) {
    if (next < axes.size() && axes[next] == i) {
      ++next;
    } else {
      shape.push_back(a.shape()[i]);
    }
  }
  return reshape(a, shape, s);
}

array reduce(const Op& op, const array& a, const Axes& axes, bool keepdims, Dtype out,
             StreamOrDevice s) {
  AxisList list = resolve(axes, a.ndim(), op.name);
  return drop_axes(reduce_kept(op, a, list, out, s), list, keepdims, s);
}

void check_not_empty(const array& a, const AxisList& axes, const char* op) {
  for (int axis : axes) {
    if (a.shape()[axis] == 0) {
      fail("[", op, "] expected at least one element along axis ", axis, "; got shape ", a.shape());
    }
  }
}

array extreme(const Op& op, const array& a, const Axes& axes, bool keepdims, StreamOrDevice s) {
  check_not_empty(a, resolve(axes, a.ndim(), op.name), op.name);
  return reduce(op, a, axes, keepdims, a.dtype(), s);
}

array arg_extreme(const Op& op, const array& a, std::optional<int> axis, bool keepdims,
                  StreamOrDevice s) {
  if (!axis) {
    array index = arg_extreme(op, reshape(a, {-1}, s), 0, false, s);
    return keepdims ? reshape(index, Shape(a.ndim(), 1), s) : index;
  }
  AxisList list{normalize_axis(*axis, a.ndim(), op.name)};
  check_not_empty(a, list, op.name);
  if (a.shape()[list[0]] > std::numeric_limits<uint32_t>::max()) {
    fail("[", op.name, "] expected an axis of less than 2^32 elements; got shape ", a.shape());
  }
  return drop_axes(reduce_kept(op, a, list, uint32, s), list, keepdims, s);
}

array to_float(const array& a, StreamOrDevice s) {
  return is_inexact(a.dtype()) ? a : astype(a, float32, s);
}

// The mean in the dtype that it is computed in: float32 for 16-bit floats.
array wide_mean(const array& a, const AxisList& axes, StreamOrDevice s) {
  array x = to_float(a, s);
  bool half = x.dtype().size() == 2;
  array total = reduce_kept(half ? sum_wide_op : sum_op, x, axes, half ? float32 : x.dtype(), s);
  return divide(total, count_along(a, axes, total.dtype(), s), s);
}

}  // namespace

array sum(const array& a, const Axes& axes, bool keepdims, StreamOrDevice s) {
  return reduce(sum_op, a, axes, keepdims, wide_dtype(a.dtype()), s);
}

array prod(const array& a, const Axes& axes, bool keepdims, StreamOrDevice s) {
  return reduce(prod_op, a, axes, keepdims, wide_dtype(a.dtype()), s);
}

array max(const array& a, const Axes& axes, bool keepdims, StreamOrDevice s) {
  return extreme(max_op, a, axes, keepdims, s);
}

array min(const array& a, const Axes& axes, bool keepdims, StreamOrDevice s) {
  return extreme(min_op, a, axes, keepdims, s);
}

std::tuple<array, array> minmax(const array& a, const Axes& axes, bool keepdims, StreamOrDevice s) {
  check_not_empty(a, resolve(axes, a.ndim(), "minmax"), "minmax");
  return {min(a, axes, keepdims, s), max(a, axes, keepdims, s)};
}

array all(const array& a, const Axes& axes, bool keepdims, StreamOrDevice s) {
  return reduce(all_op, a, axes, keepdims, bool_, s);
}

array any(const array& a, const Axes& axes, bool keepdims, StreamOrDevice s) {
  return reduce(any_op, a, axes, keepdims, bool_, s);
}

array count_nonzero(const array& a, const Axes& axes, bool keepdims, StreamOrDevice s) {
  array nonzero = a.dtype() == bool_ ? a : not_equal(a, array(0, a.dtype()), s);
  AxisList list = resolve(axes, a.ndim(), "count_nonzero");
  return drop_axes(reduce_kept(sum_op, nonzero, list, int32, s), list, keepdims, s);
}

array mean(const array& a, const Axes& axes, bool keepdims, StreamOrDevice s) {
  AxisList list = resolve(axes, a.ndim(), "mean");
  array m = wide_mean(a, list, s);
  return drop_axes(astype(m, at_least_float(a.dtype()), s), list, keepdims, s);
}

array median(const array& a, const Axes& axes, bool keepdims, StreamOrDevice s) {
  AxisList list = resolve(axes, a.ndim(), "median");
  check_not_empty(a, list, "median");
  array x = to_float(a, s);
  if (list.empty()) return x;
  std::vector<int> order;
  for (int i = 0; i < x.ndim(); ++i) {
    if (std::find(list.begin(), list.end(), i) == list.end()) order.push_back(i);
  }
  size_t kept = order.size();
  order.insert(order.end(), list.begin(), list.end());
  Shape rows;
  for (size_t i = 0; i < kept; ++i) rows.push_back(x.shape()[order[i]]);
  int64_t n = reduced_count(x.shape(), list);
  rows.push_back(n);
  array sorted = sort(reshape(transpose(x, order, s), rows, s), -1, s);
  auto column = [&](int64_t from, int64_t to) {
    Shape start(rows.size(), 0), stop = rows;
    start.back() = from;
    stop.back() = to;
    return slice(sorted, start, stop, s);
  };
  array middle = n % 2 ? column(n / 2, n / 2 + 1) : mean(column(n / 2 - 1, n / 2 + 1), -1, true, s);
  if (!is_complexfloating(x.dtype())) {  // NaN is sorted last
    array last = column(n - 1, n);
    middle = where(isnan(last, s), last, middle, s);
  }
  array kept_out = reshape(middle, kept_shape(a.shape(), list), s);
  return drop_axes(kept_out, list, keepdims, s);
}

array var(const array& a, const Axes& axes, bool keepdims, int ddof, std::optional<int> correction,
          StreamOrDevice s) {
  AxisList list = resolve(axes, a.ndim(), "var");
  array m = wide_mean(a, list, s);
  array distance = subtract(astype(a, m.dtype(), s), m, s);
  array squared = is_complexfloating(m.dtype())
                      ? add(square(real(distance, s), s), square(imag(distance, s), s), s)
                      : square(distance, s);
  array total = reduce_kept(sum_op, squared, list, squared.dtype(), s);
  array n = count_along(a, list, total.dtype(), s);
  if (int by = correction.value_or(ddof); by != 0) {
    n = maximum(subtract(n, array(double(by), n.dtype()), s), array(0.0, n.dtype()), s);
  }
  array v = divide(total, n, s);
  return drop_axes(astype(v, real_type(at_least_float(a.dtype())), s), list, keepdims, s);
}

array var(const array& a, const Axes& axes, bool keepdims, int ddof, StreamOrDevice s) {
  return var(a, axes, keepdims, ddof, std::nullopt, s);
}

array std(const array& a, const Axes& axes, bool keepdims, int ddof, std::optional<int> correction,
          StreamOrDevice s) {
  resolve(axes, a.ndim(), "std");  // its error names this function
  return sqrt(var(a, axes, keepdims, ddof, correction, s), s);
}

array std(const array& a, const Axes& axes, bool keepdims, int ddof, StreamOrDevice s) {
  return std(a, axes, keepdims, ddof, std::nullopt, s);
}

array argmax(const array& a, std::optional<int> axis, bool keepdims, StreamOrDevice s) {
  return arg_extreme(argmax_op, a, axis, keepdims, s);
}

array argmin(const array& a, std::optional<int> axis, bool keepdims, StreamOrDevice s) {
  return arg_extreme(argmin_op, a, axis, keepdims, s);
}

array logsumexp(const array& a, const Axes& axes, bool keepdims, StreamOrDevice s) {
  AxisList list = resolve(axes, a.ndim(), "logsumexp");
  check_not_empty(a, list, "logsumexp");
  array x = to_float(a, s);
  if (!is_complexfloating(x.dtype())) {
    return drop_axes(reduce_kept(logsumexp_op, x, list, x.dtype(), s), list, keepdims, s);
  }
  std::vector<int> axis_list(list.begin(), list.end());
  array top = stop_gradient(max(real(x, s), axis_list, true, s), s);
  top = where(isfinite(top, s), top, array(0.0, top.dtype()), s);  // else infinity - infinity
  array total = reduce_kept(sum_op, exp(subtract(x, top, s), s), list, x.dtype(), s);
  return drop_axes(add(log(total, s), top, s), list, keepdims, s);
}

array softmax(const array& a, const Axes& axes, bool, StreamOrDevice s) {
  AxisList list = resolve(axes, a.ndim(), "softmax");
  array x = to_float(a, s);
  if (list.empty()) return ones_like(x, s);
  if (x.size() == 0) return x;
  if (is_complexfloating(x.dtype())) {
    std::vector<int> axis_list(list.begin(), list.end());
    array e = exp(subtract(x, stop_gradient(max(real(x, s), axis_list, true, s), s), s), s);
    return divide(e, sum(e, axis_list, true, s), s);
  }
  if (list.size() == 1) {
    return make_node(softmax_op, make_params(ReduceParams{list}), {x}, x.shape(), x.dtype(), s);
  }
  // Several axes: bring them to the end and treat them as one.
  std::vector<int> order, inverse(x.ndim());
  for (int i = 0; i < x.ndim(); ++i) {
    if (std::find(list.begin(), list.end(), i) == list.end()) order.push_back(i);
  }
  size_t kept = order.size();
  order.insert(order.end(), list.begin(), list.end());
  for (size_t i = 0; i < order.size(); ++i) inverse[order[i]] = static_cast<int>(i);
  array moved = transpose(x, order, s);
  Shape rows(moved.shape().begin(), moved.shape().begin() + kept);
  rows.push_back(reduced_count(x.shape(), list));
  array y = softmax(reshape(moved, rows, s), -1, false, s);
  return transpose(reshape(y, moved.shape(), s), inverse, s);
}

}  // namespace olivine
