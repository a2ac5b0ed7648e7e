// Profiles from C++: what ran, its figures, and the files.
#include "olivine/profiler.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "olivine/olivine.h"

namespace olivine {
namespace {

using profiler::Profile;
using profiler::Row;

// With memory for every element.
array filled(Shape shape) {
  array a = random::normal(shape);
  eval(a);
  return a;
}

Row row(const Profile& p, const std::string& name, const std::string& by = "op") {
  for (const Row& r : p.rows(by)) {
    if (r.name == name) return r;
  }
  ADD_FAILURE() << "no row " << name << " in\n" << p.table(by, 50, false);
  return {};
}

TEST(Profiler, CountsOperationsAndBytes) {
  array a = filled({64, 200}), b = filled({200, 300});
  Profile p = profiler::profile([&] {
    for (int i = 0; i < 5; ++i) eval(matmul(a, b));
  });
  Row product = row(p, "matmul");
  EXPECT_EQ(product.count, 5);
  EXPECT_EQ(product.flops, 5 * 2.0 * 64 * 300 * 200);
  EXPECT_EQ(product.bytes, 5 * 4.0 * (64 * 200 + 200 * 300 + 64 * 300));
  EXPECT_EQ(p.flops(), product.flops);
  EXPECT_GT(product.seconds, 0);
  EXPECT_LT(product.seconds, p.wall());
  EXPECT_EQ(p.dropped(), 0u);
  EXPECT_GE(p.peak_memory(), 64u * 300 * 4);
}

TEST(Profiler, NearlyAllTimeIsAttributed) {
  array x = filled({128, 128});
  auto step = compile([](const std::vector<array>& in) {
    return std::vector<array>{tanh(matmul(in[0], in[0])) * array(0.1f) + in[0]};
  });
  eval(step({x}));
  Profile p = profiler::profile([&] {
    for (int i = 0; i < 200; ++i) eval(step({x}));
  });
  EXPECT_GE(p.attributed(), 0.98) << p.table("op", 15, false);
  double sum = 0;
  for (const auto& [_, seconds] : p.phases()) sum += seconds;
  EXPECT_NEAR(sum, p.wall(), 1e-3 * p.wall());
  EXPECT_EQ(p.phases()[0].first, "program");
  EXPECT_EQ(row(p, "matmul").count, 200);
}

TEST(Profiler, ThreadsAreRecorded) {
  array x = filled({100, 100});
  Profile p = profiler::profile([&] {
    std::thread([&] { eval(matmul(x, x)); }).join();
    eval(matmul(x, x));
  });
  EXPECT_EQ(row(p, "matmul").count, 2);
  EXPECT_EQ(nlohmann::json::parse(p.json())["threads"].size(), 2u);
}

TEST(Profiler, ReportsAgree) {
  array x = filled({64, 64});
  Profile p = profiler::profile([&] { eval(matmul(x, x)); });
  EXPECT_NE(p.table().find("of limit"), std::string::npos);
  EXPECT_NE(p.table("shape").find("matmul 64x64, 64x64"), std::string::npos);
  auto json = nlohmann::json::parse(p.json());
  EXPECT_EQ(json["rows"]["op"][0]["name"], "matmul");
  EXPECT_NEAR(json["wall"].get<double>(), p.wall(), 1e-9);

  std::string path = testing::TempDir() + "olivine_trace.json";
  p.save_trace(path);
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  auto events = nlohmann::json::parse(text.str())["traceEvents"];
  int products = 0;
  for (const auto& e : events) products += e["name"] == "matmul";
  EXPECT_EQ(products, 1);
  std::remove(path.c_str());
  EXPECT_THROW(p.save_trace("/no/such/folder/trace.json"), std::runtime_error);
  EXPECT_THROW(p.rows("colour"), std::invalid_argument);
}

TEST(Profiler, OneRunsAtATimeAndAnExceptionEndsIt) {
  EXPECT_THROW(profiler::stop(), std::runtime_error);
  EXPECT_THROW(profiler::profile([] { throw std::logic_error("mine"); }), std::logic_error);
  profiler::start();
  EXPECT_THROW(profiler::start(), std::runtime_error);
  EXPECT_TRUE(profiler::stop().rows().empty());
}

TEST(Profiler, EventsBeyondTheLimitAreCounted) {
  array x = filled({10});
  profiler::start(2048);
  for (int i = 0; i < 3000; ++i) eval(x + array(1.0f));
  Profile p = profiler::stop();
  EXPECT_GT(p.dropped(), 0u);
  EXPECT_LE(row(p, "add").count, 2048);
}

// Nothing tells where a line of a C++ program is, so names and shapes stand alone.
TEST(ErrorLocation, TellsHowOperandsCameToBe) {
  array table = reshape(arange(12), {4, 3}) + array(1);
  array rows = array({1, 2, 3}) * array(2);
  try {
    eval(take(table, rows, 0));
    FAIL() << "expected an error";
  } catch (const std::out_of_range& e) {
    std::string text = e.what();
    EXPECT_NE(text.find("from add (4, 3) int32"), std::string::npos) << text;
    EXPECT_NE(text.find("multiply (3,) int32"), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace olivine
