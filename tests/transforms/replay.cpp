// Recordings: steps run again on other arrays, and what they refuse.
#include "transforms/replay.h"

#include <gtest/gtest.h>

#include "olivine/ops/creation.h"
#include "olivine/ops/elementwise.h"
#include "olivine/ops/reduction.h"
#include "olivine/ops/shape.h"
#include "transforms/traced.h"

namespace olivine {
namespace {

using Fns = std::vector<ArrayFn>;

array one(const std::shared_ptr<TracedGraph>& g, const array& x) {
  return inline_graph(*g, {x})[0];
}
array range(int n) { return arange(static_cast<double>(n)); }

TEST(Replay, AStepDerivesSizesAnew) {
  ArrayFn mean = [](const Arrays& in) {
    return Recording::running()->follow({}, in, [](const Fns&, const Arrays& x) {
      return Arrays{divide(sum(x[0]), array(static_cast<float>(x[0].size())))};
    });
  };
  auto g = trace(mean, {range(3)}, Sizes::recorded);
  ASSERT_TRUE(g->fixed_by.empty()) << g->fixed_by;
  EXPECT_EQ(one(g, range(3)).item<float>(), 1.0f);
  EXPECT_EQ(one(resized(*g, {range(5)}), range(5)).item<float>(), 2.0f);
}

TEST(Replay, FunctionsWithinATransformationAreRecordedOneByOne) {
  int calls = 0;
  ArrayFn fn = [&](const Arrays& in) {
    auto step = [](const Fns& fns, const Arrays& x) {
      return Arrays{add(fns[0]({x[0]})[0], fns[0]({flatten(x[0])})[0])};
    };
    ArrayFn inner = [&](const Arrays& x) {
      ++calls;
      return Arrays{multiply(x[0], x[0])};
    };
    return Recording::running()->follow({inner}, in, step);
  };
  auto g = trace(fn, {range(3)}, Sizes::recorded);
  array again = one(resized(*g, {range(4)}), range(4));
  EXPECT_EQ(again.shape(), Shape{4});
  EXPECT_EQ(max(again).item<float>(), 18.0f);
  EXPECT_EQ(calls, 2);
}

TEST(Replay, AGuardThatFailsGivesUp) {
  ArrayFn fn = [](const Arrays& in) {
    Recording::running()->guard([x = in[0]](Replay& r) {
      if (r.at(x).shape(0) > 4) throw OtherOutcome("more than four");
    });
    return Arrays{exp(in[0])};
  };
  auto g = trace(fn, {range(3)}, Sizes::recorded);
  EXPECT_EQ(resized(*g, {range(4)})->outputs[0].shape(), Shape{4});
  EXPECT_THROW(resized(*g, {range(5)}), OtherOutcome);
}

TEST(Replay, ArraysFromNowhereAreRefused) {
  ArrayFn fn = [](const Arrays& in) {
    Recording* recording = Recording::running();
    recording->guard([](Replay&) {});
    InStep inside;
    return Arrays{add(in[0], full(in[0].shape(), array(1.0f)))};
  };
  auto g = trace(fn, {range(3)}, Sizes::recorded);
  EXPECT_THROW(resized(*g, {range(4)}), OtherOutcome);
}

TEST(Replay, NothingIsRecordedOutsideOfATraceOrWithinAStep) {
  EXPECT_EQ(Recording::running(), nullptr);
  ArrayFn fn = [](const Arrays& in) {
    EXPECT_NE(Recording::running(), nullptr);
    {
      InStep inside;
      EXPECT_EQ(Recording::running(), nullptr);
      InStep outside(false);
      EXPECT_NE(Recording::running(), nullptr);
    }
    return in;
  };
  trace(fn, {range(3)}, Sizes::recorded);
  EXPECT_EQ(Recording::running(), nullptr);
}

}  // namespace
}  // namespace olivine
