// Element-wise loops against plain references: accuracy, special values, integers and conversions.
#include <gtest/gtest.h>

#include <cfloat>
#include <cmath>
#include <functional>
#include <limits>

#include "backends/elementwise_support.h"

namespace olivine::cpu {
namespace {

template <class T>
std::vector<T> run1(Isa isa, const char* op, Dtype key, const void* x, size_t n) {
  std::vector<T> out(n);
  table_of(isa).loops(op_id(op), key)->v(x, out.data(), static_cast<int64_t>(n));
  return out;
}
template <class T, class R = T>
std::vector<R> run2(Isa isa, const char* op, const std::vector<T>& x, const std::vector<T>& y) {
  std::vector<R> out(x.size());
  const Loops* loops = table_of(isa).loops(op_id(op), dtype_of<T>);
  EXPECT_NE(loops, nullptr) << op;
  if (loops) loops->vv(x.data(), y.data(), out.data(), static_cast<int64_t>(x.size()));
  return out;
}

// The distance of two floats in units of the last place of the wider-typed reference.
template <class T, class Wide>
double ulps(T got, Wide want) {
  const T rounded = static_cast<T>(want);
  if (std::isnan(want)) return std::isnan(got) ? 0 : HUGE_VAL;
  if (std::isinf(rounded)) {
    return got == rounded || std::abs(got) == std::numeric_limits<T>::max() ? 0 : HUGE_VAL;
  }
  if (rounded == 0) return std::abs(got) <= std::numeric_limits<T>::denorm_min() ? 0 : HUGE_VAL;
  const int lowest = std::numeric_limits<T>::min_exponent - std::numeric_limits<T>::digits;
  const int exponent = std::max(std::ilogb(rounded) - std::numeric_limits<T>::digits + 1, lowest);
  return static_cast<double>(std::abs(static_cast<Wide>(got) - want) /
                             std::ldexp(Wide(1), exponent));
}

using Reference = std::function<long double(long double)>;
long double sigmoid_reference(long double x) {
  return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x));
}
long double rsqrt_reference(long double x) { return 1 / std::sqrt(x); }

struct Function {
  const char* name;
  Reference f;
  double low, high;  // where doubles are sampled
};
#define FUNCTION(name, fn, low, high)                    \
  {                                                      \
    name, [](long double x) { return fn(x); }, low, high \
  }
const Function kFunctions[] = {
    FUNCTION("sqrt", std::sqrt, -1, 1e6),     FUNCTION("rsqrt", rsqrt_reference, -1, 1e6),
    FUNCTION("exp", std::exp, -760, 720),     FUNCTION("expm1", std::expm1, -50, 720),
    FUNCTION("log", std::log, -1, 1e3),       FUNCTION("log2", std::log2, -1, 1e3),
    FUNCTION("log10", std::log10, -1, 1e3),   FUNCTION("log1p", std::log1p, -1.5, 1e3),
    FUNCTION("sin", std::sin, -1e4, 1e4),     FUNCTION("cos", std::cos, -1e4, 1e4),
    FUNCTION("tan", std::tan, -1e4, 1e4),     FUNCTION("arcsin", std::asin, -1.1, 1.1),
    FUNCTION("arccos", std::acos, -1.1, 1.1), FUNCTION("arctan", std::atan, -1e3, 1e3),
    FUNCTION("sinh", std::sinh, -711, 711),   FUNCTION("cosh", std::cosh, -711, 711),
    FUNCTION("tanh", std::tanh, -25, 25),     FUNCTION("arcsinh", std::asinh, -1e3, 1e3),
    FUNCTION("arccosh", std::acosh, -1, 1e3), FUNCTION("arctanh", std::atanh, -1.1, 1.1),
    FUNCTION("erf", std::erf, -7, 7),         FUNCTION("sigmoid", sigmoid_reference, -760, 40),
};
#undef FUNCTION

