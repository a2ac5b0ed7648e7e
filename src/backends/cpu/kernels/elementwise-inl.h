// Loops over element-wise functors, and their registration for the dtypes of a class.
//
// 16-bit floats are computed as floats and rounded after every op: bfloat16 in pairs of neighbours,
// float16, and ops with rare elements, in blocks that go through the float loops.
#pragma once

#include "backends/cpu/half_table.h"
#include "backends/cpu/kernel_table.h"
#include "backends/cpu/kernels/half-inl.h"
#include "backends/scalar_ops.h"

// Operands either coincide with the output or do not overlap it.
#if defined(__clang__)
#define OLIVINE_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define OLIVINE_INDEPENDENT _Pragma("GCC ivdep")
#endif

namespace olivine::cpu::OLIVINE_ISA {
namespace {

// NOLINTNEXTLINE: the ops' names are wanted unqualified here
using namespace olivine::scalar;

// An operand of a loop: an array, or one element for all.
template <class A>
struct Vector {
  const A* data;
  OLIVINE_OP A operator[](int64_t i) const { return data[i]; }
};
template <class A>
struct Scalar {
  A value;
  OLIVINE_OP A operator[](int64_t) const { return value; }
};
template <class A>
OLIVINE_OP Vector<A> vector(const void* p) {
  return {static_cast<const A*>(p)};
}
template <class A>
OLIVINE_OP Scalar<A> scalar_of(const void* p) {
  return {*static_cast<const A*>(p)};
}

template <class F, class R, class... X>
OLIVINE_OP void loop(R* o, int64_t n, X... x) {
  OLIVINE_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) o[i] = F{}(x[i]...);
}
// Ops with rare elements: a block without any takes the vector loop.
template <class F, class R, class... X>
OLIVINE_OP void loop_with_rare(R* o, int64_t n, X... x) {
  constexpr int64_t block = 256;
  for (int64_t begin = 0; begin < n; begin += block) {
    const int64_t end = begin + block < n ? begin + block : n;
    int rare = 0;
    for (int64_t i = begin; i < end; ++i) rare |= F::rare(x[i]...);
    if (rare) {
      for (int64_t i = begin; i < end; ++i) {
        o[i] = F::rare(x[i]...) ? F::slow(x[i]...) : F{}(x[i]...);
      }
    } else {
      OLIVINE_INDEPENDENT
      for (int64_t i = begin; i < end; ++i) o[i] = F{}(x[i]...);
    }
  }
}
template <class F, class A, class... X>
OLIVINE_OP void run_loop(void* po, int64_t n, X... x) {
  auto* o = static_cast<decltype(F{}(x[0]...))*>(po);
  if constexpr (requires { F::rare(x[0]...); }) {
    loop_with_rare<F>(o, n, x...);
  } else {
    loop<F>(o, n, x...);
  }
}

template <class F, class A>
using Result1 = decltype(F{}(A{}));
template <class F, class A>
using Result2 = decltype(F{}(A{}, A{}));

template <class F, class A>
void loop_v(const void* a, void* o, int64_t n) {
  run_loop<F, A>(o, n, vector<A>(a));
}
template <class F, class A>
void loop_vv(const void* a, const void* b, void* o, int64_t n) {
  run_loop<F, A>(o, n, vector<A>(a), vector<A>(b));
}
template <class F, class A>
void loop_sv(const void* a, const void* b, void* o, int64_t n) {
  run_loop<F, A>(o, n, scalar_of<A>(a), vector<A>(b));
}
template <class F, class A>
void loop_vs(const void* a, const void* b, void* o, int64_t n) {
  run_loop<F, A>(o, n, vector<A>(a), scalar_of<A>(b));
}

// ---- 16-bit floats through blocks of floats. R: the float loop's result (float, or a byte).

template <class H, class R, Loops::Unary loop>
void half_v(const void* pa, void* po, int64_t n) {
  const H* a = static_cast<const H*>(pa);
  float x[kHalfBlock];
  for (int64_t i = 0; i < n; i += kHalfBlock) {
    const int64_t m = n - i < kHalfBlock ? n - i : kHalfBlock;
    widen(a + i, x, m);
    if constexpr (std::is_same_v<R, float>) {
      loop(x, x, m);
      narrow(x, static_cast<H*>(po) + i, m);
    } else {
      loop(x, static_cast<R*>(po) + i, m);
    }
  }
}
// scalar_a, scalar_b: which operand is one element.
template <class H, class R, Loops::Binary loop, bool scalar_a, bool scalar_b>
void half_binary(const void* pa, const void* pb, void* po, int64_t n) {
  const H* a = static_cast<const H*>(pa);
  const H* b = static_cast<const H*>(pb);
  float x[kHalfBlock], y[kHalfBlock];
  if (scalar_a) widen(a, x, 1);
  if (scalar_b) widen(b, y, 1);
  for (int64_t i = 0; i < n; i += kHalfBlock) {
    const int64_t m = n - i < kHalfBlock ? n - i : kHalfBlock;
    if (!scalar_a) widen(a + i, x, m);
    if (!scalar_b) widen(b + i, y, m);
    if constexpr (std::is_same_v<R, float>) {
      float* result = scalar_a ? y : x;  // never over the one element of a scalar operand
      loop(x, y, result, m);
      narrow(result, static_cast<H*>(po) + i, m);
    } else {
      loop(x, y, static_cast<R*>(po) + i, m);
    }
  }
}

// The same for ops that take vectors, in registers.
template <class F>
inline constexpr bool on_lanes = std::is_same_v<F, Add> || std::is_same_v<F, Subtract> ||
                                 std::is_same_v<F, Multiply> || std::is_same_v<F, Divide>;

template <class H, class F, bool scalar_a, bool scalar_b>
void lanes_binary(const void* pa, const void* pb, void* po, int64_t n) {
  constexpr int64_t lanes = kVectorBytes / 4;
  const H* a = static_cast<const H*>(pa);
  const H* b = static_cast<const H*>(pb);
  H* o = static_cast<H*>(po);
  const float x = scalar_a ? half_to_float(*a) : 0, y = scalar_b ? half_to_float(*b) : 0;
  const auto at_a = [&](int64_t i) { return scalar_a ? x - FloatLanes{} : load_halves(a + i); };
  const auto at_b = [&](int64_t i) { return scalar_b ? y - FloatLanes{} : load_halves(b + i); };
  int64_t i = 0;
#if defined(__SSE2__) && !defined(__AVX2__)
  if constexpr (std::is_same_v<H, float16_t>) {
    i = finite_binary<F, scalar_a, scalar_b>(a, b, o, n);
  }
#endif
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    const FloatLanes r = F{}(at_a(i), at_b(i)), s = F{}(at_a(i + lanes), at_b(i + lanes));
    store_halves(o + i, r, s);
  }
  for (; i < n; ++i) {
    const float u = scalar_a ? x : half_to_float(a[i]), v = scalar_b ? y : half_to_float(b[i]);
    o[i] = float_to_half(H{}, F{}(u, v));
  }
}

