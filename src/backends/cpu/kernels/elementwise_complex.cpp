// Element-wise functions of complex numbers, by the C library's.
#include "backends/cpu/kernels/elementwise-inl.h"
#include "backends/scalar_math.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

using Float = __complex__ float;
using Double = __complex__ double;

#define OLIVINE_COMPLEX(Name, fn)                                     \
  struct Name {                                                       \
    Complex<float> operator()(Complex<float> z) const {               \
      return bits<Complex<float>>(__builtin_##fn##f(bits<Float>(z))); \
    }                                                                 \
    Complex<double> operator()(Complex<double> z) const {             \
      return bits<Complex<double>>(__builtin_##fn(bits<Double>(z)));  \
    }                                                                 \
  };
OLIVINE_COMPLEX(ComplexSqrt, csqrt)
OLIVINE_COMPLEX(ComplexExp, cexp)
OLIVINE_COMPLEX(ComplexLog, clog)
OLIVINE_COMPLEX(ComplexSin, csin)
OLIVINE_COMPLEX(ComplexCos, ccos)
OLIVINE_COMPLEX(ComplexTan, ctan)
OLIVINE_COMPLEX(ComplexArcsin, casin)
OLIVINE_COMPLEX(ComplexArccos, cacos)
OLIVINE_COMPLEX(ComplexArctan, catan)
OLIVINE_COMPLEX(ComplexSinh, csinh)
OLIVINE_COMPLEX(ComplexCosh, ccosh)
OLIVINE_COMPLEX(ComplexTanh, ctanh)
OLIVINE_COMPLEX(ComplexArcsinh, casinh)
OLIVINE_COMPLEX(ComplexArccosh, cacosh)
OLIVINE_COMPLEX(ComplexArctanh, catanh)
#undef OLIVINE_COMPLEX

template <class T>
Complex<T> scale(Complex<T> z, T by) {
  return {z.re * by, z.im * by};
}

struct ComplexRsqrt {
  template <class T>
  Complex<T> operator()(Complex<T> z) const {
    return Reciprocal{}(ComplexSqrt{}(z));
  }
};
struct ComplexLog2 {
  template <class T>
  Complex<T> operator()(Complex<T> z) const {
    return scale(ComplexLog{}(z), T(0x1.71547652b82fep0));
  }
};
struct ComplexLog10 {
  template <class T>
  Complex<T> operator()(Complex<T> z) const {
    return scale(ComplexLog{}(z), T(0x1.bcb7b1526e50ep-2));
  }
};
struct ComplexLog1p {
  // |1 + z|^2 = 1 + x (2 + x) + y^2 keeps the digits of a small z.
  template <class T>
  Complex<T> operator()(Complex<T> z) const {
    const Complex<T> far = ComplexLog{}(z + Complex<T>{1, 0});
    if (!(abs(z.re) < T(0.5) && abs(z.im) < T(0.5))) return far;
    const T near = T(0.5) * Log1p{}(z.re * (T(2) + z.re) + z.im * z.im);
    return {near, far.im};
  }
};
struct ComplexLogaddexp {
  template <class T>
  Complex<T> operator()(Complex<T> a, Complex<T> b) const {
    const Complex<T> high = Maximum{}(a, b), low = Minimum{}(a, b);
    return high + ComplexLog1p{}(ComplexExp{}(low - high));
  }
};
struct ComplexPower {
  // Small integer exponents by multiplication, so that squares of Gaussian integers stay such.
  template <class T>
  Complex<T> operator()(Complex<T> a, Complex<T> b) const {
    if (b.im == T(0) && abs(b.re) <= T(64) && trunc(b.re) == b.re) {
      Complex<T> r{1, 0}, p = a;
      for (int e = static_cast<int>(abs(b.re)); e != 0; e >>= 1) {
        if (e & 1) r = r * p;
        p = p * p;
      }
      return b.re < T(0) ? Reciprocal{}(r) : r;
    }
    if (a.re == T(0) && a.im == T(0) && b.re > T(0)) return {0, 0};
    return ComplexExp{}(b * ComplexLog{}(a));
  }
};

}  // namespace

void register_elementwise_complex(KernelTable& t) {
  add_unary_complex<ComplexSqrt>(t, "sqrt");
  add_unary_complex<ComplexRsqrt>(t, "rsqrt");
  add_unary_complex<ComplexExp>(t, "exp");
  add_unary_complex<ComplexLog>(t, "log");
  add_unary_complex<ComplexLog2>(t, "log2");
  add_unary_complex<ComplexLog10>(t, "log10");
  add_unary_complex<ComplexLog1p>(t, "log1p");
  add_unary_complex<ComplexSin>(t, "sin");
  add_unary_complex<ComplexCos>(t, "cos");
  add_unary_complex<ComplexTan>(t, "tan");
  add_unary_complex<ComplexArcsin>(t, "arcsin");
  add_unary_complex<ComplexArccos>(t, "arccos");
  add_unary_complex<ComplexArctan>(t, "arctan");
  add_unary_complex<ComplexSinh>(t, "sinh");
  add_unary_complex<ComplexCosh>(t, "cosh");
  add_unary_complex<ComplexTanh>(t, "tanh");
  add_unary_complex<ComplexArcsinh>(t, "arcsinh");
  add_unary_complex<ComplexArccosh>(t, "arccosh");
  add_unary_complex<ComplexArctanh>(t, "arctanh");
  add_binary_complex<ComplexPower>(t, "power");
  add_binary_complex<ComplexLogaddexp>(t, "logaddexp");
}

}  // namespace olivine::cpu::OLIVINE_ISA
