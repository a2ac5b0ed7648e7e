// Exponentials, logarithms, trigonometry and their relatives for float and double.
//
// Floats: minimax polynomials (fitted by Remez exchange) after the classic range reductions; where
// cancellation threatens, the reduction or all of it runs in double. Errors stay below 2 units in
// the last place (tests/backends/elementwise.cpp). Doubles: exp, log, tanh and sigmoid likewise,
// the rest by the C library.
//
// Some ops are branch-free only on a part of their domain: they also have `rare(x)`, true outside
// of it, and `slow(x)`. Loops look for rare elements block by block.
#pragma once

#include "backends/scalar_ops.h"

namespace olivine::scalar {
namespace {

// ---- Floating point formats

template <class T>
struct Format;
template <>
struct Format<float> {
  using Bits = uint32_t;
  static constexpr int mantissa = 23;
  static constexpr Bits one = 0x3f800000u;
  static constexpr Bits sqrt_half = 0x3f3504f3u;
  static constexpr float smallest_normal = 0x1p-126f;
  static constexpr float magic = 12582912.f;  // 1.5 * 2^23: adding it rounds to an integer
  static constexpr float log2_e = 0x1.715476p0f;
  static constexpr float ln2_high = 0.693359375f;  // 10 bits: products with exponents are exact
  static constexpr float ln2_low = -2.12194440e-4f;
};
template <>
struct Format<double> {
  using Bits = uint64_t;
  static constexpr int mantissa = 52;
  static constexpr Bits one = 0x3ff0000000000000u;
  static constexpr Bits sqrt_half = 0x3fe6a09e667f3bcdu;
  static constexpr double smallest_normal = 0x1p-1022;
  static constexpr double magic = 6755399441055744.;  // 1.5 * 2^52
  static constexpr double log2_e = 0x1.71547652b82fep0;
  static constexpr double ln2_high = 0x1.62e42fefa0000p-1;
  static constexpr double ln2_low = 0x1.cf79abc9e3b3ap-40;
};

template <class T>
inline constexpr T infinity = T(__builtin_huge_val());
template <class T>
inline constexpr T not_a_number = T(__builtin_nan(""));

// c0 + c1 x + c2 x^2 …
template <class T>
OLIVINE_OP T polynomial(T, T c) {
  return c;
}
template <class T, class... C>
OLIVINE_OP T polynomial(T x, T c, C... rest) {
  return fma(x, polynomial(x, rest...), c);
}

// Limits to [low, high]; NaN stays.
template <class T>
OLIVINE_OP T clamp(T x, T low, T high) {
  // One after the other: GCC makes three cases of both, and computes what follows for each.
  x = kept(x < low ? low : x);
  return x > high ? high : x;
}

// 2^n, where t = n + magic, for n in the normal range of exponents.
template <class T>
OLIVINE_OP T power_of_two(T t) {
  using F = Format<T>;
  return bits<T>(
      static_cast<typename F::Bits>((bits<typename F::Bits>(t) << F::mantissa) + F::one));
}

// ---- Exponentials

// x = n ln2 + r with |r| <= ln2 / 2; t = n + magic.
template <class T>
struct ExpParts {
  T t, n, r;
};
template <class T>
OLIVINE_OP ExpParts<T> split_exp(T x) {
  using F = Format<T>;
  const T t = fma(x, F::log2_e, F::magic);
  const T n = t - F::magic;
  return {t, n, fma(n, -F::ln2_low, fma(n, -F::ln2_high, x))};
}
// e^r - 1 for |r| <= ln2 / 2.
OLIVINE_OP float expm1_reduced(float r) {
  const float q = polynomial(r, 0.5f, 0.166665182f, 0.041666206f, 0.0083688898f, 0.00139504916f);
  return fma(r * r, q, r);
}
OLIVINE_OP double expm1_reduced(double r) {
  const double q = polynomial(r, 0x1.000000000000bp-1, 0x1.5555555555561p-3, 0x1.5555555550030p-5,
                              0x1.111111110d639p-7, 0x1.6c16c185a75f5p-10, 0x1.a01a01bae25a8p-13,
                              0x1.a0199693aa206p-16, 0x1.71dddfcbb61bdp-19, 0x1.28b04922d27abp-22,
                              0x1.af8587d82544ap-26);
  return fma(r * r, q, r);
}
// e^x where the result is a normal number, so that one scaling does.
template <class T>
OLIVINE_OP T exp_normal(T x) {
  const auto p = split_exp(x);
  return (T(1) + expm1_reduced(p.r)) * power_of_two(p.t);
}
// e^x - 1 for 0 <= x < 60, exact near 0.
template <class T>
OLIVINE_OP T expm1_positive(T x) {
  const auto p = split_exp(x);
  const T scale = power_of_two(p.t);
  return fma(scale, expm1_reduced(p.r), scale - T(1));
}

struct Exp {
  OLIVINE_OP float operator()(float x) const { return scaled(clamp(x, -105.f, 89.f)); }
  OLIVINE_OP double operator()(double x) const { return scaled(clamp(x, -746., 710.)); }

