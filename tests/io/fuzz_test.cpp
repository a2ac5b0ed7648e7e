// Every parser on some thousand mutated files: an array or an error, nothing else.
#include "io/fuzz.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "core/op.h"
#include "io/fuzz_functions.h"

namespace olivine::fuzz {
namespace {

TEST(Fuzz, AShortRunOfEveryParserFindsNothing) {
  for (const Parser& p : parsers()) {
    Fuzzer fuzzer(p, OLIVINE_FUZZ_CORPUS, 1);
    EXPECT_GT(fuzzer.corpus_size(), 3u) << p.name;
    Result r = fuzzer.run(20'000, 3);
    EXPECT_EQ(r.finding, "") << p.name << " after " << r.inputs << " inputs";
    EXPECT_GT(r.accepted, fuzzer.corpus_size() / 2) << p.name;
    EXPECT_GT(r.outcomes, 8u) << p.name;
  }
}

TEST(Fuzz, TheCorpusHasEveryOpThatCanBeExported) {
  std::string all;
  auto folder = std::filesystem::path(OLIVINE_FUZZ_CORPUS) / "functions";
  for (auto& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream in(entry.path(), std::ios::binary);
    all.append(std::istreambuf_iterator<char>(in), {});
  }
  std::string missing;
  for (const Op* op : all_ops()) {
    std::string name(1, static_cast<char>(std::strlen(op->name)));
    if (can_be_exported(*op) && all.find(name + op->name) == std::string::npos) {
      missing += op->name + std::string(" ");
    }
  }
  EXPECT_EQ(missing, "") << "add functions with these ops to tools/fuzz_functions.py";
}

TEST(Fuzz, RepairedFunctionsAreTheSame) {
  auto folder = std::filesystem::path(OLIVINE_FUZZ_CORPUS) / "functions";
  for (auto& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream in(entry.path(), std::ios::binary);
    Bytes before{std::istreambuf_iterator<char>(in), {}};
    Bytes after = before;
    repair_function(after);
    EXPECT_TRUE(before == after) << entry.path();
  }
}

TEST(Fuzz, RunsRepeat) {
  const Parser& p = parsers()[0];
  Result a = Fuzzer(p, OLIVINE_FUZZ_CORPUS, 7).run(2'000, 60);
  Result b = Fuzzer(p, OLIVINE_FUZZ_CORPUS, 7).run(2'000, 60);
  EXPECT_EQ(a.accepted, b.accepted);
  EXPECT_EQ(a.outcomes, b.outcomes);
}

}  // namespace
}  // namespace olivine::fuzz