// A sample of all bit patterns, so that every magnitude, infinities and NaN occur.
std::vector<float> float_sample(uint32_t stride) {
  std::vector<float> x = {0.f,       -0.f,      1.f,    -1.f,    INFINITY, -INFINITY,
                          NAN,       FLT_MIN,   1e-45f, -1e-45f, FLT_MAX,  -FLT_MAX,
                          8388608.f, 3.141592f, 88.72f, -87.4f,  -103.9f};
  for (uint64_t u = 0; u < (1ull << 32); u += stride) {
    const uint32_t bits = static_cast<uint32_t>(u);
    x.push_back(__builtin_bit_cast(float, bits));
  }
  return x;
}

TEST(ElementwiseLoops, FloatFunctionsStayWithinThreeUlps) {
  const std::vector<float> x = float_sample(104729);
  for (Isa isa : loop_isas()) {
    for (const Function& f : kFunctions) {
      const auto y = run1<float>(isa, f.name, float32, x.data(), x.size());
      double worst = 0;
      size_t at = 0;
      for (size_t i = 0; i < x.size(); ++i) {
        const double e = ulps(y[i], static_cast<double>(f.f(x[i])));
        if (e > worst) worst = e, at = i;
      }
      // Piecewise polynomials there (kernels/lookup-inl.h).
      const std::string name = f.name;
#if OLIVINE_HAS_ISA_AVX512
      const bool lookup = isa == Isa::avx512 && (name == "erf" || name == "tanh");
#else
      const bool lookup = false;
#endif
      EXPECT_LE(worst, lookup ? 1.6 : 2.5)
          << isa_name(isa) << " " << name << "(" << x[at] << ") = " << y[at];
    }
  }
}

TEST(ElementwiseLoops, DoubleFunctionsStayWithinFourUlps) {
  std::mt19937_64 rng(7);
  for (Isa isa : loop_isas()) {
    for (const Function& f : kFunctions) {
      std::vector<double> x = {0.,     -0.,     HUGE_VAL, -HUGE_VAL, NAN,
                               1e-310, -1e-310, DBL_MAX,  1.,        -1.};
      for (int i = 0; i < 4000; ++i) {
        const double u = std::uniform_real_distribution<>(f.low, f.high)(rng);
        x.push_back(u);
        x.push_back(std::ldexp(u, -static_cast<int>(rng() % 60)));
      }
      const auto y = run1<double>(isa, f.name, float64, x.data(), x.size());
      double worst = 0;
      size_t at = 0;
      for (size_t i = 0; i < x.size(); ++i) {
        const double e = ulps(y[i], f.f(x[i]));
        if (e > worst) worst = e, at = i;
      }
      EXPECT_LE(worst, 4) << isa_name(isa) << " " << f.name << "(" << x[at] << ") = " << y[at];
    }
  }
}

TEST(ElementwiseLoops, ErfinvInvertsErf) {
  for (Isa isa : loop_isas()) {
    std::vector<float> x = {0.f, -0.f, 1.f, -1.f, 2.f, NAN};
    std::vector<double> d;
    for (int i = 1; i < 20000; ++i) x.push_back(std::ldexp(static_cast<float>(i), -15) - 0.3f);
    for (int e = 1; e < 24; ++e) x.push_back(1 - std::ldexp(1.f, -e));
    for (float v : x) d.push_back(v);
    for (int e = 24; e < 53; ++e) d.push_back(1 - std::ldexp(1., -e));
    const auto y = run1<float>(isa, "erfinv", float32, x.data(), x.size());
    const auto z = run1<double>(isa, "erfinv", float64, d.data(), d.size());
    EXPECT_TRUE(std::signbit(y[1]) && y[0] == 0);
    EXPECT_TRUE(y[2] == INFINITY && y[3] == -INFINITY && std::isnan(y[4]) && std::isnan(y[5]));
    EXPECT_TRUE(z[2] == HUGE_VAL && z[3] == -HUGE_VAL && std::isnan(z[4]) && std::isnan(z[5]));
    for (size_t i = 6; i < d.size(); ++i) {
      // A relative error of z moves erf(z) by this derivative.
      const long double slope =
          std::abs(z[i]) * 1.1283791670955126L * std::exp(-static_cast<long double>(z[i]) * z[i]);
      const long double miss = std::abs(z[i]) < 1
                                   ? std::erf(static_cast<long double>(z[i])) - d[i]
                                   : (1 - std::abs(static_cast<long double>(d[i]))) -
                                         std::erfc(std::abs(static_cast<long double>(z[i])));
      EXPECT_LE(std::abs(miss), slope * 8 * DBL_EPSILON + 1e-300L) << d[i];
      if (i < x.size()) {
        EXPECT_LE(ulps(y[i], z[i]), 1.5) << x[i];
      }
    }
  }
}

