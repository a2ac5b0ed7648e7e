// Memory plans and limits from C++.
#include "olivine/memory_plan.h"

#include <gtest/gtest.h>

#include "olivine/olivine.h"

namespace olivine {
namespace {

// A chain whose gradient reads every value again.
std::vector<array> gradient(const std::vector<array>& in) {
  auto loss = [](const array& x) {
    array y = x;
    for (int i = 0; i < 24; ++i) y = tanh(matmul(y, full({64, 64}, 0.01f)));
    return sum(y);
  };
  return {grad(loss)(in[0])};
}

size_t peak_of_call(const ArrayFn& fn, const array& x) {
  size_t others = get_active_memory() - x.nbytes();
  std::vector<array> out = fn({x});
  reset_peak_memory();
  eval(out);
  return get_peak_memory() - others;
}

TEST(MemoryPlan, TellsThePeakOfACall) {
  array x = ones({1024, 64});
  eval(x);
  ArrayFn step = compile(gradient);
  MemoryPlan plan = memory_plan(step, {x});
  size_t peak = peak_of_call(step, x);
  EXPECT_NEAR(static_cast<double>(plan.peak), static_cast<double>(peak), 0.05 * peak);
  EXPECT_EQ(plan.arguments, x.nbytes());
  EXPECT_NE(plan.text().find("Largest at the peak"), std::string::npos);
  EXPECT_EQ(plan.svg().rfind("<svg", 0), 0u);
}

TEST(MemoryPlan, ALimitIsKeptWithTheSameBits) {
  array x = ones({1024, 64});
  eval(x);
  MemoryPlan whole = memory_plan(gradient, {x});
  ArrayFn tight = compile(gradient, false, {whole.peak / 2, {}});
  MemoryPlan plan = memory_plan(tight, {x});
  EXPECT_LE(plan.peak, whole.peak / 2);
  EXPECT_GT(plan.recomputed, 0u);
  EXPECT_LE(peak_of_call(tight, x), whole.peak / 2);
  EXPECT_TRUE(array_equal(tight({x})[0], compile(gradient)({x})[0]).item<bool>());
}

TEST(MemoryPlan, ALimitBelowTheLeastIsAnErrorOfTheCall) {
  ArrayFn step = compile(gradient, false, {1000, {}});
  EXPECT_THROW(step({ones({1024, 64})}), std::invalid_argument);
}

TEST(MemoryPlan, DonatedInputsAreNotCountedTwice) {
  auto twice = [](const std::vector<array>& in) { return std::vector<array>{in[0] + in[0]}; };
  array x = reshape(arange(1 << 20, float32), {1024, 1024});
  eval(x);
  size_t kept = memory_plan(compile(twice), {x}).peak;
  size_t given = memory_plan(compile(twice, false, {0, {0}}), {x}).peak;
  EXPECT_EQ(kept, 2 * x.nbytes());
  EXPECT_EQ(given, x.nbytes());
}

}  // namespace
}  // namespace olivine
