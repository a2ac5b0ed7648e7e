// Element-wise exponentials, logarithms, roots, trigonometry and special functions of floats.
#include "backends/cpu/kernels/elementwise-inl.h"
#include "backends/scalar_half_math.h"
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
  t.add_loops(op, float16, looked_up<float16_lanes_v<F>>());
  t.add_loops(op, bfloat16, looked_up<bfloat16_lanes_v<F>>());
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
  add_unary_functions<Exp>(t, "exp");
  add_unary_functions<Tanh>(t, "tanh");
  add_unary_functions<Erf>(t, "erf");
  add_unary_functions<Sigmoid>(t, "sigmoid");
  add_unary_rounded<Exp>(t, "exp");
  add_unary_rounded<Tanh>(t, "tanh");
  add_unary_rounded<Sigmoid>(t, "sigmoid");
}
#endif

// F on floats and doubles; Half: on floats that hold 16-bit floats.
template <class F, class Half>
void add_binary_functions(KernelTable& t, const char* op) {
  add_binary<F, float>(t, op, float32);
  add_binary<F, double>(t, op, float64);
  t.add_loops(op, float16, half_binary_loops<float16_t, Half>());
  t.add_loops(op, bfloat16, half_binary_loops<bfloat16_t, Half>());
  t.add_half_loops(
      op, {.vv = loop_vv<Half, float>, .sv = loop_sv<Half, float>, .vs = loop_vs<Half, float>});
}

}  // namespace

void register_elementwise_math(KernelTable& t) {
  register_hot(t);
  add_unary_functions<Sqrt>(t, "sqrt");
  add_unary_functions<Rsqrt>(t, "rsqrt");
  add_unary_rounded<Sqrt>(t, "sqrt");
  add_unary_rounded<Rsqrt>(t, "rsqrt");
  add_unary_functions<Expm1>(t, "expm1");
  add_unary_functions<Log>(t, "log");
  add_unary_functions<Log2>(t, "log2");
  add_unary_functions<Log10>(t, "log10");
  add_unary_functions<Log1p>(t, "log1p");
  add_unary_functions<Sin>(t, "sin");
  add_unary_functions<Cos>(t, "cos");
  add_unary_functions<Tan>(t, "tan");
  add_unary_functions<Arcsin>(t, "arcsin");
  add_unary_functions<Arccos>(t, "arccos");
  add_unary_functions<Arctan>(t, "arctan");
  add_unary_functions<Sinh>(t, "sinh");
  add_unary_functions<Cosh>(t, "cosh");
  add_unary_functions<Arcsinh>(t, "arcsinh");
  add_unary_functions<Arccosh>(t, "arccosh");
  add_unary_functions<Arctanh>(t, "arctanh");
  add_unary_functions<Erfinv>(t, "erfinv");
  add_binary_functions<Power, HalfPower>(t, "power");
  add_binary_floats<Arctan2>(t, "arctan2");
  add_binary_functions<Logaddexp, HalfLogaddexp>(t, "logaddexp");
}

}  // namespace olivine::cpu::OLIVINE_ISA