TEST(ElementwiseLoops, HalvesRoundTheFloatResult) {
  std::vector<uint16_t> all(65536);
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<uint16_t>(i);
  for (Isa isa : loop_isas()) {
    for (const std::string& op : unary_ops()) {
      if (result_dtype(op, float32) == bool_ || !table_of(isa).loops(op_id(op), float32)) continue;
      std::vector<float> f(all.size()), b(all.size());
      for (size_t i = 0; i < all.size(); ++i) {
        f[i] = to_float(float16_t::from_bits(all[i])),
        b[i] = to_float(bfloat16_t::from_bits(all[i]));
      }
      const auto wf = run1<float>(isa, op.c_str(), float32, f.data(), f.size());
      const auto wb = run1<float>(isa, op.c_str(), float32, b.data(), b.size());
      const auto gf = run1<float16_t>(isa, op.c_str(), float16, all.data(), all.size());
      const auto gb = run1<bfloat16_t>(isa, op.c_str(), bfloat16, all.data(), all.size());
      size_t wrong = 0;
      for (size_t i = 0; i < all.size(); ++i) {
        const bool nan_f = std::isnan(wf[i]) && std::isnan(to_float(gf[i]));
        const bool nan_b = std::isnan(wb[i]) && std::isnan(to_float(gb[i]));
        wrong += !nan_f && gf[i].bits != to_float16(wf[i]).bits;
        wrong += !nan_b && gb[i].bits != to_bfloat16(wb[i]).bits;
      }
      EXPECT_EQ(wrong, 0u) << isa_name(isa) << " " << op;
    }
  }
}

// ---- Functions of two floats

std::pair<std::vector<float>, std::vector<float>> float_pairs() {
  const float special[] = {0.f,      -0.f,      1.f,  -1.f,   2.f,   -2.f,      0.5f,
                           -0.5f,    3.f,       -3.f, 7.5f,   -7.5f, 1e30f,     1e-30f,
                           INFINITY, -INFINITY, NAN,  1e-42f, 33.f,  16777217.f};
  std::pair<std::vector<float>, std::vector<float>> p;
  for (float a : special) {
    for (float b : special) p.first.push_back(a), p.second.push_back(b);
  }
  std::mt19937 rng(3);
  for (int i = 0; i < 60000; ++i) {
    p.first.push_back(
        std::ldexp(std::uniform_real_distribution<float>(-2, 2)(rng), rng() % 40 - 20));
    p.second.push_back(
        std::ldexp(std::uniform_real_distribution<float>(-2, 2)(rng), rng() % 12 - 6));
  }
  return p;
}

void expect_binary(const char* op, double limit, double (*reference)(double, double)) {
  const auto [a, b] = float_pairs();
  for (Isa isa : loop_isas()) {
    const auto y = run2<float>(isa, op, a, b);
    for (size_t i = 0; i < a.size(); ++i) {
      const double want = reference(a[i], b[i]);
      EXPECT_LE(ulps(y[i], want), limit)
          << isa_name(isa) << " " << op << "(" << a[i] << ", " << b[i] << ") = " << y[i];
      if (want == 0) {
        EXPECT_EQ(std::signbit(y[i]), std::signbit(want)) << op << a[i] << " " << b[i];
      }
    }
  }
}

