// Element-wise functions of one array: records and public functions.
#include <cmath>
#include <numbers>

#include "olivine/ops/creation.h"
#include "olivine/ops/shape.h"
#include "olivine/utils.h"
#include "ops/elementwise_common.h"

namespace olivine {
namespace {

// Each rule returns d(out)/d(in) * v for the input x.
#define OLIVINE_RULE(expression)                                                       \
  [](int, const array& v, std::span<const array> in, const array& out) -> MaybeArray { \
    [[maybe_unused]] const array& x = in[0];                                           \
    [[maybe_unused]] auto c = [&](double value) { return constant_like(value, x); };   \
    (void)out;                                                                         \
    return expression;                                                                 \
  }

const Op negative_op = elementwise("negative", OLIVINE_RULE(-v));
const Op square_op = elementwise("square", OLIVINE_RULE(v*(x + x)));
const Op reciprocal_op = elementwise("reciprocal", OLIVINE_RULE(-(v* square(out))));
const Op sqrt_op = elementwise("sqrt", OLIVINE_RULE(v* c(0.5) / out));
const Op rsqrt_op = elementwise("rsqrt", OLIVINE_RULE(v* c(-0.5) * (out * square(out))));
const Op floor_op = elementwise("floor", nullptr);
const Op ceil_op = elementwise("ceil", nullptr);
const Op trunc_op = elementwise("trunc", nullptr);
const Op round_op = elementwise("round", nullptr);

// Of a real number, constant between jumps. z / |z| moves at right angles to itself, by the part of
// v across z; the map is its own adjoint.
MaybeArray sign_map(const array& z, const array& sign, const array& v) {
  if (!is_complexfloating(z.dtype())) return std::nullopt;
  const array size = abs(z), zero = size == constant_like(0, size);
  const array across = v - sign * real(conjugate(sign) * v);
  return where(zero, constant_like(0, z), across / where(zero, constant_like(1, size), size));
}
const Op sign_op{
    .name = "sign",
    .kind = OpKind::elementwise,
    .key = KernelKey::last_input,
    .infer = infer_elementwise,
    .vjp = [](const VjpCall& c) { return MaybeArrays{sign_map(c.in[0], c.out[0], c.ct[0])}; },
    .jvp = [](const JvpCall& c) { return MaybeArrays{sign_map(c.in[0], c.out[0], *c.tangent[0])}; },
    .vmap = vmap_elementwise,
    .any_size = true};

const Op exp_op = elementwise("exp", OLIVINE_RULE(v* out));
const Op expm1_op = elementwise("expm1", OLIVINE_RULE(v*(out + c(1))));
const Op log_op = elementwise("log", OLIVINE_RULE(v / x));
const Op log2_op = elementwise("log2", OLIVINE_RULE(v / (x * c(std::numbers::ln2))));
const Op log10_op = elementwise("log10", OLIVINE_RULE(v / (x * c(std::numbers::ln10))));
const Op log1p_op = elementwise("log1p", OLIVINE_RULE(v / (x + c(1))));

const Op sin_op = elementwise("sin", OLIVINE_RULE(v* cos(x)));
const Op cos_op = elementwise("cos", OLIVINE_RULE(-(v* sin(x))));
const Op tan_op = elementwise("tan", OLIVINE_RULE(v*(c(1) + square(out))));
const Op arcsin_op = elementwise("arcsin", OLIVINE_RULE(v* rsqrt(c(1) - square(x))));
const Op arccos_op = elementwise("arccos", OLIVINE_RULE(-(v* rsqrt(c(1) - square(x)))));
const Op arctan_op = elementwise("arctan", OLIVINE_RULE(v / (c(1) + square(x))));
const Op sinh_op = elementwise("sinh", OLIVINE_RULE(v* cosh(x)));
const Op cosh_op = elementwise("cosh", OLIVINE_RULE(v* sinh(x)));
const Op tanh_op = elementwise("tanh", OLIVINE_RULE(v*(c(1) - square(out))));
const Op arcsinh_op = elementwise("arcsinh", OLIVINE_RULE(v* rsqrt(square(x) + c(1))));
// Not rsqrt(x^2 - 1), which takes the wrong branch for complex x left of the imaginary axis.
const Op arccosh_op = elementwise("arccosh", OLIVINE_RULE(v*(rsqrt(x - c(1)) * rsqrt(x + c(1)))));
const Op arctanh_op = elementwise("arctanh", OLIVINE_RULE(v / (c(1) - square(x))));

const Op sigmoid_op = elementwise("sigmoid", OLIVINE_RULE(v*(out*(c(1) - out))));
const Op erf_op =
    elementwise("erf", OLIVINE_RULE(v*(c(2 * std::numbers::inv_sqrtpi) * exp(-square(x)))));
const Op erfinv_op =
    elementwise("erfinv", OLIVINE_RULE(v*(c(0.5 / std::numbers::inv_sqrtpi) * exp(square(out)))));
#undef OLIVINE_RULE

const Op logical_not_op = elementwise("logical_not", nullptr, infer_elementwise_bool);
const Op bitwise_invert_op = elementwise("bitwise_invert", nullptr);
const Op isnan_op = elementwise("isnan", nullptr, infer_elementwise_bool);
const Op isinf_op = elementwise("isinf", nullptr, infer_elementwise_bool);
const Op isfinite_op = elementwise("isfinite", nullptr, infer_elementwise_bool);

// Functions of real analysis take integers as float32.
array real_function(const Op& op, const array& a, StreamOrDevice s) {
  return unary(op, cast(a, at_least_float(a.dtype()), s), s);
}
array real_only_function(const Op& op, const array& a, StreamOrDevice s) {
  expect_real(op.name, a.dtype());
  return real_function(op, a, s);
}
// Integers are their own floor, ceil and trunc.
array rounding(const Op& op, const array& a, StreamOrDevice s) {
  expect_real(op.name, a.dtype());
  return is_inexact(a.dtype()) ? unary(op, a, s) : a;
}
array classify(const Op& op, const array& a, bool of_integers, StreamOrDevice s) {
  if (!is_inexact(a.dtype())) return full(a.shape(), array(of_integers), bool_, s);
  return make_elementwise(op, std::span<const array>(&a, 1), bool_, s);
}
array scaled(const array& a, double factor, StreamOrDevice s) {
  const Dtype t = at_least_float(a.dtype());
  return multiply(cast(a, t, s), constant(factor, t), s);
}

}  // namespace

#define OLIVINE_REAL_FUNCTION(name) \
  array name(const array& a, StreamOrDevice s) { return real_function(name##_op, a, s); }
OLIVINE_REAL_FUNCTION(reciprocal)
OLIVINE_REAL_FUNCTION(sqrt)
OLIVINE_REAL_FUNCTION(rsqrt)
OLIVINE_REAL_FUNCTION(exp)
OLIVINE_REAL_FUNCTION(log)
OLIVINE_REAL_FUNCTION(log2)
OLIVINE_REAL_FUNCTION(log10)
OLIVINE_REAL_FUNCTION(log1p)
OLIVINE_REAL_FUNCTION(sin)
OLIVINE_REAL_FUNCTION(cos)
OLIVINE_REAL_FUNCTION(tan)
OLIVINE_REAL_FUNCTION(arcsin)
OLIVINE_REAL_FUNCTION(arccos)
OLIVINE_REAL_FUNCTION(arctan)
OLIVINE_REAL_FUNCTION(sinh)
OLIVINE_REAL_FUNCTION(cosh)
OLIVINE_REAL_FUNCTION(tanh)
OLIVINE_REAL_FUNCTION(arcsinh)
OLIVINE_REAL_FUNCTION(arccosh)
OLIVINE_REAL_FUNCTION(arctanh)
#undef OLIVINE_REAL_FUNCTION

array expm1(const array& a, StreamOrDevice s) { return real_only_function(expm1_op, a, s); }
array sigmoid(const array& a, StreamOrDevice s) { return real_only_function(sigmoid_op, a, s); }
array erf(const array& a, StreamOrDevice s) { return real_only_function(erf_op, a, s); }
array erfinv(const array& a, StreamOrDevice s) { return real_only_function(erfinv_op, a, s); }

array floor(const array& a, StreamOrDevice s) { return rounding(floor_op, a, s); }
array ceil(const array& a, StreamOrDevice s) { return rounding(ceil_op, a, s); }
array trunc(const array& a, StreamOrDevice s) { return rounding(trunc_op, a, s); }

array positive(const array& a, StreamOrDevice) { return a; }
array negative(const array& a, StreamOrDevice s) {
  if (a.dtype() == bool_) fail("[negative] expected a number dtype, or logical_not; got bool");
  return unary(negative_op, a, s);
}
array sign(const array& a, StreamOrDevice s) {
  return a.dtype() == bool_ ? a : unary(sign_op, a, s);
}
array square(const array& a, StreamOrDevice s) {
  return a.dtype() == bool_ ? a : unary(square_op, a, s);
}
array degrees(const array& a, StreamOrDevice s) { return scaled(a, 180 / std::numbers::pi, s); }
array radians(const array& a, StreamOrDevice s) { return scaled(a, std::numbers::pi / 180, s); }

array round(const array& a, StreamOrDevice s) {
  return is_inexact(a.dtype()) ? unary(round_op, a, s) : a;
}
array round(const array& a, int decimals, StreamOrDevice s) {
  if (decimals == 0) return round(a, s);
  const bool inexact = is_inexact(a.dtype());
  if (!inexact && decimals > 0) return a;
  // A power of ten that is an integer, so that scaling is exact as far as possible.
  double scale = 1;
  for (int64_t i = 0; i < std::abs(int64_t{decimals}) && scale < 1e300; ++i) scale *= 10;
  const bool half = a.dtype() == float16 || a.dtype() == bfloat16;
  const array x = half ? astype(a, float32, s) : inexact ? a : astype(a, float64, s);
  const finfo limits(x.dtype());
  const array same = stop_gradient(a, s);
  if (scale > limits.max) {
    return decimals > 0 ? same
                        : where(isfinite(x, s), multiply(a, constant_like(0, a), s), same, s);
  }
  const array by = constant_like(scale, x);
  const array scaled = decimals > 0 ? multiply(x, by, s) : divide(x, by, s);
  const array whole = round(scaled, s);
  const array r = decimals > 0 ? divide(whole, by, s) : multiply(whole, by, s);
  // Where the scaled number has no fraction, or is none, all digits of `a` are to the left.
  const array moves = is_complexfloating(x.dtype())
                          ? isfinite(scaled, s)
                          : less(abs(scaled, s), constant_like(1 / limits.eps, x), s);
  return where(moves, cast(r, a.dtype(), s), same, s);
}

array logical_not(const array& a, StreamOrDevice s) {
  return unary(logical_not_op, cast(a, bool_, s), s);
}
array bitwise_invert(const array& a, StreamOrDevice s) {
  if (is_inexact(a.dtype())) {
    fail("[bitwise_invert] expected an integer or bool dtype; got ", a.dtype());
  }
  return unary(bitwise_invert_op, a, s);
}

array isnan(const array& a, StreamOrDevice s) { return classify(isnan_op, a, false, s); }
array isinf(const array& a, StreamOrDevice s) { return classify(isinf_op, a, false, s); }
array isfinite(const array& a, StreamOrDevice s) { return classify(isfinite_op, a, true, s); }
array isposinf(const array& a, StreamOrDevice s) {
  if (!is_inexact(a.dtype())) return full(a.shape(), array(false), bool_, s);
  return equal(a, constant_like(HUGE_VAL, a), s);
}
array isneginf(const array& a, StreamOrDevice s) {
  if (!is_inexact(a.dtype())) return full(a.shape(), array(false), bool_, s);
  return equal(a, constant_like(-HUGE_VAL, a), s);
}

}  // namespace olivine
