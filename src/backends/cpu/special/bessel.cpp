// Bessel functions: the modified ones, scaled by e^-|x|, by their series and expansions; J and Y of
// orders 0 and 1 by the C library.
#include <cmath>
#include <numbers>

#include "backends/cpu/special/functions.h"

namespace olivine::cpu::special {
namespace {

// e^-x I_n(x) for x >= 0. All terms of the power series (DLMF 10.25.2) are positive; from x = 22
// on, Hankel's expansion (DLMF 10.40.1) has terms as small as e^(-2 x).
double scaled_bessel_i(int n, double x) {
  if (std::isnan(x)) return x;
  if (x < 22) {
    const double q = 0.25 * x * x;
    double term = n == 0 ? 1 : 0.5 * x, sum = term;
    for (int k = 1; k < 200; ++k) {
      term *= q / (double(k) * (k + n));
      sum += term;
      if (term <= kEps / 4 * sum) break;
    }
    return std::exp(-x) * sum;
  }
  const double mu = 4. * n * n;
  double term = 1, sum = 1;
  for (int k = 1; k < 60; ++k) {
    const double odd = 2 * k - 1;
    term *= (odd * odd - mu) / (k * 8 * x);
    sum += term;
    if (std::abs(term) <= kEps / 4 * std::abs(sum)) break;
  }
  return sum / std::sqrt(2 * std::numbers::pi * x);
}

}  // namespace

// In two factors, since e^|x| overflows before the product does.
static double unscaled(double scaled, double x) {
  if (std::isinf(x)) return std::copysign(x, scaled);
  const double half = std::exp(0.5 * std::abs(x));
  return half * scaled * half;
}
double i0(double x) { return unscaled(i0e(x), x); }
double i1(double x) { return unscaled(i1e(x), x); }
double i0e(double x) { return scaled_bessel_i(0, std::abs(x)); }
double i1e(double x) { return std::copysign(scaled_bessel_i(1, std::abs(x)), x); }
double j0(double x) { return ::j0(x); }
double j1(double x) { return ::j1(x); }
double y0(double x) { return ::y0(x); }
double y1(double x) { return ::y1(x); }

}  // namespace olivine::cpu::special