template <class F>
inline constexpr bool has_rare = requires {
  F::rare(0.f);
}
|| requires { F::rare(0.f, 0.f); };

// ---- bfloat16 in pairs

struct PairVector {
  const bfloat16_t* data;
  OLIVINE_OP uint32_t pair(int64_t i) const {
    return reinterpret_cast<const Bfloat16Pair*>(data)[i];
  }
  OLIVINE_OP float low(int64_t i) const { return low_of(pair(i)); }
  OLIVINE_OP float high(int64_t i) const { return high_of(pair(i)); }
  OLIVINE_OP float at(int64_t i) const { return half_to_float(data[i]); }
};
struct PairScalar {
  float value;
  OLIVINE_OP float low(int64_t) const { return value; }
  OLIVINE_OP float high(int64_t) const { return value; }
  OLIVINE_OP float at(int64_t) const { return value; }
};
OLIVINE_OP PairVector pair_vector(const void* p) { return {static_cast<const bfloat16_t*>(p)}; }
OLIVINE_OP PairScalar pair_scalar(const void* p) {
  return {half_to_float(*static_cast<const bfloat16_t*>(p))};
}

template <class F, class... X>
OLIVINE_OP void loop_pairs(void* po, int64_t n, X... x) {
  Bfloat16Pair* o = static_cast<Bfloat16Pair*>(po);  // auto would forget its alignment
  OLIVINE_INDEPENDENT
  for (int64_t i = 0; i < n / 2; ++i) {
    o[i] = rounded_pair(F{}(x.low(i)...), F{}(x.high(i)...));
  }
  if (n % 2) {
    static_cast<bfloat16_t*>(po)[n - 1] = float_to_half(bfloat16_t{}, F{}(x.at(n - 1)...));
  }
}
template <class F>
void pairs_v(const void* a, void* o, int64_t n) {
  loop_pairs<F>(o, n, pair_vector(a));
}
template <class F>
void pairs_vv(const void* a, const void* b, void* o, int64_t n) {
  loop_pairs<F>(o, n, pair_vector(a), pair_vector(b));
}
template <class F>
void pairs_sv(const void* a, const void* b, void* o, int64_t n) {
  loop_pairs<F>(o, n, pair_scalar(a), pair_vector(b));
}
template <class F>
void pairs_vs(const void* a, const void* b, void* o, int64_t n) {
  loop_pairs<F>(o, n, pair_vector(a), pair_scalar(b));
}

