// Fuzzes the parsers of files for long; --help says how.
//
// Build it in the asan tree (cmake --preset asan; target olivine_fuzz_io).
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iterator>
#include <thread>

#include "io/fuzz.h"

extern "C" __attribute__((weak)) void __sanitizer_set_death_callback(void (*)());

namespace {

using namespace olivine;

constexpr char kHelp[] =
    R"(olivine_fuzz_io [--inputs N] [--seconds T] [--seed S] [--quiet] [parser...]
olivine_fuzz_io --file F parser

Parses mutated copies of the files in tests/io/corpus, and runs the functions among them. Without
names all parsers take part, each for N inputs or T seconds (default: 60 seconds). The same seed
gives the same inputs. Progress goes to stderr every ten seconds, a line per parser to stdout.

A parser may accept an input or refuse it with one clear sentence. A crash, a sanitizer's report,
another error, memory out of proportion to the input, and more than ten seconds are findings: they
end the run, and the input is in fuzz-<parser>.bin in the current folder.

  --inputs N    this many inputs per parser
  --seconds T   at most so long per parser
  --seed S      default: 1
  --quiet       no progress
  --file F      parses F as it is, then as the fuzzer would repair it, and says what came of it
)";

std::atomic<const char*> current_parser{""};
std::atomic<const fuzz::Fuzzer*> current_fuzzer{nullptr};

void write_input() {
  const fuzz::Fuzzer* fuzzer = current_fuzzer.exchange(nullptr);
  if (!fuzzer) return;
  char path[64];
  std::snprintf(path, sizeof path, "fuzz-%s.bin", current_parser.load());
  const fuzz::Bytes& input = fuzzer->current();
  if (FILE* f = std::fopen(path, "wb")) {
    std::fwrite(input.data(), 1, input.size(), f);
    std::fclose(f);
  }
  std::fprintf(stderr, "the input is in %s\n", path);
}

void on_signal(int number) {
  write_input();
  std::signal(number, SIG_DFL);
  std::raise(number);
}

// Ends the process when one input takes more than ten seconds of processor time, or a minute during
// which others had the processor, or it was waited for what never came.
void watch() {
  using Clock = std::chrono::steady_clock;
  const fuzz::Fuzzer* fuzzer = nullptr;
  uint64_t parsed = 0;
  Clock::time_point since = Clock::now();
  std::clock_t used = std::clock();
  while (true) {
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    const fuzz::Fuzzer* now = current_fuzzer.load();
    if (now != fuzzer || !now || now->parsed() != parsed) {
      fuzzer = now;
      parsed = now ? now->parsed() : 0;
      since = Clock::now();
      used = std::clock();
      continue;
    }
    double processor = double(std::clock() - used) / CLOCKS_PER_SEC;
    double wall = std::chrono::duration<double>(Clock::now() - since).count();
    if (processor > 10 || wall > 60) {
      std::fprintf(stderr, "%s: one input took %.0f s, %.0f s of them of the processor\n",
                   current_parser.load(), wall, processor);
      write_input();
      std::_Exit(1);
    }
  }
}

struct Options {
  uint64_t inputs = UINT64_MAX, seed = 1;
  double seconds = 1e9;
  const char* file = nullptr;
  bool quiet = false;
  std::vector<std::string> names;
};

[[noreturn]] void usage_error(const std::string& text) {
  std::fprintf(stderr, "olivine_fuzz_io: %s; --help says how it is called\n", text.c_str());
  std::exit(2);
}

const fuzz::Parser& parser_of(const std::string& name) {
  std::string known;
  for (const fuzz::Parser& p : fuzz::parsers()) {
    if (name == p.name) return p;
    known += std::string(known.empty() ? "" : ", ") + p.name;
  }
  usage_error("expected a parser (" + known + "); got '" + name + "'");
}

