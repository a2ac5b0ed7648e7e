// Element-wise exponentials, logarithms, roots, trigonometry and special functions of floats.
#include "backends/cpu/kernels/elementwise-inl.h"
#include "backends/scalar_math.h"
#if defined(__AVX512BW__)
#include "backends/cpu/kernels/lookup-inl.h"
#endif

namespace olivine::cpu::OLIVINE_ISA {
namespace {

template <>
inline constexpr Arithmetic arithmetic_of<Sqrt> = Arithmetic::sqrt;
template <>
inline constexpr Arithmetic arithmetic_of<Rsqrt> = Arithmetic::rsqrt;

#if defined(__AVX512BW__)
// F: on floats, Scalar: on doubles.
template <class F, class Scalar>
void add_lanes(KernelTable& t, const char* op) {
  t.add_loops(op, float32, {.v = lanes_v<F>});
  add_unary<Scalar, double>(t, op, float64);
  t.add_loops(op, float16, {.v = float16_lanes_v<F>});
  t.add_loops(op, bfloat16, {.v = bfloat16_lanes_v<F>});
  t.add_rounded_loops(op, {.v = lanes_v<RoundedLanes<F>>});
}
void register_hot(KernelTable& t) {
  add_lanes<ExpLanes, Exp>(t, "exp");
  add_lanes<Lookup<TanhTable>, Tanh>(t, "tanh");
  add_lanes<Lookup<ErfTable>, Erf>(t, "erf");
  add_lanes<SigmoidLanes, Sigmoid>(t, "sigmoid");
}
#else
void register_hot(KernelTable& t) {
  add_unary_floats<Exp>(t, "exp");
  add_unary_floats<Tanh>(t, "tanh");
  add_unary_floats<Erf>(t, "erf");
  add_unary_floats<Sigmoid>(t, "sigmoid");
  add_unary_rounded<Exp>(t, "exp");
  add_unary_rounded<Tanh>(t, "tanh");
  add_unary_rounded<Sigmoid>(t, "sigmoid");
}
#endif

}  // namespace

void register_elementwise_math(KernelTable& t) {
  register_hot(t);
  add_unary_floats<Sqrt>(t, "sqrt");
  add_unary_floats<Rsqrt>(t, "rsqrt");
  add_unary_rounded<Sqrt>(t, "sqrt");
  add_unary_rounded<Rsqrt>(t, "rsqrt");
  add_unary_floats<Expm1>(t, "expm1");
  add_unary_floats<Log>(t, "log");
  add_unary_floats<Log2>(t, "log2");
  add_unary_floats<Log10>(t, "log10");
  add_unary_floats<Log1p>(t, "log1p");
  add_unary_floats<Sin>(t, "sin");
  add_unary_floats<Cos>(t, "cos");
  add_unary_floats<Tan>(t, "tan");
  add_unary_floats<Arcsin>(t, "arcsin");
  add_unary_floats<Arccos>(t, "arccos");
  add_unary_floats<Arctan>(t, "arctan");
  add_unary_floats<Sinh>(t, "sinh");
  add_unary_floats<Cosh>(t, "cosh");
  add_unary_floats<Arcsinh>(t, "arcsinh");
  add_unary_floats<Arccosh>(t, "arccosh");
  add_unary_floats<Arctanh>(t, "arctanh");
  add_unary_floats<Erfinv>(t, "erfinv");
  add_binary_floats<Power>(t, "power");
  add_binary_floats<Arctan2>(t, "arctan2");
  add_binary_floats<Logaddexp>(t, "logaddexp");
}

}  // namespace olivine::cpu::OLIVINE_ISA
