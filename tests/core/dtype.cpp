// Dtypes: names, categories, promotion, and 16-bit float conversions over all bit patterns.
#include "olivine/dtype.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <string>

#include "core/error.h"
#include "olivine/array.h"

namespace olivine {
namespace {

constexpr Dtype kAll[] = {bool_, uint8,   uint16,   uint32,  uint64,  int8,      int16,     int32,
                          int64, float16, bfloat16, float32, float64, complex64, complex128};

// Rows and columns in the order of kAll without complex128: what MLX answers, except that
// float64 with complex64 gives complex128.
// b bool; 1 2 4 8 unsigned bytes; i s l q signed 8 16 32 64; h float16; g bfloat16; f d; c C.
constexpr const char* kExpected[] = {
    "b1248islqhgfdc",  // bool
    "11248sslqhgfdc",  // uint8
    "22248lllqhgfdc",  // uint16
    "44448qqqqhgfdc",  // uint32
    "88888ffffhgfdc",  // uint64
    "islqfislqhgfdc",  // int8
    "sslqfsslqhgfdc",  // int16
    "lllqflllqhgfdc",  // int32
    "qqqqfqqqqhgfdc",  // int64
    "hhhhhhhhhhffdc",  // float16
    "gggggggggfgfdc",  // bfloat16
    "ffffffffffffdc",  // float32
    "dddddddddddddC",  // float64
    "ccccccccccccCc",  // complex64
};
constexpr std::string_view kCodes = "b1248islqhgfdcC";

TEST(Dtype, PromotesAsExpected) {
  for (int a = 0; a < 14; ++a) {
    for (int b = 0; b < 14; ++b) {
      char code = kExpected[a][b];
      Dtype expected = kAll[kCodes.find(code)];
      EXPECT_EQ(promote_types(kAll[a], kAll[b]), expected) << name(kAll[a]) << name(kAll[b]);
    }
  }
  for (Dtype t : kAll) {
    EXPECT_EQ(promote_types(t, complex128), complex128);
    EXPECT_EQ(promote_types(complex128, t), complex128);
  }
}

TEST(Dtype, PromotionCommutesAndKeepsEqualDtypes) {
  for (Dtype a : kAll) {
    EXPECT_EQ(promote_types(a, a), a);
    for (Dtype b : kAll) EXPECT_EQ(promote_types(a, b), promote_types(b, a));
  }
}

TEST(Dtype, CategoriesFormATree) {
  using C = Dtype::Category;
  EXPECT_TRUE(issubdtype(float16, C::floating));
  EXPECT_TRUE(issubdtype(complex128, C::complexfloating));
  EXPECT_TRUE(issubdtype(complex64, C::inexact));
  EXPECT_FALSE(issubdtype(complex64, C::floating));
  EXPECT_TRUE(issubdtype(uint8, C::integer));
  EXPECT_FALSE(issubdtype(uint8, C::signedinteger));
  EXPECT_TRUE(issubdtype(bool_, C::generic));
  EXPECT_FALSE(issubdtype(bool_, C::number));
  EXPECT_TRUE(issubdtype(C::signedinteger, C::number));
  EXPECT_FALSE(issubdtype(C::number, C::signedinteger));
  EXPECT_TRUE(issubdtype(float32, float32));
  EXPECT_FALSE(issubdtype(float32, float64));
}

TEST(Dtype, CategoryAgreesWithPredicates) {
  using C = Dtype::Category;
  for (Dtype t : kAll) {
    EXPECT_EQ(issubdtype(t, C::floating), is_floating(t)) << name(t);
    EXPECT_EQ(issubdtype(t, C::inexact), is_inexact(t)) << name(t);
    EXPECT_EQ(issubdtype(t, C::integer), is_integer(t)) << name(t);
    EXPECT_EQ(issubdtype(t, C::complexfloating), is_complexfloating(t)) << name(t);
  }
}

TEST(Dtype, NamesAndSizes) {
  EXPECT_EQ(name(bool_), "bool");
  EXPECT_EQ(name(bfloat16), "bfloat16");
  EXPECT_EQ(name(complex128), "complex128");
  EXPECT_EQ(complex128.size(), 16u);
  EXPECT_EQ(bfloat16.size(), 2u);
}

double float16_value(uint16_t bits) {
  double sign = bits & 0x8000 ? -1 : 1;
  int exponent = (bits >> 10) & 31, mantissa = bits & 1023;
  if (exponent == 31) return mantissa ? NAN : sign * INFINITY;
  if (exponent == 0) return sign * std::ldexp(mantissa, -24);
  return sign * std::ldexp(1024 + mantissa, exponent - 25);
}

TEST(Float16, WidensEveryPattern) {
  for (uint32_t b = 0; b < 65536; ++b) {
    float16_t x = float16_t::from_bits(static_cast<uint16_t>(b));
    float f = to_float(x);
    double expected = float16_value(x.bits);
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(f));
      EXPECT_TRUE(std::isnan(to_float(to_float16(f))));
      continue;
    }
    EXPECT_EQ(static_cast<double>(f), expected);
    EXPECT_EQ(std::signbit(f), (b & 0x8000) != 0);
    EXPECT_EQ(to_float16(f).bits, x.bits);
  }
}