 private:
  // In two steps, because 2^n alone may be no normal number.
  template <class T>
  OLIVINE_OP static T scaled(T x) {
    using F = Format<T>;
    const auto p = split_exp(x);
    const T t1 = fma(p.n, T(0.5), F::magic);
    const T n1 = t1 - F::magic;
    const T t2 = (p.n - n1) + F::magic;
    return (T(1) + expm1_reduced(p.r)) * power_of_two(t1) * power_of_two(t2);
  }
};
struct Expm1 {
  OLIVINE_OP float operator()(float x) const {
    const auto p = split_exp(clamp(x, -60.f, 89.f));
    const float half_scale = power_of_two(p.t - 1.f);  // 2^n itself may overflow
    const float r = fma(half_scale, expm1_reduced(p.r), half_scale - 0.5f) * 2.f;
    return x == 0.f ? x : r;
  }
  OLIVINE_OP double operator()(double x) const { return __builtin_expm1(x); }
};
struct Sigmoid {
  template <class T>
  OLIVINE_OP T operator()(T x) const {
    const T e = Exp{}(-abs(x));
    return (x < T(0) ? e : T(1)) / (T(1) + e);
  }
};
struct Tanh {
  template <class T>
  OLIVINE_OP T operator()(T x) const {
    // tanh x rounds to 1 from half of this bound on.
    constexpr T bound = sizeof(T) == 4 ? T(20) : T(40);
    const T y = abs(x) + abs(x);
    const T e = expm1_positive(y > bound ? bound : y);
    return copysign(e / (e + T(2)), x);
  }
};
struct Sinh {
  OLIVINE_OP float operator()(float x) const {
    const double e = Exp{}(static_cast<double>(abs(x)));
    const float r = copysign(static_cast<float>(0.5 * (e - 1. / e)), x);
    return abs(x) < 0x1p-18f ? x : r;
  }
  OLIVINE_OP double operator()(double x) const { return __builtin_sinh(x); }
};
struct Cosh {
  OLIVINE_OP float operator()(float x) const {
    const double e = Exp{}(static_cast<double>(abs(x)));
    return static_cast<float>(0.5 * (e + 1. / e));
  }
  OLIVINE_OP double operator()(double x) const { return __builtin_cosh(x); }
};

// ---- Logarithms

// x = 2^e * m with m in [sqrt(1/2), sqrt(2)), for normal x.
template <class T>
struct LogParts {
  T e, m;
};
OLIVINE_OP LogParts<float> split_log(float x) {
  const uint32_t u = bits<uint32_t>(x) - Format<float>::sqrt_half;
  const int32_t e = static_cast<int32_t>(u) >> 23;
  return {static_cast<float>(e), bits<float>((u & 0x7fffffu) + Format<float>::sqrt_half)};
}
OLIVINE_OP LogParts<double> split_log(double x) {
  // Instruction sets without conversions of 64-bit integers place the exponent in a mantissa.
  const uint64_t u = bits<uint64_t>(x) + (Format<double>::one - Format<double>::sqrt_half);
  const double biased = bits<double>((u >> 52) | 0x4330000000000000u) - 4503599627370496.;
  return {biased - 1023., bits<double>((u & 0xfffffffffffffu) + Format<double>::sqrt_half)};
}
// log(1 + f) for the m = 1 + f above.
OLIVINE_OP float log_reduced(float f) {
  const float p =
      polynomial(f, 0.333333105f, -0.249999866f, 0.200022265f, -0.166692525f, 0.142186642f,
                 -0.12384335f, 0.118729264f, -0.117898643f, 0.0691553950f);
  const float z = f * f;
  return fma(f * z, p, -0.5f * z) + f;
}
// By log m = 2 artanh(s), s = f / (2 + f); 2 s = f - f s saves the leading term's rounding.
OLIVINE_OP double log_reduced(double f) {
  const double s = f / (2. + f);
  const double z = s * s;
  const double p = polynomial(z, 0x1.5555555555592p-1, 0x1.999999997fd74p-2, 0x1.24924941f52cep-2,
                              0x1.c71c5205e1d9fp-3, 0x1.74663fa9719b3p-3, 0x1.39a1a64806629p-3,
                              0x1.2f063af5b1a9ep-3);
  return f - s * fma(-z, p, f);
}

struct Log {
  template <class T>
  OLIVINE_OP T operator()(T x) const {
    using F = Format<T>;
    const bool tiny = x < F::smallest_normal;
    const T up = T(static_cast<typename F::Bits>(1) << F::mantissa);
    const auto p = split_log(tiny ? x * up : x);
    const T e = tiny ? p.e - T(F::mantissa) : p.e;
    T r = fma(e, F::ln2_high, fma(e, F::ln2_low, log_reduced(p.m - T(1))));
    r = x == T(0) ? -infinity<T> : r;
    r = x == infinity<T> ? x : r;
    return x < T(0) || x != x ? not_a_number<T> : r;
  }
};
// Through double, so that powers of the base give integers.
struct Log2 {
  OLIVINE_OP float operator()(float x) const {
    return static_cast<float>(Log{}(static_cast<double>(x)) * 0x1.71547652b82fep0);
  }
  OLIVINE_OP double operator()(double x) const { return __builtin_log2(x); }
};
struct Log10 {
  OLIVINE_OP float operator()(float x) const {
    return static_cast<float>(Log{}(static_cast<double>(x)) * 0x1.bcb7b1526e50ep-2);
  }
  OLIVINE_OP double operator()(double x) const { return __builtin_log10(x); }
};
struct Log1p {
  OLIVINE_OP float operator()(float x) const {
    const double d = static_cast<double>(x);
    const float r = static_cast<float>(Log{}(1. + d));
    return abs(x) < 0x1p-14f ? fma(x * x, fma(x, 0.333333343f, -0.5f), x) : r;
  }
  OLIVINE_OP double operator()(double x) const { return __builtin_log1p(x); }
};
struct Logaddexp {
  template <class T>
  OLIVINE_OP T operator()(T a, T b) const {
    const T high = Maximum{}(a, b), low = Minimum{}(a, b);
    // The difference of equal infinities is none.
    return low == high ? high + T(0.6931471805599453) : high + Log1p{}(Exp{}(low - high));
  }
};
struct Arcsinh {
  OLIVINE_OP float operator()(float x) const {
    const double d = static_cast<double>(abs(x));
    const float r = copysign(static_cast<float>(Log{}(d + sqrt(fma(d, d, 1.)))), x);
    return abs(x) < 0x1p-14f ? x : r;
  }
  OLIVINE_OP double operator()(double x) const { return __builtin_asinh(x); }
};
struct Arccosh {
  OLIVINE_OP float operator()(float x) const {
    const double d = static_cast<double>(x);
    const float r = static_cast<float>(Log{}(d + sqrt((d - 1.) * (d + 1.))));
    return x < 1.f ? not_a_number<float> : r;
  }
  OLIVINE_OP double operator()(double x) const { return __builtin_acosh(x); }
};
struct Arctanh {
  OLIVINE_OP float operator()(float x) const {
    const double d = static_cast<double>(x);
    const float r = static_cast<float>(0.5 * Log{}((1. + d) / (1. - d)));
    return abs(x) < 0x1p-14f ? x : r;
  }
  OLIVINE_OP double operator()(double x) const { return __builtin_atanh(x); }
};

// ---- Roots and powers

struct Sqrt {
  template <class T>
  OLIVINE_OP T operator()(T x) const {
    return sqrt(x);
  }
};
struct Rsqrt {
  template <class T>
  OLIVINE_OP T operator()(T x) const {
    return T(1) / sqrt(x);
  }
};

struct Power {
  OLIVINE_OP float operator()(float x, float y) const {
    return with_sign(static_cast<float>(magnitude(x, static_cast<double>(y))), x, y);
  }
  OLIVINE_OP double operator()(double x, double y) const { return __builtin_pow(x, y); }

