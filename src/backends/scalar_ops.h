// The arithmetic of element-wise ops, written once as branch-free scalar code.
//
// Each op is a struct whose call operator takes and returns elements of one arithmetic type; loops
// over it vectorise, and a tail gives the same bits as a vector body. Everything here has internal
// linkage, because every instruction set compiles its own copy. Compile with -ffp-contract=off
// -fno-math-errno -fno-trapping-math.
//
// Conventions: booleans are bytes 0 and 1; integer arithmetic wraps; x // 0 is 0 and x % 0 is x for
// integers; comparisons and maximum treat NaN as NumPy does.
#pragma once

#include <cstdint>
#include <type_traits>

#define OLIVINE_OP [[gnu::always_inline]] inline

namespace olivine::scalar {
namespace {

template <class To, class From>
OLIVINE_OP To bits(From x) {
  return __builtin_bit_cast(To, x);
}

template <class T>
concept OnlyFloat = std::is_same_v<T, float>;

// A complex number: std::complex without its out-of-line functions.
template <class T>
struct Complex {
  T re, im;
};

template <class T>
inline constexpr bool is_complex_v = false;
template <class T>
inline constexpr bool is_complex_v<Complex<T>> = true;

template <class T>
OLIVINE_OP Complex<T> operator+(Complex<T> a, Complex<T> b) {
  return {a.re + b.re, a.im + b.im};
}
template <class T>
OLIVINE_OP Complex<T> operator-(Complex<T> a, Complex<T> b) {
  return {a.re - b.re, a.im - b.im};
}
template <class T>
OLIVINE_OP Complex<T> operator-(Complex<T> a) {
  return {-a.re, -a.im};
}
// A value that GCC does not look through.
template <class T>
OLIVINE_OP T kept(T x) {
#if defined(__GNUC__) && !defined(__clang__)
  return __builtin_assoc_barrier(x);
#else
  return x;
#endif
}
// A product that stays one: GCC 12 contracts complex products in vector code, asked or not, and
// then tails differ from it (and z * conj(z) has an imaginary part).
template <class T>
OLIVINE_OP T product(T a, T b) {
  return kept(a * b);
}
template <class T>
OLIVINE_OP Complex<T> operator*(Complex<T> a, Complex<T> b) {
  return {product(a.re, b.re) - product(a.im, b.im), product(a.re, b.im) + product(a.im, b.re)};
}

OLIVINE_OP float fma(float a, float b, float c) {
#if defined(__FMA__)
  return __builtin_fmaf(a, b, c);
#else
  return a * b + c;
#endif
}
OLIVINE_OP double fma(double a, double b, double c) {
#if defined(__FMA__)
  return __builtin_fma(a, b, c);
#else
  return a * b + c;
#endif
}

OLIVINE_OP float abs(float x) { return __builtin_fabsf(x); }
OLIVINE_OP double abs(double x) { return __builtin_fabs(x); }
OLIVINE_OP float sqrt(float x) { return __builtin_sqrtf(x); }
OLIVINE_OP double sqrt(double x) { return __builtin_sqrt(x); }
OLIVINE_OP float copysign(float x, float s) { return __builtin_copysignf(x, s); }
OLIVINE_OP double copysign(double x, double s) { return __builtin_copysign(x, s); }

// The sum |x| + 2^(mantissa bits) rounds to an integer, ties to even. Also what SSE2 can do.
OLIVINE_OP float round_even(float x) {
  const float big = 8388608.f;
  const float a = abs(x);
  const float r = (a + big) - big;
  return a < big ? copysign(r, x) : x;
}
OLIVINE_OP double round_even(double x) {
  const double big = 4503599627370496.;
  const double a = abs(x);
  const double r = (a + big) - big;
  return a < big ? copysign(r, x) : x;
}
#if defined(__SSE4_1__)
OLIVINE_OP float floor(float x) { return __builtin_floorf(x); }
OLIVINE_OP double floor(double x) { return __builtin_floor(x); }
OLIVINE_OP float trunc(float x) { return __builtin_truncf(x); }
OLIVINE_OP double trunc(double x) { return __builtin_trunc(x); }
#else
template <class T>
OLIVINE_OP T floor(T x) {
  const T r = round_even(x);
  return copysign(r > x ? r - T(1) : r, x);
}
template <class T>
OLIVINE_OP T trunc(T x) {
  return copysign(floor(abs(x)), x);
}
#endif

// ---- Arithmetic

struct Add {
  template <class T>
  OLIVINE_OP T operator()(T a, T b) const {
    return static_cast<T>(a + b);
  }
};
struct Subtract {
  template <class T>
  OLIVINE_OP T operator()(T a, T b) const {
    return static_cast<T>(a - b);
  }
};
struct Multiply {
  template <class T>
  OLIVINE_OP T operator()(T a, T b) const {
    if constexpr (std::is_integral_v<T> && sizeof(T) < 4) {
      return static_cast<T>(uint32_t(a) * uint32_t(b));  // int promotion would overflow
    } else {
      return a * b;
    }
  }
};
struct Divide {
  template <class T>
  OLIVINE_OP T operator()(T a, T b) const {
    return a / b;
  }
  // Smith's algorithm: scales by the larger part of b, so that nothing overflows on the way.
  template <class T>
  OLIVINE_OP Complex<T> operator()(Complex<T> a, Complex<T> b) const {
    const bool wide = abs(b.re) >= abs(b.im);
    const T big = wide ? b.re : b.im, small = wide ? b.im : b.re;
    const T ratio = big == T(0) ? small : small / big;
    const T scale = T(1) / (big + product(small, ratio));
    const T x = wide ? a.re : a.im, y = wide ? a.im : a.re;
    const T re = (x + product(y, ratio)) * scale;
    const T im = (y - product(x, ratio)) * scale;
    return {re, wide ? im : -im};
  }
};

template <class T>
using Wide = std::conditional_t<sizeof(T) < 4, float, double>;

struct FloorDivide {
  template <class T>
  OLIVINE_OP T operator()(T a, T b) const {
    if constexpr (std::is_floating_point_v<T>) {
      return floor(a / b);
    } else if constexpr (sizeof(T) == 8) {
      using U = std::make_unsigned_t<T>;
      if (b == 0) return 0;
      if (std::is_signed_v<T> && b == static_cast<T>(-1)) return static_cast<T>(U{0} - U(a));
      const T q = a / b;
      return static_cast<T>(q - ((a % b != 0) & ((a < 0) != (b < 0))));
    } else {
      // The quotient differs from an integer by more than the wider type's rounding error.
      const Wide<T> q = floor(static_cast<Wide<T>>(a) / static_cast<Wide<T>>(b == 0 ? T(1) : b));
      return b == 0 ? T(0) : narrow<T>(q);
    }
  }

