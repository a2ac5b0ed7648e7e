// Jacobians and Hessians of C++ functions, by which inputs, against formulas.
#include <gtest/gtest.h>

#include "core/error.h"
#include "olivine/olivine.h"

namespace olivine {
namespace {

using Arrays = std::vector<array>;

const array w({1.0, 2.0}, float64);
const array x({0.5, -1.0, 3.0}, float64);

bool near(const array& a, const array& b) {
  return a.shape() == b.shape() && allclose(a, b, 1e-12, 1e-12).item<bool>();
}
// An outer product and a sum of squares.
Arrays outputs_of(const Arrays& in) { return {outer(in[0], in[1]), sum(square(in[1]))}; }

TEST(Jacobian, IsOfEachOutputByEachInput) {
  auto [out, rows] = jacobian(outputs_of, {w, x});
  EXPECT_TRUE(near(out[0], outer(w, x)));
  ASSERT_EQ(rows.size(), 2u);
  ASSERT_EQ(rows[0].size(), 2u);
  // d(w_i x_j)/d(w_k) = x_j where i = k, d(w_i x_j)/d(x_k) = w_i where j = k.
  array e2 = eye(2, float64), e3 = eye(3, float64);
  EXPECT_TRUE(near(rows[0][0], multiply(reshape(e2, {2, 1, 2}), reshape(x, {1, 3, 1}))));
  EXPECT_TRUE(near(rows[0][1], multiply(reshape(e3, {1, 3, 3}), reshape(w, {2, 1, 1}))));
  EXPECT_TRUE(near(rows[1][0], zeros({2}, float64)));
  EXPECT_TRUE(near(rows[1][1], multiply(array(2.0, float64), x)));
}

TEST(Jacobian, IsByTheArgumentsAskedFor) {
  auto by_last = jacobian(outputs_of, {w, x}, {-1}).second;
  EXPECT_EQ(by_last[1].size(), 1u);
  EXPECT_TRUE(near(by_last[1][0], multiply(array(2.0, float64), x)));
  auto [out, both] = jacobian(outputs_of, {w, x}, {1, 0});
  EXPECT_EQ(both[0][0].shape(), (Shape{2, 3, 3}));
  EXPECT_EQ(both[0][1].shape(), (Shape{2, 3, 2}));
  EXPECT_THROW(jacobian(outputs_of, {w, x}, {2}), std::invalid_argument);
  EXPECT_THROW(jacobian(outputs_of, {arange(2), x}), std::invalid_argument);
}

TEST(Hessian, IsOfEachPairOfInputs) {
  auto f = [](const Arrays& in) { return Arrays{sum(multiply(sin(in[0]), in[1]))}; };
  array a({0.3, 0.8}, float64), b({2.0, -1.0}, float64);
  auto h = hessian(f, {a, b});
  EXPECT_TRUE(near(h[0][0], diag(negative(multiply(sin(a), b)))));
  EXPECT_TRUE(near(h[0][1], diag(cos(a))));
  EXPECT_TRUE(near(h[1][0], diag(cos(a))));
  EXPECT_TRUE(near(h[1][1], zeros({2, 2}, float64)));
  auto by_first = hessian(f, {a, b}, {0});
  ASSERT_EQ(by_first.size(), 1u);
  EXPECT_TRUE(near(by_first[0][0], h[0][0]));
  EXPECT_THROW(hessian([](const Arrays& in) { return in; }, {a}), std::invalid_argument);
}

}  // namespace
}  // namespace olivine