  // x^y, where r = |x|^y.
  OLIVINE_OP static float with_sign(float r, float x, float y) {
    const float half = y * 0.5f;
    const bool integral = trunc(y) == y;
    const bool odd = integral && trunc(half) != half;
    const uint32_t sign = odd ? bits<uint32_t>(x) & 0x80000000u : 0u;
    float z = bits<float>(bits<uint32_t>(r) ^ sign);
    z = x < 0.f && !integral && x != -infinity<float> ? not_a_number<float> : z;
    // 1 whatever the other operand, NaN included (C99), and (-1)^(+-inf).
    const bool one = (y == 0.f) | (x == 1.f) | ((x == -1.f) & (abs(y) == infinity<float>));
    return one ? 1.f : z;
  }

 private:
  // |x|^y; 30 bits are enough.
  OLIVINE_OP static double magnitude(float x, double y) {
    const double a = static_cast<double>(abs(x));  // never subnormal as a double
    const auto p = split_log(a);
    const double f = p.m - 1.;
    const double s = f / (2. + f);
    const double z = s * s;
    const double q = polynomial(z, 0x1.555555561e46ep-1, 0x1.999996a9401c3p-2, 0x1.249411f24ae00p-2,
                                0x1.c62b135e67d3dp-3, 0x1.9115a0575f726p-3);
    double log2 = fma(f - s * fma(-z, q, f), 0x1.71547652b82fep0, p.e);
    log2 = a == 0. ? -infinity<double> : log2;
    log2 = a < infinity<double> ? log2 : a;  // infinity and NaN
    const double w = clamp(y * log2, -200., 200.);
    const double t = w + Format<double>::magic;
    const double r = w - (t - Format<double>::magic);
    const double e = polynomial(r, 0x1.ffffffffa6e8bp-1, 0x1.62e42fef6cc47p-1, 0x1.ebfbe0aa41f18p-3,
                                0x1.c6b08e0718d29p-5, 0x1.3b29d88856110p-7, 0x1.5d871586f73a1p-10,
                                0x1.446ca1e4df70ap-13, 0x1.00f7cc5d44d53p-16);
    return e * power_of_two(t);
  }
};

// ---- Trigonometry

// x = n pi/2 + r, |r| <= pi/4; the low bits of `quadrant` are n's.
struct Angle {
  double r;
  uint32_t quadrant;
};
// For |x| <= kMaxAngle: products of n (20 bits) with the first part of pi/2 (33 bits) are exact.
inline constexpr float kMaxAngle = 1e6f;
OLIVINE_OP Angle reduce_angle(float x) {
  const double d = static_cast<double>(x);
  const double t = fma(d, 0x1.45f306dc9c883p-1, Format<double>::magic);
  const double n = t - Format<double>::magic;
  double r = d - n * 0x1.921fb54400000p0;
  r = fma(n, -0x1.0b4611a626331p-34, r);
  return {r, static_cast<uint32_t>(bits<uint64_t>(t))};
}
// sin(r) or cos(r), by the parity of the quadrant, with the quadrant's sign.
OLIVINE_OP float circle(float r, uint32_t quadrant) {
  const float z = r * r;
  const float s =
      fma(r * z, polynomial(z, -0.166666672f, 0.00833332911f, -0.000198393347f, 2.71830413e-6f), r);
  const float c =
      fma(z * z, polynomial(z, 0.0416666456f, -0.00138873665f, 2.44383791e-5f), fma(z, -0.5f, 1.f));
  const float v = quadrant & 1 ? c : s;
  return bits<float>(bits<uint32_t>(v) ^ ((quadrant & 2) << 30));
}

struct Sin {
  OLIVINE_OP float operator()(float x) const {
    const Angle a = reduce_angle(x);
    const float r = circle(static_cast<float>(a.r), a.quadrant);
    return x == 0.f ? x : r;
  }
  OLIVINE_OP double operator()(double x) const { return __builtin_sin(x); }
  template <OnlyFloat T>
  OLIVINE_OP static bool rare(T x) {
    return abs(x) > kMaxAngle;
  }
  static float slow(float x) { return static_cast<float>(__builtin_sin(static_cast<double>(x))); }
};
struct Cos {
  OLIVINE_OP float operator()(float x) const {
    const Angle a = reduce_angle(x);
    return circle(static_cast<float>(a.r), a.quadrant + 1);
  }
  OLIVINE_OP double operator()(double x) const { return __builtin_cos(x); }
  template <OnlyFloat T>
  OLIVINE_OP static bool rare(T x) {
    return abs(x) > kMaxAngle;
  }
  static float slow(float x) { return static_cast<float>(__builtin_cos(static_cast<double>(x))); }
};
struct Tan {
  OLIVINE_OP float operator()(float x) const {
    const Angle a = reduce_angle(x);
    const double z = a.r * a.r;
    const double s =
        fma(a.r * z,
            polynomial(z, -0x1.55555555523f7p-3, 0x1.1111110ca2591p-7, -0x1.a019f95a56facp-13,
                       0x1.71d77cd8fc8f0p-19, -0x1.a966d59b9a9ddp-26),
            a.r);
    const double c =
        fma(z * z,
            polynomial(z, 0x1.555555555310ap-5, -0x1.6c16c1676ab6ep-10, 0x1.a019faa953efap-16,
                       -0x1.27e02a0d45523p-22, 0x1.1bc79c09c76a4p-29),
            fma(z, -0.5, 1.));
    const bool odd = a.quadrant & 1;
    const float r = static_cast<float>((odd ? -c : s) / (odd ? s : c));
    return x == 0.f ? x : r;
  }
  OLIVINE_OP double operator()(double x) const { return __builtin_tan(x); }
  template <OnlyFloat T>
  OLIVINE_OP static bool rare(T x) {
    return abs(x) > kMaxAngle;
  }
  static float slow(float x) { return static_cast<float>(__builtin_tan(static_cast<double>(x))); }
};

inline constexpr float kHalfPi = 0x1.921fb6p0f, kHalfPiLow = -0x1.777a5cp-25f;

// arcsin on [0, 1/2].
OLIVINE_OP float arcsin_small(float x, float z) {
  return fma(x * z,
             polynomial(z, 0.166666597f, 0.0750051215f, 0.0445154682f, 0.0318198539f, 0.0143936835f,
                        0.0375783183f),
             x);
}
struct Arcsin {
  // Above 1/2: arcsin x = pi/2 - 2 arcsin sqrt((1 - x) / 2).
  OLIVINE_OP float operator()(float x) const {
    const float a = abs(x);
    const bool large = a > 0.5f;
    const float z = large ? fma(a, -0.5f, 0.5f) : x * x;
    const float p = arcsin_small(large ? sqrt(z) : a, z);
    const float r = large ? (kHalfPi - 2.f * p) + kHalfPiLow : p;
    return copysign(r, x);
  }
  OLIVINE_OP double operator()(double x) const { return __builtin_asin(x); }
};
struct Arccos {
  OLIVINE_OP float operator()(float x) const {
    const float a = abs(x);
    const bool large = a > 0.5f;
    const float z = large ? fma(a, -0.5f, 0.5f) : x * x;
    const float p = arcsin_small(large ? sqrt(z) : a, z);
    const float middle = (kHalfPi - copysign(p, x)) + kHalfPiLow;
    const float end = x < 0.f ? (2.f * kHalfPi - 2.f * p) + 2.f * kHalfPiLow : 2.f * p;
    return large ? end : middle;
  }
  OLIVINE_OP double operator()(double x) const { return __builtin_acos(x); }
};

// arctan on [0, 1].
OLIVINE_OP float arctan_small(float x) {
  const float z = x * x;
  return fma(x * z,
             polynomial(z, -0.333332986f, 0.199985489f, -0.142642409f, 0.109521851f, -0.0840344802f,
                        0.0579575561f, -0.0311778076f, 0.0109145846f, -0.00179361715f),
             x);
}
struct Arctan {
  OLIVINE_OP float operator()(float x) const {
    const float a = abs(x);
    const bool large = a > 1.f;
    const float p = arctan_small(large ? 1.f / a : a);
    return copysign(large ? (kHalfPi - p) + kHalfPiLow : p, x);
  }
  OLIVINE_OP double operator()(double x) const { return __builtin_atan(x); }
};
struct Arctan2 {
  OLIVINE_OP float operator()(float y, float x) const {
    const float ay = abs(y), ax = abs(x);
    const bool steep = ay > ax;
    const float high = steep ? ay : ax, low = steep ? ax : ay;
    float t = low / high;
    t = low == high ? 1.f : t;  // both infinite
    t = high == 0.f ? 0.f : t;
    float r = arctan_small(t);
    r = steep ? (kHalfPi - r) + kHalfPiLow : r;
    r = static_cast<int32_t>(bits<uint32_t>(x)) < 0 ? (2.f * kHalfPi - r) + 2.f * kHalfPiLow : r;
    return x != x || y != y ? x + y : copysign(r, y);
  }
  OLIVINE_OP double operator()(double y, double x) const { return __builtin_atan2(y, x); }
};

// ---- Error function

struct Erf {
  // x E(x^2) below 7/8; above, 1 - e^p(x) with p fitted to log erfc.
  OLIVINE_OP float operator()(float x) const {
    const float a = abs(x);
    const float z = x * x;
    const float small = x * polynomial(z, 1.12837923f, -0.376126349f, 0.11283733f, -0.0268615838f,
                                       0.00520674745f, -0.000821110443f, 8.67539493e-5f);
    const float b = a > 3.95f ? 3.95f : a;  // rounds to 1
    const float p = polynomial(b, -0.000132355359f, -1.12794137f, -0.636728227f, -0.104335614f,
                               0.0224242248f, -0.00309332088f, 0.000201103350f);
    const float large = copysign(1.f - exp_normal(p), x);
    return a < 0.875f ? small : large;
  }
  OLIVINE_OP double operator()(double x) const { return __builtin_erf(x); }
};

struct Erfinv {
  // Polynomials in w = -log(1 - x^2), or its root, for erfinv(x) / x.
  OLIVINE_OP float operator()(float x) const {
    const double d = static_cast<double>(x);
    return static_cast<float>(d * ratio(-Log{}((1. - d) * (1. + d))));
  }
  // From there, one step of Halley's method on whichever of erf and erfc keeps its digits.
  double operator()(double x) const {
    const double a = abs(x);
    if (!(a < 1.)) return a == 1. ? x * infinity<double> : not_a_number<double>;
    const double y = a * ratio(-Log{}((1. - a) * (1. + a)));
    const double error = a < 0.5 ? __builtin_erf(y) - a : (1. - a) - __builtin_erfc(y);
    const double step = error * 0x1.c5bf891b4ef6bp-1 * __builtin_exp(y * y);
    return copysign(y - step / (1. + y * step), x);
  }

