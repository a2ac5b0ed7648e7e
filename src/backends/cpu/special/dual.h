// Numbers with their derivatives, and what series need of them.
#pragma once

#include <cmath>

#include "backends/cpu/special/functions.h"

namespace olivine::cpu::special {

// A number and its derivative.
struct Dual {
  double v, d = 0;
  Dual(double value, double derivative = 0) : v(value), d(derivative) {}
};
inline Dual operator+(Dual a, Dual b) { return {a.v + b.v, a.d + b.d}; }
inline Dual operator-(Dual a, Dual b) { return {a.v - b.v, a.d - b.d}; }
inline Dual operator-(Dual a) { return {-a.v, -a.d}; }
inline Dual operator*(Dual a, Dual b) { return {a.v * b.v, a.d * b.v + a.v * b.d}; }
inline Dual operator/(Dual a, Dual b) { return {a.v / b.v, (a.d - a.v / b.v * b.d) / b.v}; }

inline double value(double x) { return x; }
inline double value(Dual x) { return x.v; }
// Whether adding `term` to `sum` changes nothing that counts.
inline bool negligible(double term, double sum) {
  return !(std::abs(term) > kEps / 4 * std::abs(sum));
}
inline bool negligible(Dual term, Dual sum) {
  return negligible(term.v, sum.v) &&
         !(std::abs(term.d) > kEps * (std::abs(sum.d) + std::abs(sum.v)));
}

using std::exp;
using std::log;
using std::log1p;
using std::sqrt;
inline Dual exp(Dual x) { return {exp(x.v), exp(x.v) * x.d}; }
inline Dual log(Dual x) { return {log(x.v), x.d / x.v}; }
inline Dual sqrt(Dual x) { return {sqrt(x.v), x.d / (2 * sqrt(x.v))}; }

// log(1 + u) - u, with its digits for small u: by log(1 + u) = 2 artanh(u / (2 + u)).
inline double log1pmx(double u) {
  if (!(std::abs(u) < 0.5)) return log1p(u) - u;
  const double r = u / (2 + u), r2 = r * r;
  double sum = 0, power = 1;
  for (int k = 3; k < 60; k += 2) {
    const double term = power / k;
    sum += term;
    if (term < kEps / 4 * sum) break;
    power *= r2;
  }
  return r * (2 * r2 * sum - u);
}
inline Dual log1pmx(Dual u) { return {log1pmx(u.v), -u.v / (1 + u.v) * u.d}; }

}  // namespace olivine::cpu::special
