// Incomplete gamma functions of a large parameter: Temme's uniform asymptotic expansion
// (DLMF 8.12).
//
// With x = a (1 + mu) and eta^2 / 2 = mu - log(1 + mu), the function is the normal distribution at
// eta sqrt(a) and a remainder, exp(-a eta^2 / 2) / sqrt(2 pi a) times the sum of c_k(eta) / a^k.
#pragma once

#include <cmath>
#include <iterator>
#include <numbers>

#include "backends/cpu/special/dual.h"

namespace olivine::cpu::special {

// Taylor coefficients of c_0, c_1, ..., by DLMF 8.12.10: c_0 = 1 / mu - 1 / eta, and those of c_k
// are (n + 2) d[k-1][n+2] + (-1)^k g_k d[0][n] with g_k of Stirling's series, as many as count for
// a > 200 and |mu| < 0.3.
constexpr int kUniformOrders[] = {18, 13, 11, 9, 7, 5, 2};
constexpr double kUniform[] = {
    -0.3333333333333333,     0.08333333333333333,     -0.014814814814814815,
    0.0011574074074074073,   0.0003527336860670194,   -0.0001787551440329218,
    3.919263178522438e-05,   -2.185448510679992e-06,  -1.85406221071516e-06,
    8.296711340953087e-07,   -1.7665952736826078e-07, 6.707853543401498e-09,
    1.0261809784240309e-08,  -4.382036018453353e-09,  9.14769958223679e-10,
    -2.5514193994946248e-11, -5.830772132550426e-11,  2.4361948020667415e-11,
    -0.001851851851851852,   -0.003472222222222222,   0.0026455026455026454,
    -0.0009902263374485596,  0.00020576131687242798,  -4.018775720164609e-07,
    -1.8098550334489977e-05, 7.64916091608111e-06,    -1.6120900894563446e-06,
    4.647127802807434e-09,   1.378633446915721e-07,   -5.752545603517705e-08,
    1.1951628599778148e-08,  0.004133597883597883,    -0.0026813271604938273,
    0.0007716049382716049,   2.0093878600823047e-06,  -0.0001073665322636516,
    5.2923448829120125e-05,  -1.2760635188618728e-05, 3.423578734096138e-08,
    1.3721957309062934e-06,  -6.298992138380055e-07,  1.4280614206064242e-07,
    0.0006494341563786008,   0.00022947209362139917,  -0.0004691894943952557,
    0.00026772063206283885,  -7.561801671883977e-05,  -2.396505113867297e-07,
    1.1082654115347302e-05,  -5.6749528269915965e-06, 1.4230900732435883e-06,
    -0.0008618882909167117,  0.0007840392217200666,   -0.0002990724803031902,
    -1.4638452578843418e-06, 6.641498215465122e-05,   -3.968365047179435e-05,
    1.1375726970678419e-05,  -0.00033679855336635813, -6.972813758365857e-05,
    0.0002772753244959392,   -0.00019932570516188847, 6.797780477937208e-05,
    0.0005313079364639922,   -0.0005921664373536939};

// Where a series and a continued fraction would take on the order of sqrt(a) steps.
inline bool is_uniform(double a, double x) { return a > 200 && std::abs(x - a) < 0.3 * a; }

inline double uniform_eta(double mu) { return std::copysign(std::sqrt(-2 * log1pmx(mu)), mu); }
inline Dual uniform_eta(Dual mu) {
  const double eta = uniform_eta(mu.v);
  return {eta, (eta == 0 ? 1 : mu.v / (eta * (1 + mu.v))) * mu.d};
}
inline Dual erfc(Dual x) {
  return {std::erfc(x.v), -2 * std::numbers::inv_sqrtpi * std::exp(-x.v * x.v) * x.d};
}

// P(a, x), or Q(a, x) for `upper`.
template <class T>
T gamma_uniform(T a, double x, bool upper) {
  using std::erfc;
  using std::exp;
  using std::sqrt;
  const T mu = (T(x) - a) / a, eta = uniform_eta(mu), inverse = T(1) / a;
  T sum(0);
  const double* end = std::end(kUniform);
  for (int k = std::size(kUniformOrders) - 1; k >= 0; --k) {
    T c(0);
    for (int n = 0; n < kUniformOrders[k]; ++n) c = c * eta + T(*--end);
    sum = sum * inverse + c;
  }
  const T half = a * log1pmx(mu);  // -a eta^2 / 2
  const T rest = exp(half) * sum / sqrt(T(2 * std::numbers::pi) * a);
  const T z = eta * sqrt(a * T(0.5));
  return upper ? T(0.5) * erfc(z) + rest : T(0.5) * erfc(-z) - rest;
}

}  // namespace olivine::cpu::special
