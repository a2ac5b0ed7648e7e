// Scans: records with their derivatives, checks and public functions.
//
// The tangents of a running product, and of a running log-sum-exp, obey a linear recurrence
// y[i] = a[i] y[i-1] + b[i]; so does its transpose, run the other way. With that one op as a
// primitive every derivative of every order is stable, and right where elements are zero.
#include "olivine/ops/scan.h"

#include <cmath>
#include <limits>

#include "core/checks.h"
#include "core/error.h"
#include "core/op.h"
#include "olivine/ops/creation.h"
#include "olivine/ops/elementwise.h"
#include "olivine/ops/indexing.h"
#include "olivine/ops/reduction.h"
#include "olivine/ops/shape.h"
#include "ops/batching.h"
#include "ops/scan_params.h"

namespace olivine {

namespace {

using Specs = std::vector<OutSpec>;

Specs like_first(const ParamsRef&, std::span<const array> in) {
  return {{in[0].shape(), in[0].dtype()}};
}
const ScanParams& params_of(const ParamsRef& p) { return p.as<ScanParams>(); }

array scan(const Op& op, const array& a, const ScanParams& p, StreamOrDevice s = {}) {
  return make_node(op, make_params(p), {a}, a.shape(), a.dtype(), s);
}

VmapResult vmap_scan(const VmapCall& c) {
  ScanParams p = params_of(c.params);
  ++p.axis;
  Arrays in;
  for (size_t i = 0; i < c.in.size(); ++i) in.push_back(batch_first(c, i));
  return {emit(c.op, make_params(p), in), {0}};
}

void check_scan(const CheckCall& c) {
  expect_inputs(c, 1);
  expect_axis(c, params_of(c.params).axis, c.in[0].ndim());
}

// The element that a scan meets before each element; `first` where there is none.
array previous(const array& a, int axis, bool reverse, double first = 0) {
  int64_t n = a.shape()[axis];
  if (n == 0) return a;
  Shape start(a.ndim(), 0), stop = a.shape(), edge_shape = a.shape();
  (reverse ? start[axis] : stop[axis]) += reverse ? 1 : -1;
  edge_shape[axis] = 1;
  array rest = slice(a, start, stop);
  array edge = full(edge_shape, array(first, a.dtype()), a.dtype());
  return reverse ? concatenate({rest, edge}, axis) : concatenate({edge, rest}, axis);
}
array previous(const array& a, const ScanParams& p, double first = 0) {
  return previous(a, p.axis, p.reverse, first);
}
array following(const array& a, const ScanParams& p) { return previous(a, p.axis, !p.reverse); }

// An exclusive scan is the inclusive one shifted by an element, and so are its derivatives.
array inclusive_cotangent(const array& ct, const ScanParams& p) {
  return p.inclusive ? ct : following(ct, p);
}
array as_scanned(const array& tangent, const ScanParams& p) {
  return p.inclusive ? tangent : previous(tangent, p);
}
array inclusive_result(const Op& op, const array& in, const array& out, ScanParams p) {
  if (p.inclusive) return out;
  p.inclusive = true;
  return scan(op, in, p);
}

// ---- linear_recurrence(a, b)

array transposed_recurrence(const array& a, const array& ct, const ScanParams& p) {
  return linear_recurrence(following(a, p), ct, p.axis, !p.reverse);
}

const Op linear_recurrence_op{
    .name = "linear_recurrence",
    .infer = like_first,
    .vjp =
        [](const VjpCall& c) {
          const ScanParams& p = params_of(c.params);
          array g = transposed_recurrence(c.in[0], c.ct[0], p);
          MaybeArrays out(2);
          if (c.wanted[0]) out[0] = multiply(g, previous(c.out[0], p));
          if (c.wanted[1]) out[1] = g;
          return out;
        },
    .jvp =
        [](const JvpCall& c) {
          const ScanParams& p = params_of(c.params);
          MaybeArray b = c.tangent[1];
          if (c.tangent[0]) {
            array from_a = multiply(*c.tangent[0], previous(c.out[0], p));
            b = b ? add(*b, from_a) : from_a;
          }
          return MaybeArrays{linear_recurrence(c.in[0], *b, p.axis, p.reverse)};
        },
    .vmap = vmap_scan,
    .params = &params_type<ScanParams>,
    .check =
        [](const CheckCall& c) {
          expect_inputs(c, 2);
          expect_one_dtype(c, 0, 2);
          expect_shape(c, 1, c.in[0].shape());
          expect_axis(c, params_of(c.params).axis, c.in[0].ndim());
        },
    .any_size = true};

// ---- cumsum

const Op cumsum_op{.name = "cumsum",
                   .infer = like_first,
                   .vjp =
                       [](const VjpCall& c) {
                         ScanParams p = params_of(c.params);
                         p.reverse = !p.reverse;
                         return MaybeArrays{scan(c.op, c.ct[0], p)};
                       },
                   .jvp =
                       [](const JvpCall& c) {
                         return MaybeArrays{scan(c.op, *c.tangent[0], params_of(c.params))};
                       },
                   .vmap = vmap_scan,
                   .params = &params_type<ScanParams>,
                   .check = check_scan,
                   .any_size = true};

// ---- cumprod: y[i] = x[i] y[i-1], so its tangent is dy[i] = x[i] dy[i-1] + y[i-1] dx[i].

extern const Op cumprod_op;

array products_before(const array& x, ScanParams p) {
  p.inclusive = false;
  return scan(cumprod_op, x, p);
}

const Op cumprod_op{
    .name = "cumprod",
    .infer = like_first,
    .vjp =
        [](const VjpCall& c) {
          const ScanParams& p = params_of(c.params);
          array g = transposed_recurrence(c.in[0], inclusive_cotangent(c.ct[0], p), p);
          return MaybeArrays{multiply(g, products_before(c.in[0], p))};
        },
    .jvp =
        [](const JvpCall& c) {
          const ScanParams& p = params_of(c.params);
          array b = multiply(products_before(c.in[0], p), *c.tangent[0]);
          return MaybeArrays{as_scanned(linear_recurrence(c.in[0], b, p.axis, p.reverse), p)};
        },
    .vmap = vmap_scan,
    .params = &params_type<ScanParams>,
    .check = check_scan,
    .any_size = true};

// ---- cummax and cummin: a result's derivative belongs to the last element that attained it.

array positions_of_extremes(const Op& op, const array& in, const array& out, const ScanParams& p) {
  int64_t n = in.shape()[p.axis];
  Dtype index = n <= std::numeric_limits<int32_t>::max() ? int32 : int64;
  Shape shape(in.ndim(), 1);
  shape[p.axis] = n;
  array order = reshape(arange(int64_t{0}, n, int64_t{1}, index), shape);
  if (p.reverse) order = subtract(array(n - 1, index), order);
  array y = inclusive_result(op, in, out, p);
  array hit = logical_or(equal(in, y), not_equal(in, in));
  array last = cummax(where(hit, order, array(0, index)), p.axis, p.reverse);
  return p.reverse ? subtract(array(n - 1, index), last) : last;
}

MaybeArrays vjp_cumulative_extreme(const VjpCall& c) {
  const ScanParams& p = params_of(c.params);
  array at = positions_of_extremes(c.op, c.in[0], c.out[0], p);
  return {scatter_add_axis(zeros_like(c.in[0]), at, inclusive_cotangent(c.ct[0], p), p.axis)};
}
MaybeArrays jvp_cumulative_extreme(const JvpCall& c) {
  const ScanParams& p = params_of(c.params);
  array at = positions_of_extremes(c.op, c.in[0], c.out[0], p);
  return {as_scanned(take_along_axis(*c.tangent[0], at, p.axis), p)};
}

const Op cummax_op{.name = "cummax",
                   .infer = like_first,
                   .vjp = vjp_cumulative_extreme,
                   .jvp = jvp_cumulative_extreme,
                   .vmap = vmap_scan,
                   .params = &params_type<ScanParams>,
                   .check = check_scan,
                   .any_size = true};
const Op cummin_op{.name = "cummin",
                   .infer = like_first,
                   .vjp = vjp_cumulative_extreme,
                   .jvp = jvp_cumulative_extreme,
                   .vmap = vmap_scan,
                   .params = &params_type<ScanParams>,
                   .check = check_scan,
                   .any_size = true};

// ---- logcumsumexp: dy[i] = exp(y[i-1] - y[i]) dy[i-1] + exp(x[i] - y[i]) dx[i].

struct LogWeights {
  array carried, own;
};
LogWeights log_weights(const array& x, const array& y, const ScanParams& p) {
  // Until the first element above -inf both weights are 0, not exp(-inf + inf).
  array base = where(isneginf(y), zeros_like(y), y);
  double nothing = -std::numeric_limits<double>::infinity();
  return {exp(subtract(previous(y, p, nothing), base)), exp(subtract(x, base))};
}

const Op logcumsumexp_op{
    .name = "logcumsumexp",
    .infer = like_first,
    .vjp =
        [](const VjpCall& c) {
          const ScanParams& p = params_of(c.params);
          auto w = log_weights(c.in[0], inclusive_result(c.op, c.in[0], c.out[0], p), p);
          array g = transposed_recurrence(w.carried, inclusive_cotangent(c.ct[0], p), p);
          return MaybeArrays{multiply(g, w.own)};
        },
    .jvp =
        [](const JvpCall& c) {
          const ScanParams& p = params_of(c.params);
          auto w = log_weights(c.in[0], inclusive_result(c.op, c.in[0], c.out[0], p), p);
          array b = multiply(w.own, *c.tangent[0]);
          return MaybeArrays{as_scanned(linear_recurrence(w.carried, b, p.axis, p.reverse), p)};
        },
    .vmap = vmap_scan,
    .params = &params_type<ScanParams>,
    .check = check_scan,
    .any_size = true};

// ---- Checks

array scan_checked(const Op& op, const array& a, std::optional<int> axis, bool reverse,
                   bool inclusive, StreamOrDevice s) {
  if (!axis) return scan(op, reshape(a, {a.size()}, s), {0, reverse, inclusive}, s);
  return scan(op, a, {normalize_axis(*axis, a.ndim(), op.name), reverse, inclusive}, s);
}

array cast(const array& a, Dtype dtype, StreamOrDevice s) {
  return a.dtype() == dtype ? a : astype(a, dtype, s);
}

}  // namespace

array cumsum(const array& a, std::optional<int> axis, bool reverse, bool inclusive,
             std::optional<Dtype> dtype, StreamOrDevice s) {
  Dtype t = dtype.value_or(a.dtype() == bool_ ? int32 : a.dtype());
  if (t == bool_) t = int32;
  return scan_checked(cumsum_op, cast(a, t, s), axis, reverse, inclusive, s);
}

array cumprod(const array& a, std::optional<int> axis, bool reverse, bool inclusive,
              std::optional<Dtype> dtype, StreamOrDevice s) {
  return scan_checked(cumprod_op, cast(a, dtype.value_or(a.dtype()), s), axis, reverse, inclusive,
                      s);
}

array cummax(const array& a, std::optional<int> axis, bool reverse, bool inclusive,
             StreamOrDevice s) {
  return scan_checked(cummax_op, a, axis, reverse, inclusive, s);
}

array cummin(const array& a, std::optional<int> axis, bool reverse, bool inclusive,
             StreamOrDevice s) {
  return scan_checked(cummin_op, a, axis, reverse, inclusive, s);
}

array logcumsumexp(const array& a, std::optional<int> axis, bool reverse, bool inclusive,
                   StreamOrDevice s) {
  array x = cast(a, at_least_float(a.dtype()), s);
  if (!is_complexfloating(x.dtype())) {
    return scan_checked(logcumsumexp_op, x, axis, reverse, inclusive, s);
  }
  if (x.size() == 0) return axis ? x : reshape(x, {0}, s);
  array top = stop_gradient(max(real(x, s), Axes(), false, s), s);
  array e = exp(subtract(x, top, s), s);
  return add(log(cumsum(e, axis, reverse, inclusive, std::nullopt, s), s), top, s);
}

array linear_recurrence(const array& a, const array& b, int axis, bool reverse, StreamOrDevice s) {
  Dtype t = at_least_float(promote_types(a.dtype(), b.dtype()));
  Shape shape = broadcast_shapes(a.shape(), b.shape(), "linear_recurrence");
  array x = broadcast_to(cast(a, t, s), shape, s), y = broadcast_to(cast(b, t, s), shape, s);
  ScanParams p{normalize_axis(axis, static_cast<int>(shape.size()), "linear_recurrence"), reverse,
               true};
  return make_node(linear_recurrence_op, make_params(p), {x, y}, shape, t, s);
}

array diff(const array& a, int n, int axis, StreamOrDevice s) {
  if (n < 0) fail("[diff] expected n >= 0; got ", n);
  int at = normalize_axis(axis, a.ndim(), "diff");
  array out = a;
  for (; n > 0 && out.shape()[at] > 0; --n) {
    Shape start(out.ndim(), 0), stop = out.shape();
    start[at] = 1;
    array upper = slice(out, start, stop, s);
    start[at] = 0;
    stop[at] -= 1;
    array lower = slice(out, start, stop, s);
    out = a.dtype() == bool_ ? not_equal(upper, lower, s) : subtract(upper, lower, s);
  }
  return out;
}

}  // namespace olivine