// Between each two neighbours: just below, at and just above the middle.
TEST(Float16, RoundsToNearestEven) {
  for (uint16_t b = 0; b < 0x7c00; ++b) {
    double low = float16_value(b);
    double high = b == 0x7bff ? 65536.0 : float16_value(static_cast<uint16_t>(b + 1));
    float middle = static_cast<float>((low + high) / 2);
    uint16_t even = b & 1 ? b + 1 : b;
    EXPECT_EQ(to_float16(middle).bits, even);
    EXPECT_EQ(to_float16(std::nextafterf(middle, 0)).bits, b);
    EXPECT_EQ(to_float16(std::nextafterf(middle, INFINITY)).bits, b + 1);
    EXPECT_EQ(to_float16(-middle).bits, even | 0x8000);
  }
}

TEST(Float16, SpecialValues) {
  EXPECT_EQ(to_float16(INFINITY).bits, 0x7c00);
  EXPECT_EQ(to_float16(-INFINITY).bits, 0xfc00);
  EXPECT_EQ(to_float16(-0.0f).bits, 0x8000);
  EXPECT_EQ(to_float16(1e30f).bits, 0x7c00);
  EXPECT_EQ(to_float16(std::numeric_limits<float>::denorm_min()).bits, 0);
  // A NaN whose payload lies only in the low bits stays a NaN and keeps its sign.
  float16_t n = to_float16(std::bit_cast<float>(0xff800001u));
  EXPECT_TRUE(std::isnan(to_float(n)));
  EXPECT_EQ(n.bits & 0x8000, 0x8000);
}

TEST(Bfloat16, RoundsToNearestEvenForEveryPattern) {
  for (uint32_t b = 0; b < 65536; ++b) {
    bfloat16_t x = bfloat16_t::from_bits(static_cast<uint16_t>(b));
    float f = to_float(x);
    EXPECT_EQ(std::bit_cast<uint32_t>(f), b << 16);
    if (std::isnan(f)) {
      EXPECT_TRUE(std::isnan(to_float(to_bfloat16(f))));
      continue;
    }
    EXPECT_EQ(to_bfloat16(f).bits, b);
    if (std::isinf(f)) continue;
    uint32_t middle = (b << 16) + 0x8000;  // magnitude grows with the bits for both signs
    EXPECT_EQ(to_bfloat16(std::bit_cast<float>(middle)).bits, b & 1 ? b + 1 : b);
    EXPECT_EQ(to_bfloat16(std::bit_cast<float>(middle - 1)).bits, b);
    EXPECT_EQ(to_bfloat16(std::bit_cast<float>(middle + 1)).bits, b + 1);
  }
}

TEST(Bfloat16, NanWithLowPayloadStaysNan) {
  EXPECT_TRUE(std::isnan(to_float(to_bfloat16(std::bit_cast<float>(0x7f800001u)))));
  EXPECT_TRUE(std::isnan(to_float(to_bfloat16(std::bit_cast<float>(0x7fffffffu)))));
}

TEST(Complex, MeetsNumbersAsAWholeAndConvertsToItsRealPart) {
  complex64_t z(1, 2);
  const std::complex<float> same(1, 2);
  EXPECT_EQ(z * 2, complex64_t(2, 4));
  EXPECT_EQ(2.0 * z, complex64_t(2, 4));
  EXPECT_EQ(z * same, complex64_t(-3, 4));
  EXPECT_EQ(same - z, complex64_t());
  EXPECT_EQ(1 / complex128_t(0, 1), complex128_t(0, -1));
  EXPECT_FALSE(z == 1);
  float real = z;
  EXPECT_EQ(real, 1);
  EXPECT_TRUE(bool(complex64_t(0, 1)));
  EXPECT_FALSE(bool(complex64_t()));
  EXPECT_EQ(std::abs(complex64_t(3, 4)), 5);
  for (const array& a : {array(z), array(same), array({z}), array({same})}) {
    EXPECT_EQ(a.dtype(), complex64);
    EXPECT_EQ(a.item<complex64_t>(), z);
    EXPECT_EQ(a.item<std::complex<float>>(), same);
    EXPECT_EQ(a.item<std::complex<double>>(), std::complex<double>(1, 2));
    EXPECT_EQ(a.data<complex64_t>()[0], a.data<std::complex<float>>()[0]);
  }
}

TEST(Message, PrintsShapesAsPythonTuples) {
  EXPECT_EQ(message(Shape{2, 3}), "(2, 3)");
  EXPECT_EQ(message(Shape{4}), "(4,)");
  EXPECT_EQ(message(Shape{}), "()");
  EXPECT_EQ(message("[op] ", int32, " and ", bool_), "[op] int32 and bool");
}

TEST(Message, FailThrowsTheTypeAskedFor) {
  EXPECT_THROW(fail("x"), std::invalid_argument);
  EXPECT_THROW(fail<TypeError>("x"), TypeError);
}

}  // namespace
}  // namespace olivine
