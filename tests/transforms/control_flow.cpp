// Loops and branches in C++, against formulas.
#include <gtest/gtest.h>

#include "olivine/olivine.h"
#include "transforms/graph.h"
#include "transforms/plan.h"

namespace olivine {
namespace {

using Arrays = std::vector<array>;

void expect_equal(const array& got, const array& want) {
  EXPECT_EQ(got.dtype(), want.dtype());
  EXPECT_TRUE(array_equal(got, want).item<bool>()) << got << " instead of " << want;
}

const ScanFn running_product = [](const Arrays& c, const Arrays& x) {
  return std::pair(Arrays{c[0] * x[0]}, Arrays{c[0]});
};

TEST(ControlFlow, ScansBothWays) {
  const array xs({2.f, 3.f, 5.f});
  auto [carry, ys] = scan(running_product, {array(1.f)}, {xs});
  expect_equal(carry[0], array(30.f));
  expect_equal(ys[0], array({1.f, 2.f, 6.f}));
  auto [back, zs] = scan(running_product, {array(1.f)}, {xs}, {.reverse = true, .names = {}});
  expect_equal(back[0], array(30.f));
  expect_equal(zs[0], array({15.f, 5.f, 1.f}));
}

TEST(ControlFlow, GradientsOfSegmentsAreThoseOfTheWhole) {
  const array xs({2.f, 3.f, 5.f, 7.f, 11.f});
  for (int64_t segment : {0, 1, 2, 3, 5, -1}) {
    UnaryFn f = [&](const array& x) {
      return scan(running_product, {array(1.f)}, {x}, {.checkpoint = segment, .names = {}})
          .first[0];
    };
    expect_equal(grad(f)(xs), array(2310.f) / xs);
  }
}

// One task gives the result and the carries that the gradient reads, another goes back.
TEST(ControlFlow, AValueAndItsGradientRunTheLoopOnce) {
  ArrayFn f = [](const Arrays& x) { return scan(running_product, {array(1.f)}, x).first; };
  auto [value, gradient] = value_and_grad(f, {array({2.f, 3.f})}, {0});
  PlanBuilder builder;
  builder.placeholder_index = [](Node*) { return -1; };
  builder.is_held = [](Node*, uint32_t) { return false; };
  std::lock_guard lock(graph_lock());
  builder.collect(Arrays{value[0], gradient[0]}, nullptr);
  builder.build();
  auto is_loop = [](const Task& t) { return t.kind == Task::Kind::loop; };
  EXPECT_EQ(std::ranges::count_if(builder.plan.tasks, is_loop), 2);
}

TEST(ControlFlow, LoopsEndWhereTheyShould) {
  ArrayFn twice = [](const Arrays& c) { return Arrays{c[0] + c[0]}; };
  ScalarFn small = [](const Arrays& c) { return c[0] < array(100); };
  expect_equal(while_loop(small, twice, {array(3)})[0], array(192));
  expect_equal(while_loop(small, twice, {array(3)}, {.length = 2, .names = {}})[0], array(12));
  CountFn sum = [](const array& i, const Arrays& c) { return Arrays{c[0] + i}; };
  expect_equal(fori_loop(2, 5, sum, {array(0)})[0], array(9));
  expect_equal(fori_loop(array(2), array(5), sum, {array(0)})[0], array(9));
  expect_equal(map(twice, {array({1, 2})})[0], array({2, 4}));
}

TEST(ControlFlow, OneBranchIsTaken) {
  ArrayFn twice = [](const Arrays& c) { return Arrays{c[0] + c[0]}; };
  ArrayFn same = [](const Arrays& c) { return c; };
  expect_equal(cond(array(true), twice, same, {array(3)})[0], array(6));
  expect_equal(switch_(array(-1), {same, twice}, {array(3)})[0], array(3));
  expect_equal(switch_(array(9), {same, twice}, {array(3)})[0], array(6));
}

TEST(ControlFlow, ErrorsNameTheArray) {
  CountFn grows = [](const array&, const Arrays& c) { return Arrays{c[0], concatenate(c)}; };
  try {
    fori_loop(0, 2, grows, {array({1.f}), array({2.f})}, {.names = {"position", "speed"}});
    FAIL();
  } catch (const std::invalid_argument& e) {
    EXPECT_NE(std::string(e.what()).find("return speed as it was given"), std::string::npos);
  }
}

}  // namespace
}  // namespace olivine
