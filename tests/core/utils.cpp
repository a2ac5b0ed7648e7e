// The helpers of olivine/utils.h and olivine/memory.h, and MLX's forms of functions, from C++.
#include <gtest/gtest.h>

#include <sstream>

#include "olivine/olivine.h"

namespace olivine {
namespace {

TEST(Utils, LimitsOfDtypes) {
  EXPECT_EQ(finfo(float16).max, 65504);
  EXPECT_EQ(finfo(complex64).bits, 32);
  EXPECT_EQ(iinfo(int8).min, -128);
  EXPECT_EQ(iinfo(uint64).max, ~uint64_t{0});
  EXPECT_THROW(finfo{int32}, std::invalid_argument);
  EXPECT_THROW(iinfo{float32}, std::invalid_argument);
  EXPECT_TRUE(issubdtype(float32, floating));
  EXPECT_EQ(Dtype(TypeToDtype<double>()), float64);
  EXPECT_EQ(result_type(array(1), array(1.f), array(true)), float32);
}

TEST(Utils, StreamContextRestoresTheDefault) {
  Stream before = default_stream(Device::cpu), other = new_stream(Device::cpu);
  {
    StreamContext context(other);
    EXPECT_EQ(default_stream(Device::cpu), other);
  }
  EXPECT_EQ(default_stream(Device::cpu), before);
  std::ostringstream text;
  text << before;
  EXPECT_EQ(text.str(), "Stream(Device(cpu, 0), " + std::to_string(before.index) + ")");
}

TEST(Utils, BuffersAreCountedOnce) {
  array a(std::vector<float>(100).data(), {100}, float32);
  EXPECT_EQ(get_array_buffer_size({a, reshape(a, {10, 10})}), 400u);
}

TEST(Utils, ScalarFormsOfRandomFunctions) {
  array key = random::key(1);
  EXPECT_EQ(random::uniform(-1, 1.5f, {3}, float32, key).shape(), Shape{3});
  EXPECT_EQ(random::randint(0, 5, {2}, int32, key).dtype(), int32);
  EXPECT_EQ(random::normal({1}, 1.f, 0.f, key).item<float>(), 1.f);
  EXPECT_EQ(random::permutation(4, key).shape(), Shape{4});
  EXPECT_EQ(random::categorical(array({1.f, 2.f, 3.f}), -1, 5, key).shape(), Shape{5});
}

TEST(Distributed, AGroupOfOne) {
  distributed::Group group = distributed::init();
  EXPECT_EQ(group.size(), 1);
  EXPECT_EQ(distributed::all_sum(array(3), group).item<int>(), 3);
  EXPECT_THROW(distributed::init(true), std::runtime_error);
}

}  // namespace
}  // namespace olivine
