// Exponentials on vectors of lanes, for kernels that need them inside their own loops.
#pragma once

#include "backends/cpu/vec-inl.h"

namespace olivine::cpu::OLIVINE_ISA {

// a * b + c, in one rounding where the instruction set has it.
OLIVINE_INLINE Native<float> mul_add(Native<float> a, Native<float> b, Native<float> c) {
#if defined(__AVX512BW__)
  return (Native<float>)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX2__)
  return (Native<float>)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
  return a * b + c;
#endif
}
OLIVINE_INLINE Native<double> mul_add(Native<double> a, Native<double> b, Native<double> c) {
#if defined(__AVX512BW__)
  return (Native<double>)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif defined(__AVX2__)
  return (Native<double>)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#else
  return a * b + c;
#endif
}
template <class F>
OLIVINE_INLINE Native<F> all_lanes(F x) {
  return x - Native<F>{};
}

template <class F>
struct ExpConstants;
template <>
struct ExpConstants<float> {
  using Bits = uint32_t;
  static constexpr int mantissa = 23, bias = 127, terms = 7;
  static constexpr float lowest = -104.f, highest = 89.f;
  static constexpr float round = 0x1.8p23f;  // adding it rounds to an integer in the low bits
  static constexpr float ln2_high = 0x1.62e4p-1f, ln2_low = 0x1.7f7d1cp-20f;
};
template <>
struct ExpConstants<double> {
  using Bits = uint64_t;
  static constexpr int mantissa = 52, bias = 1023, terms = 13;
  static constexpr double lowest = -746., highest = 710.;
  static constexpr double round = 0x1.8p52;
  static constexpr double ln2_high = 0x1.62e42fefa0000p-1, ln2_low = 0x1.cf79abc9e3b3ap-40;
};

constexpr double inverse_factorial(int k) { return k < 2 ? 1 : inverse_factorial(k - 1) / k; }

// exp(x) = 2^n exp(r), |r| <= ln(2)/2, with exp(r) from its Taylor series, or to 18 bits for
// results that are rounded to 16. Subnormal results are reached by scaling in two steps, but where
// the result is zero a factor is: a product that underflows takes a hundred cycles, and rows of
// masked scores are full of those. NaN stays NaN.
template <class F, bool kShort = false>
OLIVINE_INLINE Native<F> exp_lanes(Native<F> x) {
  using C = ExpConstants<F>;
  using Bits = Native<typename C::Bits>;
  const auto vanishes = x < C::lowest;
  x = vanishes ? all_lanes<F>(C::lowest) : x;
  x = x > C::highest ? all_lanes<F>(C::highest) : x;
  Native<F> z = mul_add(x, all_lanes<F>(1.4426950408889634074), all_lanes<F>(C::round));
  Native<F> n = z - C::round;
  Native<F> r, p;
  if constexpr (kShort) {
    constexpr F c[] = {1, F(0.999966821), F(0.50003016), F(0.167875013), F(0.0415137333)};
    r = mul_add(n, all_lanes<F>(-0.6931471805599453), x);
    p = all_lanes<F>(c[4]);
#pragma GCC unroll 4
    for (int k = 3; k >= 0; --k) p = mul_add(p, r, all_lanes<F>(c[k]));
  } else {
    r = mul_add(n, all_lanes<F>(-C::ln2_high), x);
    r = mul_add(n, all_lanes<F>(-C::ln2_low), r);
    p = all_lanes<F>(inverse_factorial(C::terms));
#pragma GCC unroll 13
    for (int k = C::terms - 1; k >= 0; --k) p = mul_add(p, r, all_lanes<F>(inverse_factorial(k)));
  }
  using Signed = Native<std::make_signed_t<typename C::Bits>>;
  Signed e = (Signed)z - (Signed)all_lanes<F>(C::round);
  Signed half = e >> 1;
  Native<F> first = (Native<F>)(Bits)((half + C::bias) << C::mantissa);
  Native<F> second = (Native<F>)(Bits)((e - half + C::bias) << C::mantissa);
  return p * (vanishes ? Native<F>{} : first) * second;
}

template <class F>
OLIVINE_INLINE Wide<F> exp_lanes(Wide<F> x) {
  return map(x, [](Native<F> v) { return exp_lanes<F>(v); });
}

}  // namespace olivine::cpu::OLIVINE_ISA