 private:
  OLIVINE_OP static double ratio(double w) {
    const double t = w - 2.5;
    const double center =
        polynomial(t, 0x1.805c5d07400dep+0, 0x1.f91e8b0a0002ap-3, -0x1.11c4202bb981bp-8,
                   -0x1.486645442070fp-10, 0x1.c9c599ee3cd90p-13, -0x1.4cfd1136b3ba3p-18,
                   -0x1.ccfc829302a45p-19, 0x1.f43fabb365ac3p-22, 0x1.35e385e40ca03p-26,
                   -0x1.2d6f0a25f64b4p-27, 0x1.70e347aa2617fp-32);
    const double root = sqrt(w);
    const double u = root - 3.;
    const double tail = polynomial(
        u, 0x1.6a9efbdc79876p+1, 0x1.006dc4bfb10dbp+0, 0x1.35809e45f0a47p-7, -0x1.f47c003e13623p-8,
        0x1.74b5e632f95c1p-8, -0x1.d7c9185ceb2a6p-9, 0x1.854a945b2a3a1p-10, -0x1.c52b818db822fp-15,
        -0x1.44e8f7a7ef7d1p-12, 0x1.e14f861179d72p-14);
    // Beyond what floats reach, a start is enough.
    const double v = root - 4.;
    const double far =
        polynomial(v, 0x1.eb7deca7d52fdp+1, 0x1.026f69f546154p+0, 0x1.55f1d68f0741ap-10,
                   -0x1.ef10c9df2c47ap-11, 0x1.f478f13c40528p-13, -0x1.cd88c1b30e80ap-16,
                   0x1.9e5f180d674f2p-14, -0x1.4a589e7bf68e1p-14, 0x1.1714dee5fa3bfp-16);
    return w < 5. ? center : root < 4.1 ? tail : far;
  }
};

}  // namespace
}  // namespace olivine::scalar
