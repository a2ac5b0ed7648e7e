// Fuzzes the file parsers for long: olivine_fuzz_io [--inputs N] [--seconds T] [--seed S] [parser…]
//
// Build it in the asan tree (cmake --preset asan; target olivine_fuzz_io). Without names all
// parsers run, each for N inputs or T seconds. An input that ends in a finding or a crash is
// written to fuzz-<parser>.bin in the current folder; `olivine_fuzz_io --file F parser` runs it
// again.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

#include "io/fuzz.h"

extern "C" __attribute__((weak)) void __sanitizer_set_death_callback(void (*)());

namespace {

using namespace olivine;

const char* current_parser = "";
const fuzz::Fuzzer* current_fuzzer = nullptr;

void write_input() {
  if (!current_fuzzer) return;
  char path[64];
  std::snprintf(path, sizeof path, "fuzz-%s.bin", current_parser);
  const fuzz::Bytes& input = current_fuzzer->current();
  if (FILE* f = std::fopen(path, "wb")) {
    std::fwrite(input.data(), 1, input.size(), f);
    std::fclose(f);
  }
  std::fprintf(stderr, "the input is in %s\n", path);
  current_fuzzer = nullptr;
}

void on_signal(int number) {
  write_input();
  std::signal(number, SIG_DFL);
  std::raise(number);
}

struct Options {
  uint64_t inputs = UINT64_MAX, seed = 1;
  double seconds = 1e9;
  const char* file = nullptr;
  std::vector<std::string> names;
};

Options parse_options(int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; ++i) {
    auto value = [&] { return i + 1 < argc ? argv[++i] : ""; };
    if (!std::strcmp(argv[i], "--inputs")) {
      o.inputs = std::strtoull(value(), nullptr, 10);
    } else if (!std::strcmp(argv[i], "--seconds")) {
      o.seconds = std::strtod(value(), nullptr);
    } else if (!std::strcmp(argv[i], "--seed")) {
      o.seed = std::strtoull(value(), nullptr, 10);
    } else if (!std::strcmp(argv[i], "--file")) {
      o.file = value();
    } else {
      o.names.push_back(argv[i]);
    }
  }
  if (o.inputs == UINT64_MAX && o.seconds == 1e9) o.seconds = 60;
  return o;
}

void run_file(const fuzz::Parser& parser, const char* path) {
  std::ifstream in(path, std::ios::binary);
  std::string data(std::istreambuf_iterator<char>(in), {});
  try {
    parser.parse({data.size(), path, [&](uint64_t offset, void* out, size_t size) {
                    std::memcpy(out, data.data() + offset, size);
                  }});
    std::printf("%s: accepted\n", parser.name);
  } catch (const std::exception& e) {
    std::printf("%s: %s\n", parser.name, e.what());
  }
}

}  // namespace

int main(int argc, char** argv) {
  Options o = parse_options(argc, argv);
  for (int s : {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL}) std::signal(s, on_signal);
  if (__sanitizer_set_death_callback) __sanitizer_set_death_callback(write_input);
  int findings = 0;
  for (const fuzz::Parser& p : fuzz::parsers()) {
    bool wanted = o.names.empty();
    for (const std::string& name : o.names) wanted |= name == p.name;
    if (!wanted) continue;
    if (o.file) {
      run_file(p, o.file);
      continue;
    }
    fuzz::Fuzzer fuzzer(p, OLIVINE_FUZZ_CORPUS, o.seed);
    current_parser = p.name;
    current_fuzzer = &fuzzer;
    fuzz::Result r = fuzzer.run(o.inputs, o.seconds);
    std::printf("%-12s %12llu inputs  %9.0f /s  %9llu accepted  %4zu outcomes  seed %llu\n", p.name,
                static_cast<unsigned long long>(r.inputs), double(r.inputs) / r.seconds,
                static_cast<unsigned long long>(r.accepted), r.outcomes,
                static_cast<unsigned long long>(o.seed));
    std::fflush(stdout);
    if (!r.finding.empty()) {
      std::printf("%s: %s\n", p.name, r.finding.c_str());
      write_input();
      ++findings;
    }
    current_fuzzer = nullptr;
  }
  return findings > 0;
}
