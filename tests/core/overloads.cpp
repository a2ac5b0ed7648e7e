// MLX's C++ forms of functions that the Python module reaches in one form only.
#include <gtest/gtest.h>

#include <numeric>
#include <sstream>
#include <thread>

#include "olivine/olivine.h"

namespace olivine {
namespace {

void expect_equal(const array& got, const array& want) {
  EXPECT_EQ(got.dtype(), want.dtype());
  EXPECT_EQ(got.shape(), want.shape());
  EXPECT_TRUE(array_equal(got, want).item<bool>()) << got << " instead of " << want;
}
template <class E, class F>
void expect_error(F f, const std::string& text) {
  try {
    f();
    FAIL() << "nothing was thrown instead of: " << text;
  } catch (const E& e) {
    EXPECT_NE(std::string(e.what()).find(text), std::string::npos) << e.what();
  }
}
const array six = array({1, 2, 3, 4, 5, 6}, {2, 3});

TEST(ArrayForms, ListsConvertToTheDtypeThatIsAskedFor) {
  expect_equal(array({1, -2, 3}), array(std::vector<int>{1, -2, 3}.begin(), {3}, int32));
  const array halves({1, 0, 3}, float16);
  EXPECT_EQ(halves.dtype(), float16);
  EXPECT_EQ(take(halves, 2).item<float>(), 3.f);
  expect_equal(array({1, 0, 3}, bool_), array({true, false, true}));
  expect_equal(array({1.5f, -2.f}, complex64), astype(array({1.5f, -2.f}), complex64));
  expect_error<std::invalid_argument>(
      [] {
        array({1, 2, 3}, {2, 2});
      },
      "[array] expected as many values as shape (2, 2)");
}

TEST(ArrayForms, NumbersOutOfRangeSaturate) {
  EXPECT_EQ(array(1e30f).item<int8_t>(), 127);
  EXPECT_EQ(array(-1e30f).item<int64_t>(), INT64_MIN);
  EXPECT_EQ(array(-3.f).item<uint32_t>(), 0u);
  EXPECT_EQ(array(std::numeric_limits<float>::quiet_NaN()).item<int>(), 0);
  EXPECT_EQ(array(complex64_t{2.75f, 1}).item<int>(), 2);
  EXPECT_EQ(array(complex128_t{2.75, 1}).item<complex64_t>(), (complex64_t{2.75f, 1}));
  EXPECT_EQ(array(2.5, float16).item<double>(), 2.5);
}

TEST(ArrayForms, LayoutIsThatOfTheEvaluatedArray) {
  array t = transpose(six);
  EXPECT_FALSE(t.is_available());
  EXPECT_FALSE(t.is_row_contiguous());
  EXPECT_TRUE(t.is_available());
  EXPECT_EQ(t.strides(0), 1);
  EXPECT_EQ(t.strides(-1), 3);
  EXPECT_TRUE(contiguous(t).is_row_contiguous());
  EXPECT_FALSE(contiguous(t, true).is_row_contiguous()) << "by columns is as good";
  expect_error<std::out_of_range>([&] { t.strides(2); }, "[strides]");
}

TEST(CreationForms, OfAnotherDtype) {
  expect_equal(full_like(six, array(7), float32), full({2, 3}, array(7.f)));
  expect_equal(full({2, 3}, array({1, 2, 3}), float32),
               astype(array({1, 2, 3, 1, 2, 3}, {2, 3}), float32));
  expect_equal(zeros_like(six, float16), zeros({2, 3}, float16));
  expect_equal(ones_like(six, bool_), ones({2, 3}, bool_));
  EXPECT_EQ(empty_like(six, float64).dtype(), float64);
  EXPECT_EQ(empty_like(six, float64).shape(), (Shape{2, 3}));
}

TEST(CreationForms, RangesOfDoublesAreFloat32) {
  expect_equal(arange(3.0), array({0.f, 1.f, 2.f}));
  expect_equal(arange(1.5, 4.0), array({1.5f, 2.5f, 3.5f}));
  expect_equal(arange(1.0, 3.0, 0.5), array({1.f, 1.5f, 2.f, 2.5f}));
  expect_equal(arange(3.0, int8), array({0, 1, 2}, int8));
  expect_equal(arange(2.0, 5.0, int64), array({2, 3, 4}, int64));
  expect_error<std::invalid_argument>([] { arange(0.0, 3.0, bool_); }, "[arange]");
  expect_error<std::invalid_argument>([] { arange(1e19, 2e19, 1e18, int64); }, "[arange]");
}

TEST(ShapeForms, AxisZeroIsTheDefault) {
  const array row({1, 2, 3}), other({4, 5, 6});
  expect_equal(stack({row, other}), six);
  auto halves = split(six, 2);
  ASSERT_EQ(halves.size(), 2u);
  expect_equal(halves[1], array({4, 5, 6}, {1, 3}));
  auto parts = split(row, Shape{1});
  ASSERT_EQ(parts.size(), 2u);
  expect_equal(parts[0], array({1}));
  expect_equal(parts[1], array({2, 3}));
  expect_equal(trace(six), array(6));
  expect_equal(trace(six, 1, 0, 1, float32), array(8.f));
}

TEST(ShapeForms, PadsByPairs) {
  const array a({1, 2}, {1, 2});
  expect_equal(pad(a, std::vector<std::pair<int, int>>{{0, 1}, {2, 0}}),
               array({0, 0, 1, 2, 0, 0, 0, 0}, {2, 4}));
  expect_equal(pad(a, std::pair<int, int>{1, 0}, array(9)), array({9, 9, 9, 9, 1, 2}, {2, 3}));
  expect_equal(pad(array({1, 2}), 1, array(7)), array({7, 1, 2, 7}));
  expect_error<std::invalid_argument>(
      [&] {
        pad(a, std::vector<std::pair<int, int>>{{0, 1}});
      },
      "[pad] expected 2 pairs");
  expect_error<std::invalid_argument>(
      [&] {
        pad(a, {0, 1}, Shape{1}, Shape{1, 1});
      },
      "[pad] expected 2 widths");
}

TEST(ShapeForms, RollsByOneShiftOrMany) {
  const array last = array({3, 1, 2, 6, 4, 5}, {2, 3});
  expect_equal(roll(six, 1, 1), last);
  expect_equal(roll(six, Shape{2, 2}, 1), last);  // shifts of one axis add up
  expect_equal(roll(six, 1, std::vector<int>{0, 1}), array({6, 4, 5, 3, 1, 2}, {2, 3}));
  expect_equal(roll(six, Shape{1, 1}), array({5, 6, 1, 2, 3, 4}, {2, 3}));
  expect_equal(roll(six, 1), array({6, 1, 2, 3, 4, 5}, {2, 3}));
  expect_error<std::invalid_argument>(
      [&] {
        roll(six, Shape{1}, std::vector<int>{0, 1});
      },
      "[roll] expected one shift per axis");
}

TEST(IndexingForms, WithoutAnAxisTheArrayIsFlat) {
  expect_equal(take(six, 4), array(5));
  expect_equal(take(six, -1), array(6));
  expect_error<std::out_of_range>([&] { eval(take(six, 6)); }, "[take]");
  expect_equal(take_along_axis(six, array({5, 0, 0}, {3, 1})), array({6, 1, 1}));
  expect_equal(put_along_axis(six, array({5, -6}), array(9)), array({9, 2, 3, 4, 5, 9}, {2, 3}));
}

TEST(ReductionForms, MomentsTakeDegreesOfFreedom) {
  const array x({1.f, 2.f, 3.f, 6.f});  // mean 3, squares of deviations 4 + 1 + 0 + 9
  EXPECT_FLOAT_EQ(var(x, Axes{}, false, 1).item<float>(), 14.f / 3);
  EXPECT_FLOAT_EQ(olivine::std(x, Axes{}, false, 2).item<float>(), std::sqrt(7.f));
  EXPECT_TRUE(array_equal(x, x).item<bool>());
}

TEST(RandomForms, SequencesOfKeysRepeat) {
  random::KeySequence one(7), two(8);
  const array first = one.next(), second = one.next();
  EXPECT_FALSE(array_equal(first, second).item<bool>());
  EXPECT_FALSE(array_equal(two.next(), first).item<bool>());
  two.seed(7);
  expect_equal(two.next(), first);
  expect_equal(two.next(), second);
  // The default sequence is the one that functions without a key draw from.
  random::KeySequence::default_().seed(3);
  const array drawn = random::uniform({4});
  random::seed(3);
  expect_equal(random::uniform({4}, float32, random::KeySequence::default_().next()), drawn);
  auto [left, right] = random::split(random::key(5));
  expect_equal(stack({left, right}), random::split(random::key(5), 2));
  expect_error<std::invalid_argument>([] { random::bits({2}, 3); }, "[bits] expected a width");
}

TEST(DtypeForms, KindsAreThoseOfNumPy) {
  std::ostringstream text;
  for (Dtype t : {bool_, uint8, uint64, int8, int64, float16, float64, complex64, complex128}) {
    text << kindof(t);
  }
  text << kindof(bfloat16);
  EXPECT_EQ(text.str(), "buuiiffccV");
  EXPECT_EQ(result_type({array(1), array(1.f), array(true)}), float32);
  EXPECT_EQ(result_type(std::vector<array>{array(1, int8), array(1, uint8)}), int16);
  expect_error<std::invalid_argument>([] { result_type(std::vector<array>{}); }, "[result_type]");
  expect_error<std::invalid_argument>([] { iinfo{bool_}; }, "[iinfo]");
  EXPECT_FALSE(issubdtype(bool_, number));
  EXPECT_TRUE(issubdtype(bool_, generic));
}

TEST(NumberForms, AxesAndSizesAreChecked) {
  EXPECT_EQ(normalize_axis_index(-1, 3), 2);
  EXPECT_EQ(normalize_axis_index(0, 3), 0);
  expect_error<std::out_of_range>([] { normalize_axis_index(3, 3, "[mine] "); },
                                  "[mine] expected an axis in [-3, 3); got 3");
  EXPECT_EQ(safe_cast(uint64_t{1} << 62), int64_t{1} << 62);
  EXPECT_EQ(safe_cast(3.75), 3);
  expect_error<std::invalid_argument>([] { safe_cast(~uint64_t{0}, "mine"); }, "[mine]");
  expect_error<std::invalid_argument>([] { safe_cast(0x1p63); }, "[shape]");
  expect_error<std::invalid_argument>([] { safe_cast(std::nan("")); }, "[shape]");
  EXPECT_TRUE(is_power_of_2(64) && !is_power_of_2(0) && !is_power_of_2(-8) && !is_power_of_2(6));
  EXPECT_EQ(next_power_of_2(0), 1);
  EXPECT_EQ(next_power_of_2(33), 64);
}

TEST(NumberForms, OneThreadIsTheMainOne) {
  EXPECT_TRUE(is_main_thread());
  bool other = true;
  std::thread([&] { other = is_main_thread(); }).join();
  EXPECT_FALSE(other);
}

TEST(MemoryForms, TheWiredLimitIsOnlyRemembered) {
  const size_t before = set_wired_limit(1000);
  EXPECT_EQ(set_wired_limit(before), 1000u);
}

}  // namespace
}  // namespace olivine
