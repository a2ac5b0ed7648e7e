// Sum, product, maximum, minimum, all and any.
#include <limits>

#include "backends/cpu/kernel_table.h"
#include "backends/cpu/kernels/reduce-inl.h"

namespace olivine::cpu::OLIVINE_ISA {

namespace {

// Sums and products of integers wrap, so they are computed unsigned in the result's width.
template <class T>
struct AccumulatorOf {
  using type = uint32_t;
};
template <>
struct AccumulatorOf<int64_t> {
  using type = uint64_t;
};
template <>
struct AccumulatorOf<uint64_t> {
  using type = uint64_t;
};
template <>
struct AccumulatorOf<float16_t> {
  using type = float;
};
template <>
struct AccumulatorOf<bfloat16_t> {
  using type = float;
};
template <>
struct AccumulatorOf<float> {
  using type = float;
};
template <>
struct AccumulatorOf<double> {
  using type = double;
};

template <class T>
struct Accumulating {
  using In = T;
  using A = typename AccumulatorOf<T>::type;
  using Out = std::conditional_t<is_half<T>, T, A>;
  static constexpr bool vector = true;
  static constexpr bool rounds = std::is_floating_point_v<A>;
  static constexpr int components = 1;
  template <class X>
  static OLIVINE_INLINE X map(X x) {
    return x;
  }
  static Out finish(A a) { return narrow<Out>(a); }
};

template <class T, int kComponents = 1>
struct Sum : Accumulating<T> {
  using A = typename Accumulating<T>::A;
  static constexpr bool linear = true;  // a multiple of all elements gives that of the result
  static constexpr int components = kComponents;
  static constexpr A identity() { return 0; }
  template <class X>
  static OLIVINE_INLINE X apply(X a, X b) {
    return a + b;
  }
};

// The sum of 16-bit floats in float32.
template <class T>
struct WideSum : Sum<T> {
  using Out = float;
  static float finish(float a) { return a; }
};

template <class T>
struct Product : Accumulating<T> {
  using A = typename Accumulating<T>::A;
  static constexpr A identity() { return 1; }
  template <class X>
  static OLIVINE_INLINE X apply(X a, X b) {
    return a * b;
  }
};

// U has the element's bits; those of `kMask` are zero exactly if the element is.
template <class U, U kMask, bool kAll>
struct Truth {
  using In = U;
  using A = U;
  using Out = bool;
  static constexpr bool vector = true;
  static constexpr bool rounds = false;
  static constexpr int components = 1;
  static constexpr U identity() { return kAll ? U(~U{0}) : U{0}; }
  template <class X>
  static OLIVINE_INLINE X map(X x) {
    if constexpr (!kAll) {
      return x & kMask;
    } else if constexpr (std::is_same_v<X, U>) {
      return (x & kMask) != 0 ? identity() : U{0};
    } else {
      return (X)((x & kMask) != 0);
    }
  }
  template <class X>
  static OLIVINE_INLINE X apply(X a, X b) {
    if constexpr (kAll) {
      return a & b;
    } else {
      return a | b;
    }
  }
  static bool finish(U a) { return a != 0; }
};

template <class F>
struct Complex {
  F re, im;
};

// What complex reductions share: one element at a time.
template <class F>
struct ComplexOp {
  using In = Complex<F>;
  using A = Complex<F>;
  using Out = Complex<F>;
  static constexpr bool vector = false;
  static constexpr bool rounds = false;
  static constexpr int components = 1;
  static A map(A a) { return a; }
  static A finish(A a) { return a; }
};
template <class F>
struct ComplexProduct : ComplexOp<F> {
  using A = Complex<F>;
  static constexpr A identity() { return {1, 0}; }
  static A apply(A a, A b) { return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re}; }
};
// Compares real parts first, then imaginary parts; NaN wins.
template <class F, bool kMax>
struct ComplexExtreme : ComplexOp<F> {
  using A = Complex<F>;
  static constexpr A identity() {
    F worst = kMax ? -std::numeric_limits<F>::infinity() : std::numeric_limits<F>::infinity();
    return {worst, worst};
  }
  static A apply(A a, A b) {
    if (a.re != a.re || a.im != a.im) return a;
    if (b.re != b.re || b.im != b.im) return b;
    bool less = a.re < b.re || (a.re == b.re && a.im < b.im);
    return less == kMax ? b : a;
  }
};
template <bool kAll>
struct WideComplexTruth : ComplexOp<double> {
  using Out = bool;
  static constexpr A identity() { return {kAll ? 1.0 : 0.0, 0.0}; }
  static A map(A a) { return {a.re != 0 || a.im != 0 ? 1.0 : 0.0, 0.0}; }
  static A apply(A a, A b) {
    bool x = a.re != 0, y = b.re != 0;
    return {(kAll ? x && y : x || y) ? 1.0 : 0.0, 0.0};
  }
  static bool finish(A a) { return a.re != 0; }
};

template <class Op>
void add(KernelTable& table, const char* name, Dtype dtype) {
  table.add(name, dtype, {.run = Reducing<Op>::kernel});
}

template <template <class> class Op>
void add_accumulating(KernelTable& table, const char* name) {
  add<Op<uint8_t>>(table, name, bool_);
  add<Op<uint8_t>>(table, name, uint8);
  add<Op<uint16_t>>(table, name, uint16);
  add<Op<uint32_t>>(table, name, uint32);
  add<Op<uint64_t>>(table, name, uint64);
  add<Op<int8_t>>(table, name, int8);
  add<Op<int16_t>>(table, name, int16);
  add<Op<uint32_t>>(table, name, int32);
  add<Op<uint64_t>>(table, name, int64);
  add<Op<float16_t>>(table, name, float16);
  add<Op<bfloat16_t>>(table, name, bfloat16);
  add<Op<float>>(table, name, float32);
  add<Op<double>>(table, name, float64);
}
template <class T>
using RealSum = Sum<T>;

template <bool kMax>
void add_extreme(KernelTable& table, const char* name) {
  add<Extreme<uint8_t, kMax>>(table, name, bool_);
  add<Extreme<uint8_t, kMax>>(table, name, uint8);
  add<Extreme<uint16_t, kMax>>(table, name, uint16);
  add<Extreme<uint32_t, kMax>>(table, name, uint32);
  add<Extreme<uint64_t, kMax>>(table, name, uint64);
  add<Extreme<int8_t, kMax>>(table, name, int8);
  add<Extreme<int16_t, kMax>>(table, name, int16);
  add<Extreme<int32_t, kMax>>(table, name, int32);
  add<Extreme<int64_t, kMax>>(table, name, int64);
  add<Extreme<float16_t, kMax>>(table, name, float16);
  add<Extreme<bfloat16_t, kMax>>(table, name, bfloat16);
  add<Extreme<float, kMax>>(table, name, float32);
  add<Extreme<double, kMax>>(table, name, float64);
  add<ComplexExtreme<float, kMax>>(table, name, complex64);
  add<ComplexExtreme<double, kMax>>(table, name, complex128);
}

template <bool kAll>
void add_truth(KernelTable& table, const char* name) {
  for (Dtype t : {bool_, uint8, int8}) add<Truth<uint8_t, 0xff, kAll>>(table, name, t);
  for (Dtype t : {uint16, int16}) add<Truth<uint16_t, 0xffff, kAll>>(table, name, t);
  for (Dtype t : {uint32, int32}) add<Truth<uint32_t, ~uint32_t{0}, kAll>>(table, name, t);
  for (Dtype t : {uint64, int64}) add<Truth<uint64_t, ~uint64_t{0}, kAll>>(table, name, t);
  for (Dtype t : {float16, bfloat16}) add<Truth<uint16_t, 0x7fff, kAll>>(table, name, t);
  add<Truth<uint32_t, 0x7fffffff, kAll>>(table, name, float32);
  add<Truth<uint64_t, 0x7fffffffffffffff, kAll>>(table, name, float64);
  add<Truth<uint64_t, 0x7fffffff7fffffff, kAll>>(table, name, complex64);
  add<WideComplexTruth<kAll>>(table, name, complex128);
}

}  // namespace

void register_reduction(KernelTable& table) {
  add_accumulating<RealSum>(table, "sum");
  add<WideSum<float16_t>>(table, "sum_wide", float16);
  add<WideSum<bfloat16_t>>(table, "sum_wide", bfloat16);
  add<Sum<float, 2>>(table, "sum", complex64);
  add<Sum<double, 2>>(table, "sum", complex128);
  add_accumulating<Product>(table, "prod");
  add<ComplexProduct<float>>(table, "prod", complex64);
  add<ComplexProduct<double>>(table, "prod", complex128);
  add_extreme<true>(table, "max");
  add_extreme<false>(table, "min");
  add_truth<true>(table, "all");
  add_truth<false>(table, "any");
}

}  // namespace olivine::cpu::OLIVINE_ISA