TEST(ElementwiseLoops, PowerFollowsC) {
  expect_binary("power", 1, [](double a, double b) { return std::pow(a, b); });
}
TEST(ElementwiseLoops, Arctan2KnowsTheQuadrants) {
  expect_binary("arctan2", 2.5, [](double a, double b) { return std::atan2(a, b); });
}
TEST(ElementwiseLoops, ArithmeticIsRoundedExactly) {
  expect_binary("add", 0.5,
                [](double a, double b) { return static_cast<double>(float(a) + float(b)); });
  expect_binary("divide", 0.5,
                [](double a, double b) { return static_cast<double>(float(a) / float(b)); });
}
TEST(ElementwiseLoops, RemainderHasTheSignOfTheDivisor) {
  expect_binary("remainder", 0.5, [](double a, double b) {
    float r = std::fmod(float(a), float(b));
    if (r != 0 && (r < 0) != (b < 0)) r += float(b);
    return static_cast<double>(r);
  });
}
TEST(ElementwiseLoops, MaximumAndMinimumPropagateNan) {
  expect_binary("maximum", 0, [](double a, double b) {
    return std::isnan(a) || std::isnan(b) ? NAN : a > b ? a : b;
  });
  expect_binary("minimum", 0, [](double a, double b) {
    return std::isnan(a) || std::isnan(b) ? NAN : a < b ? a : b;
  });
}
TEST(ElementwiseLoops, LogaddexpDoesNotOverflow) {
  const auto [a, b] = float_pairs();
  for (Isa isa : loop_isas()) {
    const auto y = run2<float>(isa, "logaddexp", a, b);
    for (size_t i = 0; i < a.size(); ++i) {
      const double high = std::max(a[i], b[i]), low = std::min(a[i], b[i]);
      double want = high == low ? high + std::log(2.) : high + std::log1p(std::exp(low - high));
      if (std::isnan(a[i]) || std::isnan(b[i])) want = NAN;
      // The sum cancels where the result is near 0, and the difference of the operands is rounded.
      const double d = std::max(low - high, -200.);
      const double slack = (std::abs(high) + std::exp(d) * (1 - d)) * 2e-7;
      if (std::isnan(want) || std::isinf(want)) {
        EXPECT_EQ(ulps(y[i], want), 0) << a[i] << " " << b[i];
      } else {
        EXPECT_LE(std::abs(y[i] - want), slack + std::abs(want) * 3e-7) << a[i] << " " << b[i];
      }
    }
  }
}

// ---- Integers

