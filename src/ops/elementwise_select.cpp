// Choosing between elements (where, clip, nan_to_num), and comparing up to a tolerance.
#include <cfloat>
#include <limits>

#include "core/checks.h"
#include "core/node.h"
#include "olivine/ops/creation.h"
#include "olivine/ops/reduction.h"
#include "ops/elementwise_common.h"

namespace olivine {
namespace {

MaybeArray select_linear(int arg, const array& v, std::span<const array> in, const array&) {
  if (arg == 0) return std::nullopt;
  const array zero = constant_like(0, v);
  return arg == 1 ? where(in[0], v, zero) : where(in[0], zero, v);
}

const Op select_op = [] {
  Op op = elementwise("select", select_linear);
  op.check = [](const CheckCall& c) {
    expect_inputs(c, 3);
    expect_dtype(c, 0, bool_);
    expect_one_dtype(c, 1, 3);
  };
  return op;
}();

double largest(Dtype t) {
  switch (t.val()) {
    case Dtype::Val::float16:
      return 65504;
    case Dtype::Val::bfloat16:
      return 0x1.fep127;
    case Dtype::Val::float32:
      return FLT_MAX;
    default:
      return DBL_MAX;
  }
}

}  // namespace

array where(const array& condition, const array& x, const array& y, StreamOrDevice s) {
  const Dtype t = promote_types(x.dtype(), y.dtype());
  broadcast_shapes(broadcast_shapes(condition.shape(), x.shape(), "where"), y.shape(), "where");
  return make_elementwise(select_op, {cast(condition, bool_, s), cast(x, t, s), cast(y, t, s)}, t,
                          s);
}

array clip(const array& a, const std::optional<array>& a_min, const std::optional<array>& a_max,
           StreamOrDevice s) {
  if (!a_min && !a_max) fail("[clip] expected at least one of a_min and a_max; got neither");
  Shape shape = a.shape();
  for (const auto* bound : {&a_min, &a_max}) {
    if (*bound) shape = broadcast_shapes(shape, (*bound)->shape(), "clip");
  }
  const array low = a_min ? maximum(a, *a_min, s) : a;
  return a_max ? minimum(low, *a_max, s) : low;
}

array nan_to_num(const array& a, float nan, std::optional<float> posinf,
                 std::optional<float> neginf, StreamOrDevice s) {
  const Dtype t = a.dtype();
  if (!is_inexact(t)) return a;
  if (is_complexfloating(t)) {
    const array re = nan_to_num(real(a, s), nan, posinf, neginf, s);
    const array im = nan_to_num(imag(a, s), nan, posinf, neginf, s);
    const array i = array(complex64_t(0, 1), t);
    return add(astype(re, t, s), multiply(astype(im, t, s), i, s), s);
  }
  const array high = constant(posinf ? double(*posinf) : largest(t), t);
  const array low = constant(neginf ? double(*neginf) : -largest(t), t);
  const array numbers = where(isnan(a, s), constant(nan, t), a, s);
  return where(isposinf(a, s), high, where(isneginf(a, s), low, numbers, s), s);
}

array hypot(const array& a, const array& b, StreamOrDevice s) {
  const Dtype t = at_least_float(promote_types(a.dtype(), b.dtype()));
  expect_real("hypot", t);
  broadcast_shapes(a.shape(), b.shape(), "hypot");      // the error names this function
  const Dtype wide = t == float64 ? float64 : float32;  // 16 bits are rounded once, at the end
  const array x = abs(cast(a, wide, s), s), y = abs(cast(b, wide, s), s);
  const array longer = maximum(x, y, s), one = constant(1, wide);
  const array endless = logical_or(isinf(x, s), isinf(y, s), s);
  const array degenerate = logical_or(equal(longer, constant(0, wide), s), endless, s);
  const array ratio = divide(minimum(x, y, s), where(degenerate, one, longer, s), s);
  const array length = multiply(longer, sqrt(add(one, square(ratio, s), s), s), s);
  const array edge =
      where(endless, constant(std::numeric_limits<double>::infinity(), wide), longer, s);
  return cast(where(degenerate, edge, length, s), t, s);
}

array isclose(const array& a, const array& b, double rtol, double atol, bool equal_nan,
              StreamOrDevice s) {
  const Dtype t = at_least_float(promote_types(a.dtype(), b.dtype()));
  const array x = cast(a, t, s), y = cast(b, t, s);
  const Dtype r = real_type(t);
  const array bound = add(constant(atol, r), multiply(constant(rtol, r), abs(y, s), s), s);
  const array near = less_equal(abs(subtract(x, y, s), s), bound, s);
  // The bound is infinite for an infinite y, and no bound fits a difference of infinities.
  const array finite = logical_and(isfinite(x, s), isfinite(y, s), s);
  array close = logical_or(logical_and(near, finite, s), equal(x, y, s), s);
  if (equal_nan) close = logical_or(close, logical_and(isnan(x, s), isnan(y, s), s), s);
  return close;
}

array allclose(const array& a, const array& b, double rtol, double atol, bool equal_nan,
               StreamOrDevice s) {
  return all(isclose(a, b, rtol, atol, equal_nan, s), s);
}

array array_equal(const array& a, const array& b, bool equal_nan, StreamOrDevice s) {
  if (!(a.shape() == b.shape())) {
    for (const array& x : {a, b}) note_size_read(x, "a comparison of shapes");
    return array(false);
  }
  array same = equal(a, b, s);
  if (equal_nan && is_inexact(promote_types(a.dtype(), b.dtype()))) {
    same = logical_or(same, logical_and(isnan(a, s), isnan(b, s), s), s);
  }
  return all(same, s);
}
array array_equal(const array& a, const array& b, StreamOrDevice s) {
  return array_equal(a, b, false, s);
}

}  // namespace olivine
