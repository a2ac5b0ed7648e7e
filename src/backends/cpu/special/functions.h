// Special functions of doubles, one element each; what the loops of special.cpp call.
//
// Everything is computed in double, for float32 too, so that single results are rounded once. The C
// library has the gamma function, erfc and the Bessel functions of the first two kinds; the others
// are series, continued fractions and expansions of the DLMF (https://dlmf.nist.gov), whose
// sections the sources name. Arguments outside of a function's domain give NaN.
#pragma once

#include <limits>
#include <numbers>

namespace olivine::cpu::special {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kEps = std::numeric_limits<double>::epsilon();
constexpr double kPi = std::numbers::pi;

double gammaln(double x);  // of the absolute value
double gamma(double x);
double digamma(double x);
double zeta(double s, double q);  // Hurwitz's for s > 1, Riemann's for q = 1
double betaln(double a, double b);
double gammainc(double a, double x);   // regularized, lower
double gammaincc(double a, double x);  // regularized, upper
// The derivatives of gammainc by x, a density, and by a.
double gamma_density(double a, double x);
double gammainc_da(double a, double x);
double betainc(double a, double b, double x);  // regularized
// The derivatives of betainc by x, a density, by a and by b.
double beta_density(double a, double b, double x);
double betainc_da(double a, double b, double x);
double betainc_db(double a, double b, double x);

double erfc(double x);
double erfcx(double x);
double ndtr(double x);
double log_ndtr(double x);
double ndtri(double p);
double expi(double x);
double exp1(double x);
double spence(double x);

double i0(double x);
double i1(double x);
double i0e(double x);
double i1e(double x);
double j0(double x);
double j1(double x);
double y0(double x);
double y1(double x);

}  // namespace olivine::cpu::special
