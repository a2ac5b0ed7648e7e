// C++ functions compiled for any sizes: where an op leaves something out for some sizes, others
// take another trace.
#include <gtest/gtest.h>

#include "olivine/olivine.h"

namespace olivine {
namespace {

using Arrays = std::vector<array>;

bool same(const array& got, const array& want) { return array_equal(got, want).item<bool>(); }

TEST(AnySize, ARollByTheLengthOfAnAxisIsNotLeftOutForOthers) {
  const ArrayFn fn = [](const Arrays& in) { return Arrays{roll(in[0], 2)}; };
  const ArrayFn compiled = compile(fn, true);
  for (int n : {2, 3, 5, 4, 2}) {
    const array x = arange(n);
    EXPECT_TRUE(same(compiled({x})[0], fn({x})[0])) << n;
  }
}

TEST(AnySize, ShapesThatDifferAreComparedAnew) {
  const ArrayFn fn = [](const Arrays& in) { return Arrays{array_equal(in[0], in[1])}; };
  const ArrayFn compiled = compile(fn, true);
  EXPECT_FALSE(compiled({zeros({3}), zeros({4})})[0].item<bool>());
  EXPECT_TRUE(compiled({zeros({5}), zeros({5})})[0].item<bool>());
  EXPECT_FALSE(compiled({zeros({5}), zeros({6})})[0].item<bool>());
}

TEST(AnySize, AScalarThatFillsAnArrayIsBroadcastAnew) {
  const ArrayFn fn = [](const Arrays& in) {
    return Arrays{slice_update(in[0], array(1.5f), Shape{0, 0}, in[0].shape()),
                  full_like(in[0], array(2.f))};
  };
  const ArrayFn compiled = compile(fn, true);
  for (int n : {3, 4, 6}) {
    const array x = ones({n, 2});
    EXPECT_TRUE(same(compiled({x})[0], fn({x})[0])) << n;
    EXPECT_TRUE(same(compiled({x})[1], fn({x})[1])) << n;
  }
}

TEST(AnySize, RepeatsForEachPositionAreForAxesOfTheirLengthOnly) {
  const array repeats({1, 2, 0});
  const ArrayFn compiled =
      compile([&](const Arrays& in) { return Arrays{repeat(in[0], repeats, 0, 4)}; }, true);
  EXPECT_EQ(compiled({zeros({3, 2})})[0].shape(), (Shape{4, 2}));
  EXPECT_THROW(compiled({zeros({5, 2})}), std::invalid_argument);
}

TEST(AnySize, FactorsOfSquareAndOfTallMatricesHaveTheirOwnGradients) {
  const ArrayFn fn = [](const Arrays& in) {
    const ScalarFn loss = [](const Arrays& x) { return sum(square(linalg::lu(x[0])[1])); };
    return grad(loss)(in);
  };
  const ArrayFn compiled = compile(fn, true);
  for (int rows : {3, 4, 5}) {
    const array x = random::normal({rows, 3}, random::key(rows));
    EXPECT_TRUE(allclose(compiled({x})[0], fn({x})[0]).item<bool>()) << rows;
  }
}

}  // namespace
}  // namespace olivine
