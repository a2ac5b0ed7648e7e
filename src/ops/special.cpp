// Special functions with kernels: records, whose derivatives are special functions again.
#include <cmath>
#include <numbers>

#include "olivine/ops/special.h"
#include "ops/elementwise_common.h"
#include "ops/special_common.h"

namespace olivine::special {
namespace {

// d(out)/d(x) * v for the one input x.
#define OLIVINE_RULE(expression)                                                       \
  [](int, const array& v, std::span<const array> in, const array& out) -> MaybeArray { \
    [[maybe_unused]] const array& x = in[0];                                           \
    [[maybe_unused]] auto c = [&](double value) { return constant_like(value, x); };   \
    (void)out;                                                                         \
    return expression;                                                                 \
  }
// d(out)/d(in[arg]) * v for the inputs a and x.
#define OLIVINE_RULE2(first, second)                                                       \
  [](int arg, const array& v, std::span<const array> in, const array& out) -> MaybeArray { \
    [[maybe_unused]] const array &a = in[0], &x = in[1];                                   \
    (void)out;                                                                             \
    if (arg == 0) return first;                                                            \
    return second;                                                                         \
  }

const double kRootPi = 1 / std::numbers::inv_sqrtpi;

MaybeArray no_derivative(const char* op, const char* by) {
  fail("[", op, "] expected to be differentiated by other arguments; got ", by);
}

// f / x where x is not 0, there the limit.
array over(const array& f, const array& x, double limit) {
  const array zero = x == constant_like(0, x);
  return where(zero, constant_like(limit, x), f / where(zero, constant_like(1, x), x));
}
array sign_of(const array& x) { return sign(x); }

// 2 x erfcx(x) - 2 / sqrt(pi), which cancels for large x: then DLMF 7.12.1.
array erfcx_slope(const array& x, const array& out) {
  auto c = [&](double value) { return constant_like(value, x); };
  const array far = x > c(25), near = x + x;
  const array q = reciprocal(square(where(far, x, c(25))));
  const array tail = c(1) + q * (c(-1.5) + q * (c(3.75) + q * (c(-13.125) + q * c(59.0625))));
  return where(far, c(-1 / kRootPi) * q * tail, near * out - c(2 / kRootPi));
}

// s zeta(s + 1, q), 1 at s = 0 where the pole is.
array zeta_fall(const array& s, const array& q) {
  const array next = s * zeta(s + constant_like(1, s), q);
  return where(s == constant_like(0, s), constant_like(1, s), next);
}

const Op digamma_op = elementwise("digamma", OLIVINE_RULE(v* polygamma(1, x)));
const Op gammaln_op = elementwise("gammaln", OLIVINE_RULE(v* digamma(x)));
const Op gamma_op = elementwise("gamma", OLIVINE_RULE(v*(out* digamma(x))));
const Op zeta_op =
    elementwise("zeta", OLIVINE_RULE2(no_derivative("zeta", "x"), -(v* zeta_fall(a, x))));
const Op betaln_op = elementwise(
    "betaln", OLIVINE_RULE2(v*(digamma(a) - digamma(a + x)), v*(digamma(x) - digamma(a + x))));

// x^(a-1) e^-x / Gamma(a), the density of which gammainc is the distribution.
const Op gamma_density_op = elementwise(
    "gamma_density",
    OLIVINE_RULE2(v*(out*(log(x) - digamma(a))), v*(out*((a - constant_like(1, a) - x) / x))));
array gamma_density(const array& a, const array& x) {
  return make_elementwise(gamma_density_op, {a, x}, x.dtype());
}
const Op gammainc_da_op =
    elementwise("gammainc_da", OLIVINE_RULE2(no_derivative("gammainc", "a for a second time"),
                                             v*(gamma_density(a, x) * (log(x) - digamma(a)))));
array gammainc_da(const array& a, const array& x) {
  return make_elementwise(gammainc_da_op, {a, x}, x.dtype());
}
const Op gammainc_op =
    elementwise("gammainc", OLIVINE_RULE2(v* gammainc_da(a, x), v* gamma_density(a, x)));
const Op gammaincc_op =
    elementwise("gammaincc", OLIVINE_RULE2(-(v* gammainc_da(a, x)), -(v* gamma_density(a, x))));

// The derivative of the density's logarithm by a or by b: of (x, a) or (1 - x, b).
array beta_score(std::span<const array> in, bool by_b) {
  const array &a = in[0], &b = in[1], &x = in[2];
  return (by_b ? log1p(-x) - digamma(b) : log(x) - digamma(a)) + digamma(a + b);
}
// x^(a-1) (1-x)^(b-1) / B(a, b), the density of which betainc is the distribution.
const Op beta_density_op = elementwise(
    "beta_density",
    [](int arg, const array& v, std::span<const array> in, const array& out) -> MaybeArray {
      if (arg != 2) return v * (out * beta_score(in, arg == 1));
      const array &a = in[0], &b = in[1], &x = in[2], one = constant_like(1, x), rest = one - x;
      return v * (out * (((a - one) * rest - (b - one) * x) / (x * rest)));
    });
array beta_density(std::span<const array> in) {
  return make_elementwise(beta_density_op, in, in[2].dtype());
}
MaybeArray beta_slope_rule(int arg, const array& v, std::span<const array> in, bool by_b) {
  if (arg != 2) return no_derivative("betainc", "a or b for a second time");
  return v * (beta_density(in) * beta_score(in, by_b));
}
const Op betainc_da_op =
    elementwise("betainc_da", [](int arg, const array& v, std::span<const array> in, const array&) {
      return beta_slope_rule(arg, v, in, false);
    });
const Op betainc_db_op =
    elementwise("betainc_db", [](int arg, const array& v, std::span<const array> in, const array&) {
      return beta_slope_rule(arg, v, in, true);
    });
const Op betainc_op = elementwise(
    "betainc",
    [](int arg, const array& v, std::span<const array> in, const array& out) -> MaybeArray {
      if (arg == 2) return v * beta_density(in);
      return v * make_elementwise(arg == 0 ? betainc_da_op : betainc_db_op, in, out.dtype());
    });

const Op erfc_op = elementwise("erfc", OLIVINE_RULE(v*(c(-2 / kRootPi) * exp(-square(x)))));
const Op erfcx_op = elementwise("erfcx", OLIVINE_RULE(v* erfcx_slope(x, out)));
const Op ndtr_op = elementwise(
    "ndtr", OLIVINE_RULE(v*(c(1 / (std::numbers::sqrt2 * kRootPi)) * exp(square(x) * c(-0.5)))));
// The density over the distribution, without either.
const Op log_ndtr_op = elementwise(
    "log_ndtr",
    OLIVINE_RULE(v*(c(std::numbers::sqrt2 / kRootPi) / erfcx(x * c(-1 / std::numbers::sqrt2)))));
const Op ndtri_op = elementwise(
    "ndtri", OLIVINE_RULE(v*(c(std::numbers::sqrt2* kRootPi) * exp(square(out) * c(0.5)))));

const Op i0_op = elementwise("i0", OLIVINE_RULE(v* i1(x)));
const Op i0e_op = elementwise("i0e", OLIVINE_RULE(v*(i1e(x) - sign_of(x) * out)));
const Op i1_op = elementwise("i1", OLIVINE_RULE(v*(i0(x) - over(out, x, 0.5))));
const Op i1e_op =
    elementwise("i1e", OLIVINE_RULE(v*(i0e(x) - over(out, x, 0.5) - sign_of(x) * out)));
const Op j0_op = elementwise("j0", OLIVINE_RULE(-(v* j1(x))));
const Op j1_op = elementwise("j1", OLIVINE_RULE(v*(j0(x) - over(out, x, 0.5))));
const Op y0_op = elementwise("y0", OLIVINE_RULE(-(v* y1(x))));
const Op y1_op = elementwise("y1", OLIVINE_RULE(v*(y0(x) - out / x)));

const Op expi_op = elementwise("expi", OLIVINE_RULE(v*(exp(x) / x)));
const Op exp1_op = elementwise("exp1", OLIVINE_RULE(-(v*(exp(-x) / x))));
const Op spence_op = elementwise("spence", OLIVINE_RULE(-(v* over(log1p(x - c(1)), x - c(1), 1))));
#undef OLIVINE_RULE
#undef OLIVINE_RULE2

array run(const Op& op, std::initializer_list<array> in, StreamOrDevice s) {
  return in_float(op.name, in, s, [&](std::span<const array> x) {
    return make_elementwise(op, x, x[0].dtype(), s);
  });
}

}  // namespace

#define OLIVINE_SPECIAL(name) \
  array name(const array& x, StreamOrDevice s) { return run(name##_op, {x}, s); }
OLIVINE_SPECIAL(gammaln)
OLIVINE_SPECIAL(gamma)
OLIVINE_SPECIAL(digamma)
OLIVINE_SPECIAL(erfc)
OLIVINE_SPECIAL(erfcx)
OLIVINE_SPECIAL(ndtr)
OLIVINE_SPECIAL(log_ndtr)
OLIVINE_SPECIAL(ndtri)
OLIVINE_SPECIAL(i0)
OLIVINE_SPECIAL(i0e)
OLIVINE_SPECIAL(i1)
OLIVINE_SPECIAL(i1e)
OLIVINE_SPECIAL(j0)
OLIVINE_SPECIAL(j1)
OLIVINE_SPECIAL(y0)
OLIVINE_SPECIAL(y1)
OLIVINE_SPECIAL(expi)
OLIVINE_SPECIAL(exp1)
OLIVINE_SPECIAL(spence)
#undef OLIVINE_SPECIAL

array zeta(const array& x, const array& q, StreamOrDevice s) { return run(zeta_op, {x, q}, s); }
array betaln(const array& a, const array& b, StreamOrDevice s) { return run(betaln_op, {a, b}, s); }
array gammainc(const array& a, const array& x, StreamOrDevice s) {
  return run(gammainc_op, {a, x}, s);
}
array gammaincc(const array& a, const array& x, StreamOrDevice s) {
  return run(gammaincc_op, {a, x}, s);
}
array betainc(const array& a, const array& b, const array& x, StreamOrDevice s) {
  return run(betainc_op, {a, b, x}, s);
}

}  // namespace olivine::special
