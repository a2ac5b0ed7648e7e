// Exponentials, logarithms, trigonometry and their relatives for float and double.
#pragma once

#include "backends/scalar_ops.h"

namespace olivine::scalar {
namespace {

#define OLIVINE_LIBM1(Name, fn)                                                   \
  struct Name {                                                                   \
    OLIVINE_OP float operator()(float x) const { return __builtin_##fn##f(x); }    \
    OLIVINE_OP double operator()(double x) const { return __builtin_##fn(x); }     \
  };
OLIVINE_LIBM1(Sqrt, sqrt)
OLIVINE_LIBM1(Exp, exp)
OLIVINE_LIBM1(Expm1, expm1)
OLIVINE_LIBM1(Log, log)
OLIVINE_LIBM1(Log2, log2)
OLIVINE_LIBM1(Log10, log10)
OLIVINE_LIBM1(Log1p, log1p)
OLIVINE_LIBM1(Sin, sin)
OLIVINE_LIBM1(Cos, cos)
OLIVINE_LIBM1(Tan, tan)
OLIVINE_LIBM1(Arcsin, asin)
OLIVINE_LIBM1(Arccos, acos)
OLIVINE_LIBM1(Arctan, atan)
OLIVINE_LIBM1(Sinh, sinh)
OLIVINE_LIBM1(Cosh, cosh)
OLIVINE_LIBM1(Tanh, tanh)
OLIVINE_LIBM1(Arcsinh, asinh)
OLIVINE_LIBM1(Arccosh, acosh)
OLIVINE_LIBM1(Arctanh, atanh)
OLIVINE_LIBM1(Erf, erf)
#undef OLIVINE_LIBM1

struct Rsqrt {
  template <class T>
  OLIVINE_OP T operator()(T x) const {
    return T(1) / sqrt(x);
  }
};
struct Sigmoid {
  template <class T>
  OLIVINE_OP T operator()(T x) const {
    const T e = Exp{}(-abs(x));
    const T s = T(1) / (T(1) + e);
    return x < T(0) ? e * s : s;
  }
};
struct Power {
  OLIVINE_OP float operator()(float x, float y) const { return __builtin_powf(x, y); }
  OLIVINE_OP double operator()(double x, double y) const { return __builtin_pow(x, y); }
};
struct Arctan2 {
  OLIVINE_OP float operator()(float y, float x) const { return __builtin_atan2f(y, x); }
  OLIVINE_OP double operator()(double y, double x) const { return __builtin_atan2(y, x); }
};
struct Logaddexp {
  template <class T>
  OLIVINE_OP T operator()(T a, T b) const {
    const T high = Maximum{}(a, b), low = Minimum{}(a, b);
    const T d = low - high;  // NaN for equal infinities
    return low == high ? high + T(0.6931471805599453) : high + Log1p{}(Exp{}(d));
  }
};

}  // namespace
}  // namespace olivine::scalar
