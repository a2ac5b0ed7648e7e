// A mutation fuzzer of the file parsers, in one process and deterministic: same seed, same inputs.
//
// Inputs are mutated copies of a pool, which starts as a corpus and takes in every input that ends
// in an error not seen before, and some of those that are accepted.
// A parser may accept an input or throw an error of ours; anything else is a finding, as is memory
// out of proportion to the input. Crashes are the sanitizers' to find.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <unordered_set>
#include <vector>

#include "olivine/io.h"

namespace olivine::fuzz {

using Bytes = std::vector<unsigned char>;

struct Parser {
  const char* name;    // its corpus lies in the folder of this name
  const char* tokens;  // pieces of text that mutations insert, separated by spaces
  std::function<void(const ByteSource&)> parse;
  // Optional: repairs lengths after a mutation, so that it reaches deeper.
  void (*repair)(Bytes& input) = nullptr;
};
// All parsers. A new one is one entry there, and a folder of small files in tests/io/corpus.
const std::vector<Parser>& parsers();

struct Result {
  uint64_t inputs = 0, accepted = 0;
  uint64_t skipped = 0;  // right, but too much work
  size_t outcomes = 0;   // distinct
  double seconds = 0;
  std::string finding;  // empty: none
};

class Fuzzer {
 public:
  Fuzzer(const Parser& parser, const std::string& corpus_folder, uint64_t seed);
  // Until there are this many inputs, or seconds, or a finding. `progress` is called every ten
  // seconds with what there is so far.
  Result run(uint64_t inputs, double seconds,
             const std::function<void(const Result&)>& progress = nullptr);
  // How many inputs were parsed, for those who watch from another thread that this goes on.
  uint64_t parsed() const { return parsed_.load(std::memory_order_relaxed); }
  // What was parsed last, for those who handle a crash.
  const Bytes& current() const { return input_; }
  size_t corpus_size() const { return corpus_size_; }

 private:
  uint64_t random(uint64_t below);
  void mutate();
  void mutate_once();
  void insert(size_t at, const unsigned char* p, size_t n);
  bool parse_current(Result& result);

  const Parser& parser_;
  std::vector<Bytes> pool_;
  size_t corpus_size_ = 0;
  std::vector<std::string> tokens_;
  std::unordered_set<size_t> outcomes_;
  Bytes input_;
  std::atomic<uint64_t> parsed_{0};
  uint64_t state_;
};

}  // namespace olivine::fuzz
