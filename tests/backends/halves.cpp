// Loops of 16-bit floats that do not go through the loops of floats: tables of results, comparisons
// of bits, and functions of two that compute only what 16 bits can tell apart.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "backends/elementwise_support.h"

namespace olivine::cpu {
namespace {

constexpr size_t kAll = 65536;

std::vector<uint16_t> all_patterns() {
  std::vector<uint16_t> all(kAll);
  for (size_t i = 0; i < kAll; ++i) all[i] = static_cast<uint16_t>(i);
  return all;
}
float widened(Dtype t, uint16_t h) {
  return t == float16 ? to_float(float16_t::from_bits(h)) : to_float(bfloat16_t::from_bits(h));
}

TEST(Halves, TablesHoldWhatTheLoopsCompute) {
  const std::vector<uint16_t> x = all_patterns();
  for (Isa isa : loop_isas()) {
    for (const std::string& op : unary_ops()) {
      for (Dtype t : {float16, bfloat16}) {
        const Loops* loops = table_of(isa).loops(op_id(op), t);
        const Loops* floats = table_of(isa).loops(op_id(op), float32);
        if (!loops || !floats || result_dtype(op, t) != t) continue;
        std::vector<float> f(kAll);
        for (size_t i = 0; i < kAll; ++i) f[i] = widened(t, x[i]);
        floats->v(f.data(), f.data(), kAll);
        size_t wrong = 0;
        for (int round = 0; round < 3; ++round) {  // a table is filled in the second
          std::vector<uint16_t> got(kAll);
          loops->v(x.data(), got.data(), kAll);
          for (size_t i = 0; i < kAll; ++i) {
            const uint16_t want = t == float16 ? to_float16(f[i]).bits : to_bfloat16(f[i]).bits;
            const bool nan = std::isnan(f[i]) && std::isnan(widened(t, got[i]));
            wrong += !nan && got[i] != want;
          }
        }
        EXPECT_EQ(wrong, 0u) << isa_name(isa) << " " << op << " " << name(t);
      }
    }
  }
}

// Pairs of 16-bit floats: all pairs of notable ones, and random ones.
struct Pairs {
  std::vector<uint16_t> a, b;
};
Pairs pairs(Dtype t) {
  const uint16_t infinity = t == float16 ? 0x7c00 : 0x7f80;
  const uint16_t one = t == float16 ? 0x3c00 : 0x3f80;
  std::vector<uint16_t> notable = {0,
                                   1,
                                   2,
                                   one,
                                   uint16_t(one - 1),
                                   uint16_t(one + 1),
                                   uint16_t(2 * one - infinity / 2),
                                   uint16_t(infinity - 1),
                                   infinity,
                                   uint16_t(infinity + 1),
                                   0x7fff};
  for (size_t i = 0, n = notable.size(); i < n; ++i) {
    notable.push_back(static_cast<uint16_t>(notable[i] | 0x8000));
  }
  Pairs p;
  for (uint16_t a : notable) {
    for (uint16_t b : notable) p.a.push_back(a), p.b.push_back(b);
  }
  std::mt19937 rng(5);
  for (int i = 0; i < 200000; ++i) {
    p.a.push_back(static_cast<uint16_t>(rng()));
    p.b.push_back(static_cast<uint16_t>(i % 3 ? rng() : one - 256 + rng() % 512));
  }
  return p;
}

TEST(Halves, OrderIsThatOfFloats) {
  for (Dtype t : {float16, bfloat16}) {
    const Pairs p = pairs(t);
    const size_t n = p.a.size();
    for (Isa isa : loop_isas()) {
      for (const char* op : {"equal", "not_equal", "less", "less_equal", "maximum", "minimum"}) {
        const bool extreme = op[0] == 'm';
        std::vector<uint16_t> extremes(n);
        std::vector<uint8_t> bytes(n);
        void* out = extreme ? static_cast<void*>(extremes.data()) : bytes.data();
        table_of(isa).loops(op_id(op), t)->vv(p.a.data(), p.b.data(), out, static_cast<int64_t>(n));
        for (size_t i = 0; i < n; ++i) {
          const float a = widened(t, p.a[i]), b = widened(t, p.b[i]);
          const std::string_view o = op;
          if (extreme) {
            const bool nan = std::isnan(a) || std::isnan(b);
            const float want = nan ? NAN : o == "maximum" ? std::max(a, b) : std::min(a, b);
            const float got = widened(t, extremes[i]);
            ASSERT_TRUE(nan ? std::isnan(got) : got == want) << op << " " << a << " " << b;
          } else {
            const bool want = o == "equal"       ? a == b
                              : o == "not_equal" ? a != b
                              : o == "less"      ? a < b
                                                 : a <= b;
            ASSERT_EQ(bytes[i], want) << isa_name(isa) << " " << op << " " << a << " " << b;
          }
        }
      }
    }
  }
}

// Distance of a 16-bit float from a number, in its last places.
double last_places(Dtype t, float got, double want) {
  const int digits = t == float16 ? 11 : 8, lowest = t == float16 ? -24 : -133;
  const double largest = t == float16 ? 65504. : 0x1.fep127;
  const double limit = std::ldexp(largest, 0) + std::ldexp(1., std::ilogb(largest) - digits);
  if (std::isnan(want)) return std::isnan(got) ? 0 : HUGE_VAL;
  if (std::abs(want) > limit * (1 + 1e-4))
    return std::isinf(got) && (got > 0) == (want > 0) ? 0 : HUGE_VAL;
  if (std::isinf(got)) return std::abs(want) > limit * (1 - 1e-4) ? 0 : HUGE_VAL;
  const int exponent = want == 0 ? lowest : std::max(std::ilogb(want) - digits + 1, lowest);
  return std::abs(static_cast<double>(got) - want) / std::ldexp(1., exponent);
}

void expect_near(const char* op, double limit, double (*reference)(double, double)) {
  for (Dtype t : {float16, bfloat16}) {
    const Pairs p = pairs(t);
    const size_t n = p.a.size();
    for (Isa isa : loop_isas()) {
      std::vector<uint16_t> got(n);
      table_of(isa)
          .loops(op_id(op), t)
          ->vv(p.a.data(), p.b.data(), got.data(), static_cast<int64_t>(n));
      for (size_t i = 0; i < n; ++i) {
        const float a = widened(t, p.a[i]), b = widened(t, p.b[i]), y = widened(t, got[i]);
        const double want = reference(a, b);
        ASSERT_LE(last_places(t, y, want), limit)
            << isa_name(isa) << " " << name(t) << " " << op << "(" << a << ", " << b << ") = " << y
            << " instead of " << want;
      }
    }
  }
}

TEST(Halves, PowersAreTheNearestButForFewTies) {
  expect_near("power", 0.55, [](double a, double b) { return std::pow(a, b); });
}
TEST(Halves, LogaddexpIsTheNearestButForFewTies) {
  expect_near("logaddexp", 0.55, [](double a, double b) {
    if (std::isnan(a) || std::isnan(b)) return double{NAN};
    const double high = std::max(a, b), low = std::min(a, b);
    return high == low ? high + std::log(2.) : high + std::log1p(std::exp(low - high));
  });
}

}  // namespace
}  // namespace olivine::cpu