// F on floats that hold bfloat16 values, its result rounded to one.
template <class F>
struct RoundedToBfloat16 {
  static_assert(!has_rare<F>);
  template <class... X>
  OLIVINE_OP float operator()(X... x) const {
    return high_of(rounded_computed(F{}(x...)));
  }
};

// ---- Registration

// What F does to floats, if machine code may do it in the loop's place.
template <class F>
inline constexpr Arithmetic arithmetic_of = Arithmetic::none;
template <>
inline constexpr Arithmetic arithmetic_of<Add> = Arithmetic::add;
template <>
inline constexpr Arithmetic arithmetic_of<Subtract> = Arithmetic::subtract;
template <>
inline constexpr Arithmetic arithmetic_of<Multiply> = Arithmetic::multiply;
template <>
inline constexpr Arithmetic arithmetic_of<Divide> = Arithmetic::divide;
template <>
inline constexpr Arithmetic arithmetic_of<Maximum> = Arithmetic::maximum;
template <>
inline constexpr Arithmetic arithmetic_of<Minimum> = Arithmetic::minimum;
template <>
inline constexpr Arithmetic arithmetic_of<Negative> = Arithmetic::negative;
template <>
inline constexpr Arithmetic arithmetic_of<Abs> = Arithmetic::abs;
template <>
inline constexpr Arithmetic arithmetic_of<Square> = Arithmetic::square;
template <>
inline constexpr Arithmetic arithmetic_of<Reciprocal> = Arithmetic::reciprocal;

template <class F, class A>
inline constexpr Arithmetic arithmetic_on =
    std::is_same_v<A, float> ? arithmetic_of<F> : Arithmetic::none;

template <class F, class A>
void add_unary(KernelTable& t, const char* op, Dtype dtype) {
  t.add_loops(op, dtype, {.v = loop_v<F, A>, .arithmetic = arithmetic_on<F, A>});
}
template <class F, class A>
void add_binary(KernelTable& t, const char* op, Dtype dtype) {
  t.add_loops(op, dtype,
              {.vv = loop_vv<F, A>,
               .sv = loop_sv<F, A>,
               .vs = loop_vs<F, A>,
               .arithmetic = arithmetic_on<F, A>});
}

template <class H, class F>
Loops half_unary_loops() {
  if constexpr (std::is_same_v<H, bfloat16_t> && std::is_same_v<Result1<F, float>, float> &&
                !has_rare<F>) {
    return {.v = pairs_v<F>};
  }
  return {.v = half_v<H, Result1<F, float>, loop_v<F, float>>};
}
template <class H, class F>
Loops half_binary_loops() {
  using R = Result2<F, float>;
  if constexpr (std::is_same_v<H, bfloat16_t> && std::is_same_v<R, float> && !has_rare<F>) {
    return {.vv = pairs_vv<F>, .sv = pairs_sv<F>, .vs = pairs_vs<F>};
  }
  if constexpr (on_lanes<F>) {
    return {.vv = lanes_binary<H, F, false, false>,
            .sv = lanes_binary<H, F, true, false>,
            .vs = lanes_binary<H, F, false, true>};
  }
  return {.vv = half_binary<H, R, loop_vv<F, float>, false, false>,
          .sv = half_binary<H, R, loop_sv<F, float>, true, false>,
          .vs = half_binary<H, R, loop_vs<F, float>, false, true>};
}

// A loop of 16-bit floats whose results are looked up as soon as that pays.
template <Loops::Unary direct>
HalfTable half_table;
template <Loops::Unary direct>
void looked_up_v(const void* a, void* o, int64_t n) {
  half_table<direct>(direct, a, o, n);
}
template <Loops::Unary direct>
constexpr Loops looked_up() {
  return {.v = looked_up_v<direct>, .halves = Halves::by_table};
}
template <class H, class F>
Loops half_function_loops() {
  if constexpr (std::is_same_v<H, bfloat16_t> && !has_rare<F>) return looked_up<pairs_v<F>>();
  return looked_up<half_v<H, float, loop_v<F, float>>>();
}