 private:
  // An integral value to T, modulo 2^bits (the quotient -2^31 / -1 does not fit int32).
  template <class T>
  OLIVINE_OP static T narrow(Wide<T> q) {
    if constexpr (sizeof(T) < 4) {
      return static_cast<T>(static_cast<int32_t>(q));
    } else if constexpr (std::is_signed_v<T>) {
      return static_cast<T>(q == 2147483648. ? -2147483648. : q);
    } else {
      return static_cast<uint32_t>(static_cast<int32_t>(q - 2147483648.)) ^ 0x80000000u;
    }
  }
};
struct Remainder {
  template <class T>
  OLIVINE_OP T operator()(T a, T b) const {
    if constexpr (std::is_same_v<T, float>) {
      // Exact in double while the quotient has few enough bits.
      const double x = static_cast<double>(a), y = static_cast<double>(b);
      return fix(static_cast<float>(x - trunc(x / y) * y), a, b);
    } else if constexpr (std::is_same_v<T, double>) {
      return fix(__builtin_fmod(a, b), a, b);
    } else {
      using U = std::make_unsigned_t<T>;
      const U q = static_cast<U>(FloorDivide{}(a, b));
      return static_cast<T>(U(a) - Multiply{}(q, U(b)));
    }
  }
  template <OnlyFloat T>
  OLIVINE_OP static bool rare(T a, T b) {
    return !(abs(a) <= abs(b) * 0x1p28f) | (abs(b) == T(__builtin_huge_val()));
  }
  static float slow(float a, float b) { return fix(__builtin_fmodf(a, b), a, b); }

