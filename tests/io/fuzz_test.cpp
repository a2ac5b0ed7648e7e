// Every parser on some thousand mutated files: an array or an error, nothing else.
#include <gtest/gtest.h>

#include "io/fuzz.h"

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

TEST(Fuzz, RunsRepeat) {
  const Parser& p = parsers()[0];
  Result a = Fuzzer(p, OLIVINE_FUZZ_CORPUS, 7).run(2'000, 60);
  Result b = Fuzzer(p, OLIVINE_FUZZ_CORPUS, 7).run(2'000, 60);
  EXPECT_EQ(a.accepted, b.accepted);
  EXPECT_EQ(a.outcomes, b.outcomes);
}

}  // namespace
}  // namespace olivine::fuzz