Options parse_options(int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; ++i) {
    std::string arg = argv[i];
    auto value = [&] {
      if (i + 1 == argc) usage_error("expected a value after " + arg);
      return argv[++i];
    };
    auto number = [&] {
      char* end;
      const char* text = value();
      double v = std::strtod(text, &end);
      if (*end || end == text || !(v >= 0 && v < 1e18)) {
        usage_error("expected a number after " + arg + "; got '" + text + "'");
      }
      return v;
    };
    if (arg == "--help" || arg == "-h") {
      std::fputs(kHelp, stdout);
      std::exit(0);
    } else if (arg == "--inputs") {
      o.inputs = static_cast<uint64_t>(number());
    } else if (arg == "--seconds") {
      o.seconds = number();
    } else if (arg == "--seed") {
      o.seed = static_cast<uint64_t>(number());
    } else if (arg == "--quiet") {
      o.quiet = true;
    } else if (arg == "--file") {
      o.file = value();
    } else if (arg[0] == '-') {
      usage_error("expected one of its options; got '" + arg + "'");
    } else {
      o.names.push_back(parser_of(arg).name);
    }
  }
  if (o.file && o.names.size() != 1) usage_error("expected one parser with --file");
  if (o.inputs == UINT64_MAX && o.seconds == 1e9) o.seconds = 60;
  return o;
}

void run_bytes(const fuzz::Parser& parser, const fuzz::Bytes& data, const char* how) {
  try {
    parser.parse({data.size(), "input", [&](uint64_t offset, void* out, size_t size) {
                    std::memcpy(out, data.data() + offset, size);
                  }});
    std::printf("%s, %s: accepted\n", parser.name, how);
  } catch (const std::exception& e) {
    std::printf("%s, %s: %s\n", parser.name, how, e.what());
  }
}

void run_file(const fuzz::Parser& parser, const char* path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) usage_error(std::string("expected a file that can be read; got ") + path);
  fuzz::Bytes data(std::istreambuf_iterator<char>(in), {});
  run_bytes(parser, data, "as it is");
  if (!parser.repair) return;
  parser.repair(data);
  run_bytes(parser, data, "repaired");
}

void print(FILE* out, const char* name, const fuzz::Result& r, uint64_t seed) {
  auto n = [](uint64_t v) { return static_cast<unsigned long long>(v); };
  std::fprintf(out,
               "%-12s %12llu inputs %8.0f s %9.0f /s %10llu accepted %9llu skipped %5zu outcomes  "
               "seed %llu\n",
               name, n(r.inputs), r.seconds, double(r.inputs) / r.seconds, n(r.accepted),
               n(r.skipped), r.outcomes, n(seed));
  std::fflush(out);
}

// Whether there was a finding.
bool fuzz_parser(const fuzz::Parser& p, const Options& o) {
  fuzz::Fuzzer fuzzer(p, OLIVINE_FUZZ_CORPUS, o.seed);
  current_parser = p.name;
  current_fuzzer = &fuzzer;
  fuzz::Result r = fuzzer.run(o.inputs, o.seconds, [&](const fuzz::Result& r) {
    if (!o.quiet) print(stderr, p.name, r, o.seed);
  });
  print(stdout, p.name, r, o.seed);
  if (!r.finding.empty()) {
    std::printf("%s: %s\n", p.name, r.finding.c_str());
    write_input();
  }
  current_fuzzer = nullptr;
  return !r.finding.empty();
}

}  // namespace

int main(int argc, char** argv) {
  Options o = parse_options(argc, argv);
  if (o.file) {
    run_file(parser_of(o.names[0]), o.file);
    return 0;
  }
  for (int s : {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL}) std::signal(s, on_signal);
  if (__sanitizer_set_death_callback) __sanitizer_set_death_callback(write_input);
  std::thread(watch).detach();
  int findings = 0;
  for (const fuzz::Parser& p : fuzz::parsers()) {
    bool wanted = o.names.empty();
    for (const std::string& name : o.names) wanted |= name == p.name;
    if (wanted) findings += fuzz_parser(p, o);
  }
  return findings > 0;
}
