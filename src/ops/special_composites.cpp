// Special functions made of others.
#include <cmath>
#include <numbers>

#include "core/error.h"
#include "olivine/ops/creation.h"
#include "olivine/ops/reduction.h"
#include "olivine/ops/shape.h"
#include "olivine/ops/special.h"
#include "ops/special_common.h"

namespace olivine::special {
namespace {

constexpr double kPi = std::numbers::pi;

using Operands = std::span<const array>;

// Constants of the dtype of `x`.
auto constants_of(const array& x) {
  return [t = x.dtype()](double value) { return constant(value, t); };
}
array is_positive_finite(const array& x) {
  return logical_and(x > constant_like(0, x), isfinite(x));
}
// x log(y), `shift` added to y inside; 0 where x is 0 and the logarithm is not finite.
array times_log(const array& x, const array& y, bool plus_one, StreamOrDevice s) {
  const auto c = constants_of(x);
  const array argument = plus_one ? y + c(1) : y;
  const array skip = logical_and(x == c(0), logical_not(is_positive_finite(argument)), s);
  const array only_numbers = logical_and(skip, logical_not(isnan(y, s), s), s);
  const array safe = where(only_numbers, c(plus_one ? 0 : 1), y, s);
  return multiply(x, plus_one ? log1p(safe, s) : log(safe, s), s);
}

}  // namespace

array gammasgn(const array& x, StreamOrDevice s) {
  return in_float("gammasgn", {x}, s, [&](Operands in) {
    const array& a = in[0];
    const auto c = constants_of(a);
    const array whole = floor(a, s);
    const array odd = remainder(whole, c(2), s) == c(1);
    const array below = where(whole == a, c(NAN), where(odd, c(-1), c(1), s), s);
    const array above = where(isnan(a, s), c(NAN), c(1), s);
    const array sign = where(a < c(0), below, above, s);
    return stop_gradient(sign, s);
  });
}

array polygamma(int n, const array& x, StreamOrDevice s) {
  if (n < 0) fail("[polygamma] expected an order of at least 0; got ", n);
  if (n == 0) return digamma(x, s);
  return in_float("polygamma", {x}, s, [&](Operands in) {
    const auto c = constants_of(in[0]);
    const double factor = (n % 2 ? 1 : -1) * std::tgamma(n + 1.);
    return multiply(c(factor), zeta(c(n + 1.), in[0], s), s);
  });
}

array multigammaln(const array& a, int d, StreamOrDevice s) {
  if (d < 1) fail("[multigammaln] expected a dimension of at least 1; got ", d);
  return in_float("multigammaln", {a}, s, [&](Operands in) {
    const auto c = constants_of(in[0]);
    array sum = c(0.25 * d * (d - 1.) * std::log(kPi));
    for (int j = 0; j < d; ++j) sum = add(sum, gammaln(subtract(in[0], c(0.5 * j), s), s), s);
    return sum;
  });
}

array beta(const array& a, const array& b, StreamOrDevice s) {
  return in_float("beta", {a, b}, s, [&](Operands in) {
    const array sum = add(in[0], in[1], s);
    const array sign = gammasgn(in[0], s) * gammasgn(in[1], s) * gammasgn(sum, s);
    return multiply(sign, exp(betaln(in[0], in[1], s), s), s);
  });
}

array factorial(const array& n, StreamOrDevice s) {
  return in_float("factorial", {n}, s, [&](Operands in) {
    const auto c = constants_of(in[0]);
    const array below = in[0] < c(0);
    return where(below, c(0), gamma(where(below, c(1), add(in[0], c(1), s), s), s), s);
  });
}

array comb(const array& n, const array& k, StreamOrDevice s) {
  return in_float("comb", {n, k}, s, [&](Operands in) {
    const array &a = in[0], &b = in[1];
    const auto c = constants_of(a);
    const array outside = logical_or(logical_or(b < c(0), a < c(0), s), b > a, s);
    const array top = where(outside, c(1), a, s), part = where(outside, c(0), b, s);
    const array one = c(1);
    const array value = exp(-(log(top + one, s) + betaln(top - part + one, part + one, s)), s);
    // Of integers, the nearest integer, as long as the error is below one half.
    const array whole = logical_and(floor(top, s) == top, floor(part, s) == part, s);
    const array exact = logical_and(whole, value < c(a.dtype() == float64 ? 1e12 : 1e5), s);
    const array rounded = add(value, stop_gradient(subtract(round(value, s), value, s), s), s);
    return where(outside, c(0), where(exact, rounded, value, s), s);
  });
}

array xlogy(const array& x, const array& y, StreamOrDevice s) {
  return in_float("xlogy", {x, y}, s,
                  [&](Operands in) { return times_log(in[0], in[1], false, s); });
}
array xlog1py(const array& x, const array& y, StreamOrDevice s) {
  return in_float("xlog1py", {x, y}, s,
                  [&](Operands in) { return times_log(in[0], in[1], true, s); });
}

// 2 artanh(2 p - 1) keeps the digits about 1/2, the difference of logarithms those at the ends.
array logit(const array& p, StreamOrDevice s) {
  return in_float("logit", {p}, s, [&](Operands in) {
    const array& a = in[0];
    const auto c = constants_of(a);
    const array middle = logical_and(a > c(0.25), a < c(0.75), s);
    const array inner = where(middle, a, c(0.5), s), outer = where(middle, c(0.25), a, s);
    const array near = c(2) * arctanh(inner + inner - c(1), s);
    return where(middle, near, log(outer, s) - log1p(-outer, s), s);
  });
}
array expit(const array& x, StreamOrDevice s) { return sigmoid(x, s); }

array entr(const array& x, StreamOrDevice s) {
  return in_float("entr", {x}, s, [&](Operands in) {
    const auto c = constants_of(in[0]);
    const array below = in[0] < c(0), safe = where(below, c(0), in[0], s);
    return where(below, c(-HUGE_VAL), negative(times_log(safe, safe, false, s), s), s);
  });
}
array rel_entr(const array& x, const array& y, StreamOrDevice s) {
  return in_float("rel_entr", {x, y}, s, [&](Operands in) {
    const array &a = in[0], &b = in[1];
    const auto c = constants_of(a);
    const array unknown = logical_or(isnan(a, s), isnan(b, s), s);
    const array both = logical_or(unknown, logical_and(a > c(0), b > c(0), s), s);
    const array none = logical_and(a == c(0), logical_not(b < c(0), s), s);
    const array p = where(both, a, c(1), s), q = where(both, b, c(1), s);
    return where(both, p * log(p / q, s), where(none, c(0), c(HUGE_VAL), s), s);
  });
}
array kl_div(const array& x, const array& y, StreamOrDevice s) {
  return in_float("kl_div", {x, y}, s, [&](Operands in) {
    return add(subtract(rel_entr(in[0], in[1], s), in[0], s), in[1], s);
  });
}

// Near 0 by its series, so that all derivatives are those of the function.
array sinc(const array& x, StreamOrDevice s) {
  return in_float("sinc", {x}, s, [&](Operands in) {
    const array& a = in[0];
    const auto c = constants_of(a);
    const array small = abs(a, s) < c(0.01);
    const array far = where(small, c(1), a, s), near = where(small, a, c(0), s);
    // The whole turns, taken away exactly, leave sin nothing to reduce.
    const array turns = stop_gradient(c(2) * round(far * c(0.5), s), s);
    const array wave = sin((far - turns) * c(kPi), s) / (far * c(kPi));
    const array t = square(near * c(kPi), s);
    const array series = c(1) - t * (c(1. / 6) - t * (c(1. / 120) - t * c(1. / 5040)));
    return where(small, series, wave, s);
  });
}

array log_softmax(const array& x, int axis, StreamOrDevice s) {
  return in_float("log_softmax", {x}, s,
                  [&](Operands in) { return subtract(in[0], logsumexp(in[0], axis, true, s), s); });
}

}  // namespace olivine::special