template <class T>
std::vector<T> integer_values() {
  using L = std::numeric_limits<T>;
  std::vector<T> v = {0,
                      1,
                      2,
                      3,
                      5,
                      7,
                      10,
                      31,
                      32,
                      63,
                      64,
                      100,
                      L::max(),
                      T(L::max() - 1),
                      L::min(),
                      T(L::min() + 1),
                      T(L::max() / 3)};
  if (std::is_signed_v<T>) {
    for (int x : {-1, -2, -3, -7, -100}) v.push_back(static_cast<T>(x));
  }
  return v;
}
template <class T>
__int128 integer_reference(const std::string& op, T a, T b) {
  const __int128 x = a, y = b, width = sizeof(T) * 8;
  if (op == "add") return x + y;
  if (op == "subtract") return x - y;
  if (op == "multiply")
    return static_cast<__int128>(static_cast<uint64_t>(x) * static_cast<uint64_t>(y));
  __int128 q = y == 0 ? 0 : x / y;
  if (y != 0 && x % y != 0 && (x < 0) != (y < 0)) --q;
  if (op == "floor_divide") return q;
  if (op == "remainder") return x - q * y;
  if (op == "maximum") return std::max(x, y);
  if (op == "minimum") return std::min(x, y);
  if (op == "bitwise_and") return x & y;
  if (op == "bitwise_or") return x | y;
  if (op == "bitwise_xor") return x ^ y;
  const bool wide = y < 0 || y >= width;
  if (op == "left_shift") {
    return wide ? 0 : static_cast<__int128>(static_cast<uint64_t>(x) << static_cast<int>(y));
  }
  if (op == "right_shift") return wide ? (x < 0 ? -1 : 0) : x >> static_cast<int>(y);
  if (y < 0) return x == 1 ? 1 : x == -1 ? (y % 2 ? -1 : 1) : 0;  // power
  uint64_t r = 1, base = static_cast<uint64_t>(x);
  for (uint64_t e = static_cast<uint64_t>(y); e; e >>= 1, base *= base) r *= e & 1 ? base : 1;
  return static_cast<__int128>(r);
}
template <class T>
void expect_integers() {
  std::vector<T> a, b;
  for (T x : integer_values<T>()) {
    for (T y : integer_values<T>()) a.push_back(x), b.push_back(y);
  }
  for (Isa isa : loop_isas()) {
    for (const char* op :
         {"add", "subtract", "multiply", "floor_divide", "remainder", "power", "maximum", "minimum",
          "bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift"}) {
      const auto y = run2<T>(isa, op, a, b);
      for (size_t i = 0; i < a.size(); ++i) {
        EXPECT_EQ(y[i], static_cast<T>(integer_reference(op, a[i], b[i])))
            << isa_name(isa) << " " << op << "(" << +a[i] << ", " << +b[i] << ")";
      }
    }
    const auto less = run2<T, uint8_t>(isa, "less", a, b);
    const auto less_equal = run2<T, uint8_t>(isa, "less_equal", a, b);
    const auto equal = run2<T, uint8_t>(isa, "equal", a, b);
    for (size_t i = 0; i < a.size(); ++i) {
      EXPECT_EQ(less[i], a[i] < b[i]);
      EXPECT_EQ(less_equal[i], a[i] <= b[i]);
      EXPECT_EQ(equal[i], a[i] == b[i]);
    }
  }
}
TEST(ElementwiseLoops, IntegersWrapAndDivideByZeroQuietly) {
  expect_integers<int8_t>();
  expect_integers<int16_t>();
  expect_integers<int32_t>();
  expect_integers<int64_t>();
  expect_integers<uint8_t>();
  expect_integers<uint16_t>();
  expect_integers<uint32_t>();
  expect_integers<uint64_t>();
}

// ---- Conversions

