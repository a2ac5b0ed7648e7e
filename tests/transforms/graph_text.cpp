// Graphs as text, and exported functions in each of the forms that a C++ program may give.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <sstream>

#include "olivine/olivine.h"

namespace olivine {
namespace {

void expect_equal(const array& got, const array& want) {
  EXPECT_EQ(got.dtype(), want.dtype());
  EXPECT_TRUE(array_equal(got, want).item<bool>()) << got << " instead of " << want;
}
template <class F>
void expect_error(F f, const std::string& text) {
  try {
    f();
    FAIL() << "nothing was thrown instead of: " << text;
  } catch (const std::exception& e) {
    EXPECT_NE(std::string(e.what()).find(text), std::string::npos) << e.what();
  }
}

TEST(GraphText, NamesAreGivenInTheOrderOfAsking) {
  NodeNamer namer;
  std::vector<array> arrays;
  for (int i = 0; i < 30; ++i) arrays.emplace_back(i);
  namer.set_name(arrays[1], "weights");
  EXPECT_EQ(namer.get_name(arrays[5]), "A");
  EXPECT_EQ(namer.get_name(arrays[1]), "weights");
  EXPECT_EQ(namer.get_name(arrays[5]), "A") << "a name stays";
  EXPECT_EQ(namer.get_name(arrays[0]), "B");
  for (int i = 6; i < 30; ++i) namer.get_name(arrays[i]);
  EXPECT_EQ(namer.get_name(arrays[29]), "Z");
  EXPECT_EQ(namer.get_name(arrays[2]), "AA");
}

TEST(GraphText, OneLineSaysWhatAnOpReadsAndMakes) {
  const array x({1.f, 2.f, 3.f, 4.f}, {2, 2});
  const array inner = exp(x), out = sum(inner, 1, true);
  std::ostringstream text;
  print_graph(text, std::vector<array>{out});
  EXPECT_EQ(text.str(),
            "Inputs: A (2, 2) float32\n"
            "Outputs: C (2, 1) float32\n"
            "exp: A (2, 2) float32 -> B (2, 2) float32\n"
            "sum: B (2, 2) float32 -> C (2, 1) float32\n");
}

TEST(GraphText, GivenNamesAreKeptAndNotGivenAgain) {
  const array x({1.f, 2.f}), y({3.f, 4.f});
  const array z = add(x, y);
  NodeNamer namer;
  namer.set_name(y, "A");
  namer.set_name(z, "result");
  std::ostringstream text;
  print_graph(text, namer, z);
  EXPECT_EQ(text.str(),
            "Inputs: B (2,) float32, A (2,) float32\n"
            "Outputs: result (2,) float32\n"
            "add: B (2,) float32, A (2,) float32 -> result (2,) float32\n");
}

TEST(GraphText, ScalarsShowTheirValues) {
  NodeNamer namer;
  const array x({1.f, 2.f});
  auto text_of = [&](const array& scalar) {
    GraphDescription g = describe_graph(namer, {add(astype(x, scalar.dtype()), scalar)});
    std::string all;
    for (const auto& v : g.values) all += v.text;
    return all;
  };
  EXPECT_EQ(text_of(array(-7)), "-7");
  EXPECT_EQ(text_of(array(~uint64_t{0})), "18446744073709551615");
  EXPECT_EQ(text_of(array(2.5f)), "2.5");
  GraphDescription g = describe_graph(namer, {logical_or(array({true, false}), array(true))});
  EXPECT_TRUE(std::ranges::any_of(g.values, [](const auto& v) { return v.text == "true"; }));
}

// ---- Exported functions

struct Path {
  std::string name =
      std::filesystem::temp_directory_path() / ("olivine_export_" + std::to_string(::getpid()));
  ~Path() { std::filesystem::remove(name); }
};
const array two({2.f, 3.f}), five({5.f, 7.f});

TEST(ExportForms, FunctionsOfPositionalInputs) {
  const Path path;
  const FunctionOfArgs fun = [](const Args& in) { return Args{in[0] * in[1], in[0]}; };
  export_function(path.name, fun, Args{two, five}, false, "note");
  const ImportedFunction back = import_function(path.name);
  EXPECT_EQ(back.metadata(), "note");
  const auto out = back({two, five});
  ASSERT_EQ(out.size(), 2u);
  expect_equal(out[0], array({10.f, 21.f}));
  expect_equal(out[1], two);
  expect_error([&] { back(Kwargs{{"x", two}}); }, "[import_function] expected inputs");
  FunctionExporter named = exporter(path.name, fun);
  expect_error([&] { named(Kwargs{{"x", two}}); }, "[export_function] expected positional inputs");
  named.abandon();
}

TEST(ExportForms, FunctionsOfNamedInputs) {
  const Path path;
  const FunctionOfKwargs fun = [](const Kwargs& in) { return Args{in.at("x") - in.at("y")}; };
  export_function(path.name, fun, Kwargs{{"x", five}, {"y", two}});
  const ImportedFunction back = import_function(path.name);
  expect_equal(back(Kwargs{{"y", two}, {"x", five}})[0], array({3.f, 4.f}));
  FunctionExporter positional = exporter(path.name, fun);
  expect_error([&] { positional({two, five}); }, "[export_function] expected named inputs");
  positional.abandon();
  expect_equal(import_function(path.name)(Kwargs{{"y", two}, {"x", five}})[0], array({3.f, 4.f}));
}

TEST(ExportForms, FunctionsOfBothAndOfOtherSizes) {
  const Path path;
  const FunctionOfBoth fun = [](const Args& in, const Kwargs& named) {
    return Args{in[0] * named.at("by")};
  };
  export_function(path.name, fun, Args{two}, Kwargs{{"by", array(10.f)}}, true);
  const ImportedFunction back = import_function(path.name);
  const array three({1.f, 2.f, 3.f});
  expect_equal(back(Args{three}, Kwargs{{"by", array(2.f)}})[0], array({2.f, 4.f, 6.f}));
}

TEST(ExportForms, ExportersCloseWhenTheyGo) {
  const Path path;
  {
    FunctionExporter e =
        exporter(path.name, FunctionOfArgs([](const Args& in) { return Args{-in[0]}; }));
    e({two});
    e({array({1, 2, 3})});
    EXPECT_FALSE(std::filesystem::exists(path.name));
  }
  const ImportedFunction back = import_function(path.name);
  expect_equal(back({array({4, 5, 6})})[0], array({-4, -5, -6}));
  expect_equal(back({two})[0], array({-2.f, -3.f}));
}

TEST(ExportForms, CallbacksSeeEveryFormAlike) {
  std::vector<std::string> parts;
  const ExportCallback callback = [&](const ExportCallbackInput& part) {
    parts.push_back(std::get<std::string>(part.at("type")));
    if (parts.back() == "primitive") parts.back() = std::get<std::string>(part.at("name"));
  };
  const std::vector<std::string> want = {"inputs", "keyword_inputs", "outputs", "constants", "exp"};
  export_function(callback, FunctionOfArgs([](const Args& in) { return Args{exp(in[0])}; }),
                  Args{two});
  EXPECT_EQ(std::exchange(parts, {}), want);
  export_function(callback,
                  FunctionOfKwargs([](const Kwargs& in) { return Args{exp(in.at("x"))}; }),
                  Kwargs{{"x", two}});
  EXPECT_EQ(std::exchange(parts, {}), want);
  export_function(callback,
                  FunctionOfBoth([](const Args& in, const Kwargs&) { return Args{exp(in[0])}; }),
                  Args{two}, {});
  EXPECT_EQ(std::exchange(parts, {}), want);
}

}  // namespace
}  // namespace olivine
