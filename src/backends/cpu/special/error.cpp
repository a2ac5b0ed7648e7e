// Integrals of exponentials and logarithms: error functions, the normal distribution's quantiles,
// exponential integrals and the dilogarithm.
#include <cmath>
#include <iterator>
#include <numbers>

#include "backends/cpu/special/functions.h"

namespace olivine::cpu::special {
namespace {

// The sum of (+-x)^k / (k k!), k >= 1.
double exponential_sum(double x) {
  double power = 1, sum = 0;
  for (int k = 1; k < 500; ++k) {
    power *= x / k;
    const double term = power / k;
    sum += term;
    if (std::abs(term) <= kEps / 4 * std::abs(sum)) break;
  }
  return sum;
}

// e^(x^2), with the error of the square put right.
double exp_square(double x) {
  const double square = x * x, error = std::fma(x, x, -square);
  const double r = std::exp(square);
  return std::isinf(r) ? r : r + r * error;
}

// The normal quantile of p in (0, 1/2], from a first estimate (Abramowitz and Stegun 26.2.22) by
// Halley's iteration, which triples the digits.
double lower_quantile(double p) {
  const double t = std::sqrt(-2 * std::log(p));
  double x = (2.30753 + 0.27061 * t) / (1 + t * (0.99229 + 0.04481 * t)) - t;
  const double y = 2 * p - 1;
  for (int i = 0; i < 4; ++i) {
    // (Phi(x) - p) / phi(x), in the form that keeps its digits: centre or tail.
    const double u = x * std::numbers::sqrt2 / 2;
    const double root = std::sqrt(kPi / 2);
    const double ratio = y > -0.5 ? root * exp_square(u) * (std::erf(u) - y)
                                  : root * (erfcx(-u) - 2 * p * exp_square(u));
    const double step = ratio / (1 + 0.5 * x * ratio);
    x -= step;
    if (std::abs(step) <= 1e-6 * std::abs(x)) break;
  }
  return x;
}

// Li_2(1 - x) for x in [1/2, 2]: Bernoulli's series in -log(x) (Lewin, 1981, 1.6).
double dilogarithm_series(double x) {
  constexpr double factors[] = {
      // B_2k / (2k + 1)!
      0.027777777777777776,    -0.0002777777777777778,  4.72411186696901e-06,
      -9.185773074661964e-08,  1.8978869988971e-09,     -4.0647616451442256e-11,
      8.921691020456452e-13,   -1.9939295860721074e-14, 4.518980029619918e-16,
      -1.0356517612181247e-17, 2.395218621026187e-19};
  const double z = -std::log(x), z2 = z * z;
  double sum = 0;
  for (int k = int(std::size(factors)) - 1; k >= 0; --k) sum = (sum + factors[k]) * z2;
  return z * (1 - 0.25 * z + sum);
}

}  // namespace

double erfc(double x) { return std::erfc(x); }

double erfcx(double x) {
  if (x < -26.7) return kInf;
  if (x < 8) return exp_square(x) * std::erfc(x);
  // DLMF 7.12.1; the smallest term is e^(-x^2).
  const double q = -0.5 / (x * x);
  double term = 1, sum = 1;
  for (int k = 1; k < 60; ++k) {
    term *= q * (2 * k - 1);
    sum += term;
    if (std::abs(term) <= kEps / 4) break;
  }
  return sum * std::numbers::inv_sqrtpi / x;
}

// erfc(u) / 2 for u = -x / sqrt(2), whose rounding the slope of erfc puts right.
double ndtr(double x) {
  constexpr double root = 0.70710678118654757, root_low = -4.833646656726457e-17;
  const double u = -x * root;
  const double error = std::fma(-x, root, -u) - x * root_low;
  const double half = 0.5 * std::erfc(u);
  if (half == 0 || half == 1 || std::isnan(x)) return half;
  return half - std::numbers::inv_sqrtpi * std::exp(-u * u) * error;
}
double log_ndtr(double x) {
  if (x >= -1) return std::log1p(-ndtr(-x));
  return std::log(0.5 * erfcx(-x * std::numbers::sqrt2 / 2)) - 0.5 * x * x;
}

double ndtri(double p) {
  if (!(p >= 0 && p <= 1)) return kNaN;
  if (p == 0 || p == 1) return p == 0 ? -kInf : kInf;
  if (p == 0.5) return 0;
  return p < 0.5 ? lower_quantile(p) : -lower_quantile(1 - p);
}

double exp1(double x) {
  if (std::isnan(x) || x < 0) return kNaN;
  if (x == 0) return kInf;
  if (x <= 1) return -std::numbers::egamma - std::log(x) - exponential_sum(-x);
  if (x > 745) return 0;
  // DLMF 6.9.1 from its end, where errors fade; what is left out is e^(-4 sqrt(n x)).
  double rest = 0;
  for (int n = int(100 / x) + 5; n > 0; --n) rest = double(n) * n / (x + (2 * n + 1) - rest);
  return std::exp(-x) / (x + 1 - rest);
}

double expi(double x) {
  if (std::isnan(x)) return x;
  if (x == 0) return -kInf;
  if (x < 0) return -exp1(-x);
  // Near the root the logarithm and the sum cancel: a series about it.
  constexpr double root = 0.3725074107813666, root_low = 1.3140183414386028e-17;
  const double from_root = (x - root) - root_low;
  if (std::abs(from_root) < 0.1) {
    constexpr double series[] = {
        3.8962157339071672, -3.2816078663985615, 6.522376145438925,  -12.969697383536516,
        27.88629796294205,  -62.37880152891542,  143.5349488096751,  -337.1558271787469,
        804.5318399821382,  -1943.7966457234988, 4743.765650402431,  -11673.463991167164,
        28926.95530543545,  -72107.9458683716,   180669.55858939196, -454696.21885446657,
        1148834.5468177444, -2912721.6638508374, 7407692.958000587,  -18891727.000381533,
        48300034.930860244, -123768219.00249171, 317811105.66636217, -817618569.3184928,
        2107109291.8643637, -5438996831.077285,  14060263909.95585,  -36396891001.49205,
        94338595092.19165,  -244811170506.643};
    double sum = 0;
    for (int k = int(std::size(series)) - 1; k >= 0; --k) sum = sum * from_root + series[k];
    return sum * from_root;
  }
  if (x < 40) return std::numbers::egamma + std::log(x) + exponential_sum(x);
  if (x > 716.4) return kInf;
  double term = 1, sum = 1;  // DLMF 6.12.2
  for (int k = 1; k < x; ++k) {
    term *= k / x;
    sum += term;
    if (term <= kEps / 4) break;
  }
  // In two factors: e^x overflows before the quotient does.
  const double half = std::exp(0.5 * x);
  return half * (sum / x) * half;
}

double spence(double x) {
  if (std::isnan(x) || x < 0) return kNaN;
  if (x == 0) return kPi * kPi / 6;
  if (std::isinf(x)) return -kInf;
  if (x < 0.5) {
    return kPi * kPi / 6 - std::log(x) * std::log1p(-x) - dilogarithm_series(1 - x);
  }
  if (x <= 2) return dilogarithm_series(x);
  const double l = std::log(x);
  return -0.5 * l * l - spence(1 / x);
}

}  // namespace olivine::cpu::special