template <class To>
To convert_reference(double x) {
  if constexpr (std::is_same_v<To, bool>) {
    return x != 0;
  } else if constexpr (std::is_floating_point_v<To>) {
    return static_cast<To>(x);
  } else if constexpr (sizeof(To) == 8 && std::is_unsigned_v<To>) {
    const double half = 9223372036854775808.;
    if (!(x >= -half && x < 2 * half)) return x >= half ? 0 : 1ull << 63;
    return x < half ? static_cast<To>(static_cast<int64_t>(x))
                    : static_cast<To>(static_cast<int64_t>(x - half)) ^ (1ull << 63);
  } else if constexpr (sizeof(To) < 4 || std::is_same_v<To, int32_t>) {
    const bool fits = x > -2147483649. && x < 2147483648.;
    return static_cast<To>(fits ? static_cast<int32_t>(x) : INT32_MIN);
  } else {
    const bool fits = x >= -9223372036854775808. && x < 9223372036854775808.;
    return static_cast<To>(fits ? static_cast<int64_t>(x) : INT64_MIN);
  }
}
template <class From, class To>
void expect_conversion(const std::vector<From>& x, const char* op) {
  for (Isa isa : loop_isas()) {
    std::vector<char> out(x.size() * sizeof(To));
    table_of(isa).loops(op_id(op), dtype_of<From>)->v(x.data(), out.data(), x.size());
    for (size_t i = 0; i < x.size(); ++i) {
      To got;
      std::memcpy(&got, out.data() + i * sizeof(To), sizeof(To));
      if constexpr (std::is_integral_v<From> && !std::is_same_v<To, bool>) {
        EXPECT_EQ(got, static_cast<To>(x[i])) << op << " " << +x[i];
      } else {
        const To want = convert_reference<To>(static_cast<double>(x[i]));
        EXPECT_TRUE(got == want || (got != got && want != want))
            << isa_name(isa) << " " << op << "(" << +x[i] << ") = " << +got << ", not " << +want;
      }
    }
  }
}
template <class From>
void expect_conversions(const std::vector<From>& x) {
  expect_conversion<From, bool>(x, "astype_bool");
  expect_conversion<From, uint8_t>(x, "astype_uint8");
  expect_conversion<From, uint16_t>(x, "astype_uint16");
  expect_conversion<From, uint32_t>(x, "astype_uint32");
  expect_conversion<From, uint64_t>(x, "astype_uint64");
  expect_conversion<From, int8_t>(x, "astype_int8");
  expect_conversion<From, int16_t>(x, "astype_int16");
  expect_conversion<From, int32_t>(x, "astype_int32");
  expect_conversion<From, int64_t>(x, "astype_int64");
  expect_conversion<From, float>(x, "astype_float32");
  expect_conversion<From, double>(x, "astype_float64");
}
TEST(ElementwiseLoops, ConversionsAreDefinedForEveryValue) {
  std::vector<float> f = float_sample(8388593);
  for (float v : {255.f, 256.f, -1.5f, 300.f, 2147483648.f, 4294967296.f, -2147483648.f, 9.3e18f,
                  1.9e19f, -9.3e18f, 127.9f, 65535.f}) {
    f.push_back(v);
  }
  expect_conversions(f);
  expect_conversions(std::vector<double>(f.begin(), f.end()));
  expect_conversions(integer_values<int8_t>());
  expect_conversions(integer_values<uint16_t>());
  expect_conversions(integer_values<int32_t>());
  expect_conversions(integer_values<uint32_t>());
  expect_conversions(integer_values<int64_t>());
  expect_conversions(integer_values<uint64_t>());
}

TEST(ElementwiseLoops, FloatsBecomeHalvesByOneRounding) {
  std::vector<float> f = float_sample(65521);
  // Just above the middle of two halves: a rounding to float on the way would lose the excess.
  std::vector<double> d = {1 + 0x1p-11 + 0x1p-40,
                           1 + 0x1p-11,
                           1 + 3 * 0x1p-11 - 0x1p-40,
                           65519.999999,
                           0x1p-25 + 0x1p-60,
                           -1 - 0x1p-11 - 0x1p-40,
                           HUGE_VAL,
                           NAN,
                           -0.};
  const uint16_t want[] = {0x3c01, 0x3c00, 0x3c01, 0x7bff, 0x0001, 0xbc01, 0x7c00, 0x7e00, 0x8000};
  for (Isa isa : loop_isas()) {
    const auto h = run1<float16_t>(isa, "astype_float16", float32, f.data(), f.size());
    const auto b = run1<bfloat16_t>(isa, "astype_bfloat16", float32, f.data(), f.size());
    for (size_t i = 0; i < f.size(); ++i) {
      if (f[i] != f[i]) {
        EXPECT_TRUE(std::isnan(to_float(h[i])) && std::isnan(to_float(b[i])));
      } else {
        EXPECT_EQ(h[i].bits, to_float16(f[i]).bits) << f[i];
        EXPECT_EQ(b[i].bits, to_bfloat16(f[i]).bits) << f[i];
      }
    }
    const auto g = run1<float16_t>(isa, "astype_float16", float64, d.data(), d.size());
    for (size_t i = 0; i < d.size(); ++i) EXPECT_EQ(g[i].bits, want[i]) << d[i];
  }
}

}  // namespace
}  // namespace olivine::cpu
