// Special functions of real numbers. float32 and float64 keep their dtype; 16-bit floats are
// computed in float32, integers become float32. Each has derivatives of every order, but by a
// parameter where its comment says so.
#pragma once

#include "olivine/array.h"
#include "olivine/device.h"

namespace olivine::special {

// log |Gamma(x)|, Gamma(x) and the sign of Gamma(x).
OLIVINE_API array gammaln(const array& x, StreamOrDevice s = {});
OLIVINE_API array gamma(const array& x, StreamOrDevice s = {});
OLIVINE_API array gammasgn(const array& x, StreamOrDevice s = {});
// The derivative of log Gamma, and that one's n-th derivative.
OLIVINE_API array digamma(const array& x, StreamOrDevice s = {});
OLIVINE_API array polygamma(int n, const array& x, StreamOrDevice s = {});
// Hurwitz's zeta function, Riemann's for q = 1 also below x = 1; not differentiable by x.
OLIVINE_API array zeta(const array& x, const array& q, StreamOrDevice s = {});
// The log of the multivariate gamma function of dimension d.
OLIVINE_API array multigammaln(const array& a, int d, StreamOrDevice s = {});
// The regularized incomplete gamma functions, below and above x; by a differentiable once.
OLIVINE_API array gammainc(const array& a, const array& x, StreamOrDevice s = {});
OLIVINE_API array gammaincc(const array& a, const array& x, StreamOrDevice s = {});
// log |B(a, b)|, B(a, b), and the regularized incomplete one; by a and b differentiable once.
OLIVINE_API array betaln(const array& a, const array& b, StreamOrDevice s = {});
OLIVINE_API array beta(const array& a, const array& b, StreamOrDevice s = {});
OLIVINE_API array betainc(const array& a, const array& b, const array& x, StreamOrDevice s = {});
// n! and the number of choices of k among n.
OLIVINE_API array factorial(const array& n, StreamOrDevice s = {});
OLIVINE_API array comb(const array& n, const array& k, StreamOrDevice s = {});

// 1 - erf(x), and that times e^(x^2).
OLIVINE_API array erfc(const array& x, StreamOrDevice s = {});
OLIVINE_API array erfcx(const array& x, StreamOrDevice s = {});
// The normal distribution: below x, its logarithm, and the inverse.
OLIVINE_API array ndtr(const array& x, StreamOrDevice s = {});
OLIVINE_API array log_ndtr(const array& x, StreamOrDevice s = {});
OLIVINE_API array ndtri(const array& p, StreamOrDevice s = {});

// Modified Bessel functions, also times e^-|x|, and those of both kinds.
OLIVINE_API array i0(const array& x, StreamOrDevice s = {});
OLIVINE_API array i0e(const array& x, StreamOrDevice s = {});
OLIVINE_API array i1(const array& x, StreamOrDevice s = {});
OLIVINE_API array i1e(const array& x, StreamOrDevice s = {});
OLIVINE_API array j0(const array& x, StreamOrDevice s = {});
OLIVINE_API array j1(const array& x, StreamOrDevice s = {});
OLIVINE_API array y0(const array& x, StreamOrDevice s = {});
OLIVINE_API array y1(const array& x, StreamOrDevice s = {});

// Exponential integrals Ei and E1, and Li2(1 - x).
OLIVINE_API array expi(const array& x, StreamOrDevice s = {});
OLIVINE_API array exp1(const array& x, StreamOrDevice s = {});
OLIVINE_API array spence(const array& x, StreamOrDevice s = {});

// x log(y) and x log(1 + y), 0 where x is 0.
OLIVINE_API array xlogy(const array& x, const array& y, StreamOrDevice s = {});
OLIVINE_API array xlog1py(const array& x, const array& y, StreamOrDevice s = {});
OLIVINE_API array logit(const array& p, StreamOrDevice s = {});
OLIVINE_API array expit(const array& x, StreamOrDevice s = {});
// -x log(x); x log(x / y), less x - y in kl_div.
OLIVINE_API array entr(const array& x, StreamOrDevice s = {});
OLIVINE_API array rel_entr(const array& x, const array& y, StreamOrDevice s = {});
OLIVINE_API array kl_div(const array& x, const array& y, StreamOrDevice s = {});
// sin(pi x) / (pi x).
OLIVINE_API array sinc(const array& x, StreamOrDevice s = {});
// x - logsumexp(x) along an axis.
OLIVINE_API array log_softmax(const array& x, int axis = -1, StreamOrDevice s = {});

}  // namespace olivine::special
