// The forms of the transformations for functions of one or two arrays, against derivatives by hand.
#include <gtest/gtest.h>

#include "olivine/olivine.h"

namespace olivine {
namespace {

using Arrays = std::vector<array>;

void expect_equal(const array& got, const array& want) {
  EXPECT_EQ(got.dtype(), want.dtype());
  EXPECT_TRUE(array_equal(got, want).item<bool>()) << got << " instead of " << want;
}

const UnaryFn cube = [](const array& x) { return x * x * x; };
const UnaryFn sum_of_cubes = [](const array& x) { return sum(cube(x)); };
// x0 x1^2, summed: its gradients are x1^2 and 2 x0 x1.
const ScalarFn product = [](const Arrays& in) { return sum(in[0] * square(in[1])); };

TEST(FormsOfTransforms, OfOneArray) {
  const array x({1.f, 2.f, -3.f}), v({1.f, 10.f, 100.f});
  const array slopes({3.f, 120.f, 2700.f});
  auto [out, gradient] = vjp(cube, x, v);
  expect_equal(out, array({1.f, 8.f, -27.f}));
  expect_equal(gradient, slopes);
  auto [primal, tangent] = jvp(cube, x, v);
  expect_equal(primal, out);
  expect_equal(tangent, slopes);
  expect_equal(grad(sum_of_cubes)(x), array({3.f, 12.f, 27.f}));
  auto [value, both] = value_and_grad(sum_of_cubes)(x);
  expect_equal(value, array(-18.f));
  expect_equal(both, array({3.f, 12.f, 27.f}));
}

TEST(FormsOfTransforms, OfSeveralArraysWithOneResult) {
  const Arrays in = {array({2.f, 3.f}), array({5.f, 7.f})};
  auto [value, gradients] = value_and_grad(product, std::vector<int>{1, 0})(in);
  expect_equal(value, array(2.f * 25 + 3 * 49));
  ASSERT_EQ(gradients.size(), 2u);
  expect_equal(gradients[0], array({20.f, 42.f}));
  expect_equal(gradients[1], array({25.f, 49.f}));
  expect_equal(value_and_grad(product)(in).second.at(0), array({25.f, 49.f}));
  expect_equal(grad(product, 1)(in).at(0), array({20.f, 42.f}));
  EXPECT_THROW(grad(product, 2)(in), std::invalid_argument);
}

TEST(FormsOfTransforms, OfSeveralArraysWithSeveralResults) {
  const ArrayFn fn = [](const Arrays& in) { return Arrays{sum(in[0] * in[1]), in[0]}; };
  const Arrays in = {array({2.f, 3.f}), array({5.f, 7.f})};
  auto [out, gradients] = value_and_grad(fn, 1)(in);
  ASSERT_EQ(out.size(), 2u);
  expect_equal(out[0], array(31.f));
  expect_equal(gradients.at(0), in[0]);
  expect_equal(grad(fn)(in).at(0), in[1]);
}

TEST(FormsOfTransforms, MapsOverGivenAxes) {
  const array m({1.f, 2.f, 3.f, 4.f, 5.f, 6.f}, {2, 3}), v({1.f, 2.f});
  const UnaryFn total = [](const array& x) { return sum(x); };
  expect_equal(vmap(total)(m), array({6.f, 15.f}));
  expect_equal(vmap(total, 1)(m), array({5.f, 7.f, 9.f}));
  const UnaryFn twice = [](const array& x) { return x + x; };
  expect_equal(vmap(twice, 0, 1)(m), transpose(m + m));
  const BinaryFn dot = [](const array& a, const array& b) { return sum(a * b); };
  expect_equal(vmap(dot, 1, -1)(m, v), array({9.f, 12.f, 15.f}));
  const BinaryFn outer_row = [](const array& a, const array& b) { return a * b; };
  expect_equal(vmap(outer_row, 0, 0, 1)(v, m), transpose(expand_dims(v, 1) * m));
}

TEST(FormsOfTransforms, CustomRulesReplaceThoseGiven) {
  const ArrayFn fn = [](const Arrays& in) { return Arrays{in[0] * in[0]}; };
  const Arrays x = {array({1.f, 2.f})}, ones = {array({1.f, 1.f})};
  auto seven = [](const Arrays& in, const Arrays& ct, const Arrays&) {
    return Arrays{ct[0] * array(7.f) + zeros_like(in[0])};
  };
  auto nine = [](const Arrays&, const Arrays& t, const std::vector<int>& which) {
    EXPECT_EQ(which, std::vector<int>{0});
    return Arrays{t[0] * array(9.f)};
  };
  auto mapped = [](const Arrays& in, const std::vector<int>& axes) {
    return std::pair(Arrays{in[0] * array(100.f)}, axes);
  };
  const ArrayFn all = custom_function(fn, seven, nine, mapped);
  expect_equal(all(x)[0], array({1.f, 4.f}));
  expect_equal(vjp(all, x, ones).second[0], array({7.f, 7.f}));
  expect_equal(jvp(all, x, ones).second[0], array({9.f, 9.f}));
  expect_equal(vmap(all)(x)[0], array({100.f, 200.f}));
  // Rules that are missing are those of the function itself.
  const ArrayFn some = custom_function(fn, seven);
  expect_equal(jvp(some, x, ones).second[0], array({2.f, 4.f}));
  expect_equal(vmap(some)(x)[0], array({1.f, 4.f}));
}

}  // namespace
}  // namespace olivine