// Functions that take longer than a look into a table.
template <class F>
void add_unary_functions(KernelTable& t, const char* op) {
  add_unary<F, float>(t, op, float32);
  add_unary<F, double>(t, op, float64);
  t.add_loops(op, float16, half_function_loops<float16_t, F>());
  t.add_loops(op, bfloat16, half_function_loops<bfloat16_t, F>());
}
template <class F>
void add_unary_floats(KernelTable& t, const char* op) {
  add_unary<F, float>(t, op, float32);
  add_unary<F, double>(t, op, float64);
  t.add_loops(op, float16, half_unary_loops<float16_t, F>());
  t.add_loops(op, bfloat16, half_unary_loops<bfloat16_t, F>());
}
// Functions that only conversions in passes of their own make slow.
template <class F>
void add_unary_short(KernelTable& t, const char* op) {
  add_unary_floats<F>(t, op);
  const auto look_up = [&](Dtype half, Loops l) {
    l.halves = Halves::by_floats;  // in a chain, floats remain better
    t.add_loops(op, half, l);
  };
  look_up(float16, half_function_loops<float16_t, F>());
#if !defined(__AVX2__)
  look_up(bfloat16, half_function_loops<bfloat16_t, F>());
#endif
}
// Bits: the same on the bits of a 16-bit float.
template <class Bits, class F>
void add_unary_sign(KernelTable& t, const char* op) {
  add_unary_floats<F>(t, op);
  for (Dtype half : {float16, bfloat16}) {
    t.add_loops(op, half, {.v = loop_v<Bits, uint16_t>, .halves = Halves::from_bits});
  }
}
template <class F>
void add_binary_floats(KernelTable& t, const char* op) {
  add_binary<F, float>(t, op, float32);
  add_binary<F, double>(t, op, float64);
  t.add_loops(op, float16, half_binary_loops<float16_t, F>());
  t.add_loops(op, bfloat16, half_binary_loops<bfloat16_t, F>());
}
// Loops that leave floats which hold bfloat16 values, for chains of such ops.
template <class F>
void add_unary_rounded(KernelTable& t, const char* op) {
  t.add_rounded_loops(
      op,
      {.v = loop_v<RoundedToBfloat16<F>, float>, .arithmetic = arithmetic_of<F>, .rounded = true});
}
template <class F>
void add_binary_rounded(KernelTable& t, const char* op) {
  using G = RoundedToBfloat16<F>;
  t.add_rounded_loops(op, {.vv = loop_vv<G, float>,
                           .sv = loop_sv<G, float>,
                           .vs = loop_vs<G, float>,
                           .arithmetic = arithmetic_of<F>,
                           .rounded = true});
}

// Where the sign of an integer doesn't matter, both types share the unsigned loops.
template <class F>
void add_unary_wrapping(KernelTable& t, const char* op) {
  for (Dtype d : {int8, uint8}) add_unary<F, uint8_t>(t, op, d);
  for (Dtype d : {int16, uint16}) add_unary<F, uint16_t>(t, op, d);
  for (Dtype d : {int32, uint32}) add_unary<F, uint32_t>(t, op, d);
  for (Dtype d : {int64, uint64}) add_unary<F, uint64_t>(t, op, d);
}
template <class F>
void add_binary_wrapping(KernelTable& t, const char* op) {
  for (Dtype d : {int8, uint8}) add_binary<F, uint8_t>(t, op, d);
  for (Dtype d : {int16, uint16}) add_binary<F, uint16_t>(t, op, d);
  for (Dtype d : {int32, uint32}) add_binary<F, uint32_t>(t, op, d);
  for (Dtype d : {int64, uint64}) add_binary<F, uint64_t>(t, op, d);
}
template <class F>
void add_unary_unsigned(KernelTable& t, const char* op) {
  add_unary<F, uint8_t>(t, op, uint8);
  add_unary<F, uint16_t>(t, op, uint16);
  add_unary<F, uint32_t>(t, op, uint32);
  add_unary<F, uint64_t>(t, op, uint64);
}
template <class F>
void add_unary_signed(KernelTable& t, const char* op) {
  add_unary<F, int8_t>(t, op, int8);
  add_unary<F, int16_t>(t, op, int16);
  add_unary<F, int32_t>(t, op, int32);
  add_unary<F, int64_t>(t, op, int64);
}
template <class F>
void add_binary_unsigned(KernelTable& t, const char* op) {
  add_binary<F, uint8_t>(t, op, uint8);
  add_binary<F, uint16_t>(t, op, uint16);
  add_binary<F, uint32_t>(t, op, uint32);
  add_binary<F, uint64_t>(t, op, uint64);
}
template <class F>
void add_binary_signed(KernelTable& t, const char* op) {
  add_binary<F, int8_t>(t, op, int8);
  add_binary<F, int16_t>(t, op, int16);
  add_binary<F, int32_t>(t, op, int32);
  add_binary<F, int64_t>(t, op, int64);
}
template <class F>
void add_binary_complex(KernelTable& t, const char* op) {
  add_binary<F, Complex<float>>(t, op, complex64);
  add_binary<F, Complex<double>>(t, op, complex128);
}
template <class F>
void add_unary_complex(KernelTable& t, const char* op) {
  add_unary<F, Complex<float>>(t, op, complex64);
  add_unary<F, Complex<double>>(t, op, complex128);
}

}  // namespace
}  // namespace olivine::cpu::OLIVINE_ISA
