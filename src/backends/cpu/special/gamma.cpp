// The gamma function's family: logarithms and derivatives, Hurwitz's zeta, incomplete gamma and
// beta functions.
//
// The incomplete functions are written for any number type, and their derivatives by a parameter
// are the same code on dual numbers. Both start from a prefactor, x^a e^-x / Gamma(a) or x^a
// (1-x)^b / B(a, b), in the form of its deviation from the largest value, which large parameters
// leave accurate: logarithms of large numbers are never subtracted (Loader, 2000).
#include <cmath>
#include <iterator>
#include <numbers>

#include "backends/cpu/special/dual.h"
#include "backends/cpu/special/functions.h"
#include "backends/cpu/special/gamma_uniform.h"

namespace olivine::cpu::special {
namespace {

constexpr double kHalfLogTwoPi = 0.91893853320467274178;

// B_2k / (2k (2k - 1)), the coefficients of Stirling's series (DLMF 5.11.1).
constexpr double kStirling[] = {1. / 12,   -1. / 360,      1. / 1260, -1. / 1680,
                                1. / 1188, -691. / 360360, 1. / 156,  -3617. / 122400};

// log(Gamma(a) / (sqrt(2 pi / a) (a / e)^a)), the error of Stirling's formula.
double stirling_error(double a) {
  if (a < 10) return gammaln(a) - ((a - 0.5) * log(a) - a + kHalfLogTwoPi);
  const double r = 1 / a, r2 = r * r;
  double sum = 0;
  for (int k = 7; k >= 0; --k) sum = sum * r2 + kStirling[k];
  return sum * r;
}
Dual stirling_error(Dual a) {
  return {stirling_error(a.v), (digamma(a.v) - log(a.v) + 0.5 / a.v) * a.d};
}

// log Gamma(1 + a) for small a (DLMF 5.7.3).
double gammaln1p(double a) {
  if (!(std::abs(a) < 0.15)) return gammaln(1 + a);
  double sum = 0, power = a;
  for (int k = 2; k < 40; ++k) {
    power *= -a;
    const double term = -power * zeta(k, 1) / k;
    sum += term;
    if (std::abs(term) < kEps * a * 0.1) break;
  }
  return sum - std::numbers::egamma * a;
}
Dual gammaln1p(Dual a) { return {gammaln1p(a.v), digamma(1 + a.v) * a.d}; }

// log(x / mean) - u for u = (x - mean) / mean, of which 1 + u has few digits near -1.
template <class T>
T deviation(double x, T mean, T u) {
  return value(u) > -0.5 ? log1pmx(u) : log(T(x) / mean) - u;
}

// x (a + b) - a with all its digits, however much cancels.
double excess(double a, double b, double x) {
  const double n = a + b, low = a < b ? a - (n - b) : b - (n - a);
  return std::fma(x, n, -a) + x * low;
}
Dual excess(Dual a, Dual b, double x) { return {excess(a.v, b.v, x), x * (a.d + b.d) - a.d}; }

// Whether the deviation form of a prefactor is the accurate one.
bool large(double a) { return a >= 1; }

// x^a e^-x / Gamma(a + 1).
template <class T>
T gamma_prefactor(T a, double x) {
  if (large(value(a))) {
    return exp(a * deviation(x, a, (T(x) - a) / a) - stirling_error(a)) / sqrt(T(2 * kPi) * a);
  }
  return exp(a * T(log(x)) - T(x) - gammaln1p(a));
}

// P(a, x) by its power series (DLMF 8.11.4).
template <class T>
T gammainc_series(T a, double x) {
  T term(1), sum(1);
  for (int n = 1; n < 1'000'000; ++n) {
    term = term * T(x) / (a + T(n));
    sum = sum + term;
    if (negligible(term, sum)) break;
  }
  return gamma_prefactor(a, x) * sum;
}

// Q(a, x) by its continued fraction (DLMF 8.9.2), Lentz's way; x > 1.
template <class T>
T gammaincc_fraction(T a, double x) {
  T b = T(x) + T(1) - a, c = T(1e300), d = T(1) / b, h = d;
  for (int n = 1; n < 1'000'000; ++n) {
    const T an = T(n) * (a - T(n));
    b = b + T(2);
    d = T(1) / (an * d + b);
    c = b + an / c;
    const T step = c * d;
    h = h * step;
    if (negligible(step - T(1), T(1))) break;
  }
  return gamma_prefactor(a, x) * a * h;
}

// Q(a, x) for small x, where 1 - P would cancel (DLMF 8.7.3).
double gammaincc_small(double a, double x) {
  double term = 1, sum = 0;
  for (int n = 1; n < 500; ++n) {
    term *= -x / n;
    sum += term / (a + n);
    if (std::abs(term / (a + n)) <= kEps / 4 * std::abs(sum)) break;
  }
  const double e = a * log(x) - gammaln1p(a);
  return -std::expm1(e) - exp(e) * a * sum;
}

// x^a (1 - x)^b / (a B(a, b)); y is 1 - x.
template <class T>
T beta_prefactor(T a, T b, double x, double y) {
  const T n = a + b;
  if (large(value(a)) && large(value(b))) {
    // About the mean a / n: a u + b v = 0, so that only deviations from it count.
    const T move = x <= y ? excess(a, b, x) : -excess(b, a, y);
    const T u = move / a, v = -(move / b);
    const T e = a * deviation(x, a / n, u) + b * deviation(y, b / n, v);
    const T errors = stirling_error(n) - stirling_error(a) - stirling_error(b);
    return exp(e + errors) * sqrt(b / (T(2 * kPi) * a * n));
  }
  const T small = value(a) < value(b) ? a : b, other = value(a) < value(b) ? b : a;
  // Gamma(n) / (Gamma(a) Gamma(b)), by Gamma(1 + small) where the other one is large.
  T ratio(0);
  if (value(other) >= 10) {
    const T grow = small * log(other) + (n - T(0.5)) * log1pmx(small / other) +
                   (n - T(0.5)) * (small / other) - small;
    ratio = grow + stirling_error(n) - stirling_error(other) + log(small) - gammaln1p(small);
  } else {
    ratio = gammaln1p(n) - log(n) + log(a) - gammaln1p(a) + log(b) - gammaln1p(b);
  }
  const double log_y = x < 0.5 ? log1p(-x) : log(y);
  return exp(ratio + a * T(log(x)) + b * T(log_y)) / a;
}

// I_x(a, b) by its continued fraction (DLMF 8.17.22), for x below the mean.
template <class T>
T betainc_fraction(T a, T b, double x, double y) {
  const T n = a + b;
  T c(1), d = T(1) / (T(1) - n * T(x) / (a + T(1))), h = d;
  for (int m = 1; m < 1'000'000; ++m) {
    const T i(m), two = a + T(2 * m);
    const T even = i * (b - i) * T(x) / ((two - T(1)) * two);
    d = T(1) / (T(1) + even * d);
    c = T(1) + even / c;
    h = h * (d * c);
    const T odd = -((a + i) * (n + i) * T(x) / (two * (two + T(1))));
    d = T(1) / (T(1) + odd * d);
    c = T(1) + odd / c;
    const T step = d * c;
    h = h * step;
    if (negligible(step - T(1), T(1))) break;
  }
  return beta_prefactor(a, b, x, y) * h;
}
template <class T>
T betainc_of(T a, T b, double x, double y) {
  if (x * (value(a) + value(b) + 2) <= value(a) + 1) return betainc_fraction(a, b, x, y);
  return T(1) - betainc_fraction(b, a, y, x);
}

}  // namespace

double gammaln(double x) {
  int sign;
  return ::lgamma_r(x, &sign);
}
double gamma(double x) { return std::tgamma(x); }

double digamma(double x) {
  if (std::isnan(x) || x == kInf) return x;
  if (x == 0) return std::copysign(kInf, -x);
  if (x < 0) {
    const double whole = std::floor(x);
    if (x == whole) return kNaN;
    const double part = x - whole;  // tan has the period pi
    if (part == 0.5) return digamma(1 - x);
    return digamma(1 - x) - kPi / std::tan(kPi * (part < 0.5 ? part : part - 1));
  }
  // Taylor's series about the positive root, whose digits cancel elsewise. Coefficients:
  // polygamma(k, root) / k! with 60 digits, k = 1 ...
  constexpr double root = 1.4616321449683622, root_low = 9.549995429965697e-17;
  constexpr double series[] = {
      0.9676722454476212,      -0.4427631689835921,     0.258499760955651,
      -0.16394270544240652,    0.10782405069126237,     -0.07219956125645471,
      0.04880428816414311,     -0.03316112647484736,    0.022597648232218104,
      -0.01542476590494896,    0.010538791616612175,    -0.007204534386356869,
      0.004926781395729853,    -0.003369801655439328,   0.002305126326734928,
      -0.0015769367714301972,  0.0010788252019162967,   -0.0007380709389960052,
      0.000504953265834602,    -0.0003454680251063077,  0.00023635601564027053,
      -0.00016170622091974803, 0.0001106337276874741,   -7.569179582195066e-05,
      5.178575795222081e-05,   -3.5430070947659604e-05, 2.424006611860132e-05,
      -1.6584242271854135e-05, 1.134638458466385e-05,   -7.762817668462094e-06,
      5.3110609208898636e-06,  -3.6336507898010456e-06, 2.486022733129538e-06,
      -1.7008538854332607e-06, 1.1636675363548843e-06,  -7.96142543124197e-07,
      5.446941930669446e-07,   -3.7266161283438227e-07, 2.549626552021554e-07,
      -1.7443695117727745e-07, 1.1934394829830244e-07,  -8.165115189488409e-08,
      5.586299683532171e-08,   -3.821960061917494e-08};
  const double from_root = (x - root) - root_low;
  if (std::abs(from_root) < 0.6) {
    double sum = 0;
    for (int k = int(std::size(series)) - 1; k >= 0; --k) sum = sum * from_root + series[k];
    return sum * from_root;
  }
  double below = 0;
  for (; x < 10; ++x) below += 1 / x;
  const double r2 = 1 / (x * x);
  double sum = 0;
  for (int k = 7; k >= 0; --k) sum = (sum + kStirling[k] * (2 * k + 1)) * r2;
  return log(x) - 0.5 / x - sum - below;
}

// Riemann's function where the reflection keeps its digits (DLMF 25.4.1).
static double zeta_reflected(double s) {
  // sin(pi s / 2), which is 0 at even numbers: -s without whole turns and half turns.
  double turn = std::fmod(-s, 4), sign = turn > 2 ? 1 : -1;
  if (turn > 2) turn -= 2;
  const double sine = sign * std::sin(kPi / 2 * (turn > 1 ? 2 - turn : turn));
  if (sine == 0) return 0;
  const double power = s > -150 ? std::tgamma(1 - s) * std::pow(2 * kPi, s - 1)
                                : exp(gammaln(1 - s) + (s - 1) * log(2 * kPi));
  return 2 * sine * power * zeta(1 - s, 1);
}

double zeta(double s, double q) {
  if (std::isnan(s) || std::isnan(q) || s == -kInf) return kNaN;
  if (s == 1) return kInf;
  if (s < 1 && q != 1) return kNaN;
  if (s < -0.25) return zeta_reflected(s);
  if (q <= 0) {
    if (q == std::floor(q)) return kInf;
    if (s != std::floor(s)) return kNaN;
  }
  if (q > 1e8) return (1 / (s - 1) + 1 / (2 * q)) * std::pow(q, 1 - s);
  // Euler and Maclaurin's formula (DLMF 25.11.5) behind at least nine terms.
  double sum = std::pow(q, -s), a = q, b = 0;
  for (int i = 0; i < 9 || a <= 9; ++i) {
    a += 1;
    b = std::pow(a, -s);
    sum += b;
    if (a > 0 && b < kEps / 8 * std::abs(sum)) return sum;
  }
  sum += b * a / (s - 1) - 0.5 * b;
  // (2j)! / B_2j
  constexpr double factors[] = {12.0,
                                -720.0,
                                30240.0,
                                -1209600.0,
                                47900160.0,
                                -1892437580.3183792,
                                74724249600.0,
                                -2950130727918.164,
                                116467828143500.67,
                                -4597978722407473.0,
                                1.8152105401943546e17,
                                -7.166165256175667e18};
  double grow = 1, k = 0;
  for (double factor : factors) {
    grow *= s + k;
    b /= a;
    const double term = grow * b / factor;
    sum += term;
    if (std::abs(term) < kEps / 4 * std::abs(sum)) break;
    k += 1;
    grow *= s + k;
    b /= a;
    k += 1;
  }
  return sum;
}

double betaln(double a, double b) {
  if (!(a > 0) || !(b > 0)) return gammaln(a) + gammaln(b) - gammaln(a + b);
  const double small = a < b ? a : b, big = a < b ? b : a, n = a + b;
  if (std::isinf(big)) return small == 0 ? kNaN : -kInf;
  if (big < 10) return gammaln(a) + gammaln(b) - gammaln(n);
  if (small < 10) {
    // Gamma(big) / Gamma(n) by the difference of Stirling's formulas.
    const double r = small / big;
    return gammaln(small) - small * log(big) - (n - 0.5) * log1p(r) + small + stirling_error(big) -
           stirling_error(n);
  }
  return kHalfLogTwoPi - 0.5 * log(n) + (small - 0.5) * log(small / n) +
         (big - 0.5) * log1p(-small / n) + stirling_error(a) + stirling_error(b) -
         stirling_error(n);
}

double gammainc(double a, double x) {
  if (std::isnan(a) || std::isnan(x) || a < 0 || x < 0) return kNaN;
  if (a == 0) return x > 0 ? 1 : kNaN;
  if (x == 0) return 0;
  if (std::isinf(a)) return std::isinf(x) ? kNaN : 0;
  if (std::isinf(x)) return 1;
  if (is_uniform(a, x)) return gamma_uniform(a, x, false);
  return x > 1 && x > a ? 1 - gammaincc(a, x) : gammainc_series(a, x);
}

double gammaincc(double a, double x) {
  if (std::isnan(a) || std::isnan(x) || a < 0 || x < 0) return kNaN;
  if (a == 0) return x > 0 ? 0 : kNaN;
  if (x == 0) return 1;
  if (std::isinf(a)) return std::isinf(x) ? kNaN : 1;
  if (std::isinf(x)) return 0;
  if (is_uniform(a, x)) return gamma_uniform(a, x, true);
  if (x > 1.1) return x > a ? gammaincc_fraction(a, x) : 1 - gammainc_series(a, x);
  return a > x + 0.5 ? 1 - gammainc_series(a, x) : gammaincc_small(a, x);
}

double gamma_density(double a, double x) {
  if (!(a > 0) || !(x >= 0)) return kNaN;
  if (x == 0) return a < 1 ? kInf : a == 1 ? 1 : 0;
  if (std::isinf(a) || std::isinf(x)) return 0;
  // The prefactor would end before the density does.
  if (x < 1e-100) return exp((a - 1) * log(x) - gammaln(a));
  return gamma_prefactor(a, x) * (a / x);
}

double gammainc_da(double a, double x) {
  if (!(a > 0) || !(x >= 0)) return kNaN;
  if (x == 0 || std::isinf(a) || std::isinf(x)) return 0;
  const Dual parameter{a, 1};
  if (is_uniform(a, x)) return gamma_uniform(parameter, x, false).d;
  return x > 1 && x > a ? -gammaincc_fraction(parameter, x).d : gammainc_series(parameter, x).d;
}

double betainc(double a, double b, double x) {
  if (!(a > 0) || !(b > 0) || !(x >= 0 && x <= 1)) return kNaN;
  if (x == 0 || x == 1) return x;
  if (std::isinf(a) || std::isinf(b)) return std::isinf(a) ? (std::isinf(b) ? kNaN : 0) : 1;
  return betainc_of<double>(a, b, x, 1 - x);
}

double beta_density(double a, double b, double x) {
  if (!(a > 0) || !(b > 0) || !(x >= 0 && x <= 1)) return kNaN;
  if (x == 0) return a < 1 ? kInf : a == 1 ? b : 0;
  if (x == 1) return b < 1 ? kInf : b == 1 ? a : 0;
  if (std::isinf(a) || std::isinf(b)) return 0;
  if (x < 1e-100) return exp((a - 1) * log(x) - (b - 1) * x - betaln(a, b));
  return beta_prefactor(a, b, x, 1 - x) * (a / (x * (1 - x)));
}

static double betainc_slope(Dual a, Dual b, double x) {
  if (!(a.v > 0) || !(b.v > 0) || !(x >= 0 && x <= 1)) return kNaN;
  if (x == 0 || x == 1 || std::isinf(a.v) || std::isinf(b.v)) return 0;
  return betainc_of(a, b, x, 1 - x).d;
}
double betainc_da(double a, double b, double x) { return betainc_slope({a, 1}, b, x); }
double betainc_db(double a, double b, double x) { return betainc_slope(a, {b, 1}, x); }

}  // namespace olivine::cpu::special