 private:
  // From the sign of a to that of b; a remainder of zero keeps the sign of a.
  template <class T>
  OLIVINE_OP static T fix(T r, T a, T b) {
    const T moved = r != T(0) && (r < T(0)) != (b < T(0)) ? r + b : r;
    return r == T(0) ? copysign(r, a) : moved;
  }
};

template <class T>
OLIVINE_OP bool less(T a, T b) {
  return a < b;
}
template <class T>
OLIVINE_OP bool less(Complex<T> a, Complex<T> b) {
  return (a.re < b.re) | ((a.re == b.re) & (a.im < b.im));
}
template <class T>
OLIVINE_OP bool is_nan(T x) {
  return x != x;
}
template <class T>
OLIVINE_OP bool is_nan(Complex<T> x) {
  return (x.re != x.re) | (x.im != x.im);
}

struct Maximum {
  template <class T>
  OLIVINE_OP T operator()(T a, T b) const {
    return less(b, a) || is_nan(a) ? a : b;
  }
};
struct Minimum {
  template <class T>
  OLIVINE_OP T operator()(T a, T b) const {
    return less(a, b) || is_nan(a) ? a : b;
  }
};
struct Negative {
  template <class T>
  OLIVINE_OP T operator()(T a) const {
    if constexpr (std::is_integral_v<T>) {
      return static_cast<T>(0 - a);
    } else {
      return -a;
    }
  }
};
struct Abs {
  template <class T>
  OLIVINE_OP T operator()(T a) const {
    if constexpr (std::is_integral_v<T>) {
      using U = std::make_unsigned_t<T>;
      return a < 0 ? static_cast<T>(U{0} - U(a)) : a;
    } else {
      return abs(a);
    }
  }
  OLIVINE_OP float operator()(Complex<float> a) const { return __builtin_hypotf(a.re, a.im); }
  OLIVINE_OP double operator()(Complex<double> a) const { return __builtin_hypot(a.re, a.im); }
};
struct Sign {
  // 0 for NaN, as for both zeros.
  template <class T>
  OLIVINE_OP T operator()(T a) const {
    return static_cast<T>((a > T(0)) - (a < T(0)));
  }
  template <class T>
  OLIVINE_OP Complex<T> operator()(Complex<T> a) const {
    const T r = Abs{}(a);
    const T scale = r == T(0) ? T(1) : r;
    return {a.re / scale, a.im / scale};
  }
};
struct Square {
  template <class T>
  OLIVINE_OP T operator()(T a) const {
    return Multiply{}(a, a);
  }
};
struct Reciprocal {
  template <class T>
  OLIVINE_OP T operator()(T a) const {
    if constexpr (is_complex_v<T>) {
      return Divide{}(T{1, 0}, a);
    } else {
      return T(1) / a;
    }
  }
};
struct Floor {
  template <class T>
  OLIVINE_OP T operator()(T a) const {
    return floor(a);
  }
};
struct Ceil {
  template <class T>
  OLIVINE_OP T operator()(T a) const {
    return -floor(-a);
  }
};
struct Trunc {
  template <class T>
  OLIVINE_OP T operator()(T a) const {
    return trunc(a);
  }
};
struct Round {
  template <class T>
  OLIVINE_OP T operator()(T a) const {
    return round_even(a);
  }
  template <class T>
  OLIVINE_OP Complex<T> operator()(Complex<T> a) const {
    return {round_even(a.re), round_even(a.im)};
  }
};

// Integer powers by squaring; a negative exponent leaves the integers: 0, except for bases 1, -1.
template <class T>
OLIVINE_OP T integer_power(T base, T exponent) {
  using U = std::conditional_t<sizeof(T) < 4, uint32_t, std::make_unsigned_t<T>>;
  const bool negative = exponent < 0;
  U e = negative ? U{0} - U(exponent) : U(exponent);
  U b = static_cast<U>(base), r = 1;
  while (e != 0) {
    r = e & 1 ? r * b : r;
    b *= b;
    e >>= 1;
  }
  const bool unit = base == T(1) || (std::is_signed_v<T> && base == static_cast<T>(-1));
  return negative && !unit ? T(0) : static_cast<T>(r);
}

// ---- Bits. Shifts by the width or more give what an endless shift would.

struct BitAnd {
  template <class T>
  OLIVINE_OP T operator()(T a, T b) const {
    return a & b;
  }
};
struct BitOr {
  template <class T>
  OLIVINE_OP T operator()(T a, T b) const {
    return a | b;
  }
};
struct BitXor {
  template <class T>
  OLIVINE_OP T operator()(T a, T b) const {
    return a ^ b;
  }
};
struct BitNot {
  template <class T>
  OLIVINE_OP T operator()(T a) const {
    return static_cast<T>(~a);
  }
};
// A negative count, read as unsigned, is a large one.
struct ShiftLeft {
  template <class T>
  OLIVINE_OP T operator()(T a, T b) const {
    using U = std::make_unsigned_t<T>;
    constexpr U width = sizeof(T) * 8;
    const U count = static_cast<U>(b);
    return static_cast<T>(count < width ? static_cast<U>(U(a) << (count & (width - 1))) : U(0));
  }
};
struct ShiftRight {
  template <class T>
  OLIVINE_OP T operator()(T a, T b) const {
    using U = std::make_unsigned_t<T>;
    constexpr U width = sizeof(T) * 8;
    const U count = static_cast<U>(b);
    const T endless = a < 0 ? static_cast<T>(-1) : T(0);
    return count < width ? static_cast<T>(a >> (count & (width - 1))) : endless;
  }
};

// ---- Comparisons and logic; results are bytes 0 or 1.

template <class T>
OLIVINE_OP bool equal(T a, T b) {
  return a == b;
}
template <class T>
OLIVINE_OP bool equal(Complex<T> a, Complex<T> b) {
  return (a.re == b.re) & (a.im == b.im);
}
template <class T>
OLIVINE_OP bool nonzero(T a) {
  return a != T(0);
}
template <class T>
OLIVINE_OP bool nonzero(Complex<T> a) {
  return (a.re != T(0)) | (a.im != T(0));
}

struct Equal {
  template <class T>
  OLIVINE_OP uint8_t operator()(T a, T b) const {
    return equal(a, b);
  }
};
struct NotEqual {
  template <class T>
  OLIVINE_OP uint8_t operator()(T a, T b) const {
    return !equal(a, b);
  }
};
struct Less {
  template <class T>
  OLIVINE_OP uint8_t operator()(T a, T b) const {
    return less(a, b);
  }
};
struct LessEqual {
  template <class T>
  OLIVINE_OP uint8_t operator()(T a, T b) const {
    if constexpr (is_complex_v<T>) {
      return less(a, b) | equal(a, b);
    } else {
      return a <= b;
    }
  }
};
struct LogicalAnd {
  template <class T>
  OLIVINE_OP uint8_t operator()(T a, T b) const {
    return nonzero(a) & nonzero(b);
  }
};
struct LogicalOr {
  template <class T>
  OLIVINE_OP uint8_t operator()(T a, T b) const {
    return nonzero(a) | nonzero(b);
  }
};
struct LogicalXor {
  template <class T>
  OLIVINE_OP uint8_t operator()(T a, T b) const {
    return nonzero(a) ^ nonzero(b);
  }
};
struct LogicalNot {
  template <class T>
  OLIVINE_OP uint8_t operator()(T a) const {
    return !nonzero(a);
  }
};
// Booleans as the numbers 0 and 1, where their arithmetic is no plain bit operation.
struct BoolAndNot {
  OLIVINE_OP uint8_t operator()(uint8_t a, uint8_t b) const { return a & (b ^ 1); }
};
struct BoolOrNot {
  OLIVINE_OP uint8_t operator()(uint8_t a, uint8_t b) const { return a | (b ^ 1); }
};
struct BoolNotAnd {
  OLIVINE_OP uint8_t operator()(uint8_t a, uint8_t b) const { return (a ^ 1) & b; }
};
struct BoolNotOr {
  OLIVINE_OP uint8_t operator()(uint8_t a, uint8_t b) const { return (a ^ 1) | b; }
};
struct BoolNotXor {
  OLIVINE_OP uint8_t operator()(uint8_t a, uint8_t b) const { return a ^ b ^ 1; }
};
struct BoolNot {
  OLIVINE_OP uint8_t operator()(uint8_t a) const { return a ^ 1; }
};

struct IsNan {
  template <class T>
  OLIVINE_OP uint8_t operator()(T a) const {
    return is_nan(a);
  }
};
struct IsInf {
  template <class T>
  OLIVINE_OP uint8_t operator()(T a) const {
    return abs(a) == T(__builtin_huge_val());
  }
  template <class T>
  OLIVINE_OP uint8_t operator()(Complex<T> a) const {
    return (*this)(a.re) | (*this)(a.im);
  }
};
struct IsFinite {
  template <class T>
  OLIVINE_OP uint8_t operator()(T a) const {
    return abs(a) < T(__builtin_huge_val());
  }
  template <class T>
  OLIVINE_OP uint8_t operator()(Complex<T> a) const {
    return (*this)(a.re) & (*this)(a.im);
  }
};

struct Select {
  template <class T>
  OLIVINE_OP T operator()(uint8_t c, T a, T b) const {
    return c ? a : b;
  }
};

// ---- Parts of complex numbers

struct Conjugate {
  template <class T>
  OLIVINE_OP Complex<T> operator()(Complex<T> a) const {
    return {a.re, -a.im};
  }
};
struct Real {
  template <class T>
  OLIVINE_OP T operator()(Complex<T> a) const {
    return a.re;
  }
};
struct Imag {
  template <class T>
  OLIVINE_OP T operator()(Complex<T> a) const {
    return a.im;
  }
};

// ---- Conversions. Real to integer truncates; what does not fit gives what x86 gives NumPy: the
// most negative number of the type truncated to (int32 for 8- and 16-bit integers, int64 for
// uint32), then modulo 2^bits.

template <class I, class F>
OLIVINE_OP I truncate(F x) {
  constexpr F low = sizeof(I) == 4 ? F(-2147483648.) : F(-9223372036854775808.);
  const bool fits = (x >= low) & (x < -low);
  const I lowest = static_cast<I>(sizeof(I) == 4 ? INT32_MIN : INT64_MIN);
  const I i = static_cast<I>(fits ? x : F(0));
  return fits ? i : lowest;
}

template <class To>
struct Cast {
  template <class From>
  OLIVINE_OP To operator()(From x) const {
    if constexpr (is_complex_v<To>) {
      using T = decltype(To::re);
      if constexpr (is_complex_v<From>) {
        return {static_cast<T>(x.re), static_cast<T>(x.im)};
      } else {
        return {static_cast<T>(x), T(0)};
      }
    } else if constexpr (is_complex_v<From>) {
      return Cast<To>{}(x.re);
    } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
      if constexpr (sizeof(To) < 4 || std::is_same_v<To, int32_t>) {
        return static_cast<To>(truncate<int32_t>(x));
      } else if constexpr (std::is_same_v<To, uint64_t>) {
        const From half = From(9223372036854775808.);
        const uint64_t big = static_cast<uint64_t>(truncate<int64_t>(x - half)) ^ (1ull << 63);
        return x >= half ? big : static_cast<uint64_t>(truncate<int64_t>(x));
      } else {
        return static_cast<To>(truncate<int64_t>(x));
      }
    } else {
      return static_cast<To>(x);
    }
  }
};
struct ToBool {
  template <class T>
  OLIVINE_OP uint8_t operator()(T x) const {
    return nonzero(x);
  }
};

}  // namespace
}  // namespace olivine::scalar
