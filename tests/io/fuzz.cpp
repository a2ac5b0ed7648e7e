// The fuzzer's mutations and the table of parsers; a short run of each is a test here, long ones
// are for tools/fuzz_io.cpp.
#include "io/fuzz.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <sstream>

#include "core/error.h"
#include "core/node.h"
#include "io/fuzz_functions.h"
#include "io/utf8.h"
#include "runtime/memory_account.h"

namespace olivine::fuzz {
namespace {

constexpr size_t kMaxInput = 1 << 14, kMaxPool = 1 << 10;

// Reads every byte, so that the sanitizers see what was allocated and filled.
void touch(const array& a) {
  a.eval();
  if (a.size() == 0 || !a.is_row_contiguous()) return;
  const auto* p = static_cast<const unsigned char*>(a.data());
  unsigned sum = 0;
  for (size_t i = 0; i < a.nbytes(); ++i) sum += p[i];
  volatile unsigned sink = sum;
  (void)sink;
}
void touch(const NamedArrays& arrays) {
  for (auto& [name, a] : arrays) touch(a);
}

// The length of a safetensors header becomes that of what looks like one.
void repair_safetensors(Bytes& input) {
  auto end = std::find(input.rbegin(), input.rend(), '}');
  if (input.size() < 8 || end == input.rend()) return;
  uint64_t header = static_cast<uint64_t>(input.rend() - end);
  header = header > 8 ? header - 8 : 0;
  std::memcpy(input.data(), &header, 8);
}
// The length of an npy header reaches to the last newline of the first kilobyte.
void repair_npy(Bytes& input) {
  size_t n = std::min<size_t>(input.size(), 1024);
  while (n > 10 && input[n - 1] != '\n') --n;
  if (n <= 10) return;
  size_t header = n - (input[6] == 1 ? 10 : 12);
  input[8] = static_cast<unsigned char>(header);
  input[9] = static_cast<unsigned char>(header >> 8);
}

// What an error says was expected, without numbers and what came instead.
size_t kind_of(const std::string& text) {
  size_t at = text.find("expected");
  std::string kind;
  for (char c : text.substr(at == std::string::npos ? 0 : at, 60)) {
    if (c == ';' || c == '\'') break;
    if (c < '0' || c > '9') kind += c;
  }
  return std::hash<std::string>()(kind);
}

// Why the text is no single sentence about an op or a file; empty: it is one.
std::string unclear(const std::string& text) {
  if (text.size() < 8 || text[0] != '[' || text.find("] ") == std::string::npos) {
    return "an error that does not say whose it is: ";
  }
  if (text.size() > 2000) return "an error of more than 2000 bytes: ";
  // Below what an evaluation says, lines may tell how the operands came to be.
  std::string sentence = text.substr(0, text.find("\n  from "));
  auto breaks = [](char c) { return c >= 0 && c < ' '; };
  bool control = std::ranges::any_of(sentence, breaks) ||
                 std::ranges::any_of(text, [&](char c) { return breaks(c) && c != '\n'; });
  if (control || !is_utf8(text)) return "an error that is not one line of text: ";
  return {};
}

}  // namespace

const std::vector<Parser>& parsers() {
  static const std::vector<Parser> all = {
      {"npy",
       "{ } ( ) , : ' L 'descr' 'fortran_order' 'shape' True False <f4 >f8 |b1 <c16 |O V2 -1 0",
       [](const ByteSource& s) { touch(load_npy(s)); }, repair_npy},
      {"safetensors",
       "{ } [ ] , : \" \\u0041 \\ud800 null -1 0 1e9 \"dtype\" \"shape\" \"data_offsets\" \"F32\" "
       "\"BOOL\" \"__metadata__\" 18446744073709551615",
       [](const ByteSource& s) { touch(load_safetensors(s).first); }, repair_safetensors},
      {"gguf", "general.alignment a.weight a.scales GGUF",
       [](const ByteSource& s) {
         touch(load_gguf(s).first);
         touch(load_gguf(s, GGUFPacking::lossless).first);
       }},
      {"functions",
       "add sum reshape slice gather scatter as_strided transpose broadcast_to conv fft sort "
       "matmul addmm rope attention quantize dequantize softmax cumsum lu svd concatenate view",
       [](const ByteSource& s) { run_function(s); }, repair_function},
      // Other parsers of bytes go here.
  };
  return all;
}

Fuzzer::Fuzzer(const Parser& parser, const std::string& corpus_folder, uint64_t seed)
    : parser_(parser), state_(seed * 0x9e3779b97f4a7c15u + 1) {
  std::vector<std::filesystem::path> files;
  std::error_code none;
  auto folder = std::filesystem::path(corpus_folder) / parser.name;
  for (auto& entry : std::filesystem::directory_iterator(folder, none)) files.push_back(entry);
  std::sort(files.begin(), files.end());
  for (auto& path : files) {
    std::ifstream in(path, std::ios::binary);
    pool_.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  corpus_size_ = pool_.size();
  if (pool_.empty()) pool_.emplace_back();
  std::istringstream words(parser.tokens);
  tokens_.assign(std::istream_iterator<std::string>(words), {});
}

// xorshift64*.
uint64_t Fuzzer::random(uint64_t below) {
  state_ ^= state_ >> 12;
  state_ ^= state_ << 25;
  state_ ^= state_ >> 27;
  return (state_ * 0x2545f4914f6cdd1du >> 32) % below;
}

void Fuzzer::insert(size_t at, const unsigned char* p, size_t n) {
  if (input_.size() + n <= kMaxInput) {
    input_.insert(input_.begin() + static_cast<ptrdiff_t>(at), p, p + n);
  }
}

void Fuzzer::mutate_once() {
  constexpr uint64_t kNumbers[] = {0,
                                   1,
                                   2,
                                   7,
                                   31,
                                   32,
                                   255,
                                   65536,
                                   INT32_MAX,
                                   1u << 31,
                                   UINT32_MAX,
                                   1ull << 32,
                                   1ull << 61,
                                   INT64_MAX,
                                   1ull << 63,
                                   UINT64_MAX,
                                   UINT64_MAX - 31};
  // Most mutations meet the first bytes, where the headers are.
  size_t size = input_.size();
  size_t reach = random(4) > 0 ? std::min<size_t>(size, 512) : size;
  size_t at = reach > 0 ? random(reach) : 0;
  size_t run = std::min<size_t>(size - at, 1 + random(16));
  auto begin = input_.begin() + static_cast<ptrdiff_t>(at);
  switch (random(9)) {
    case 0:
      if (size > 0) input_[at] ^= static_cast<unsigned char>(1u << random(8));
      break;
    case 1:
      if (size > 0) input_[at] = static_cast<unsigned char>(random(256));
      break;
    case 2: {  // a number of 1, 2, 4 or 8 bytes
      uint64_t v = kNumbers[random(std::size(kNumbers))];
      std::memcpy(input_.data() + at, &v, std::min<size_t>(size_t{1} << random(4), size - at));
      break;
    }
    case 3:
      input_.erase(begin, begin + static_cast<ptrdiff_t>(run));
      break;
    case 4: {  // a piece twice
      Bytes piece(begin, begin + static_cast<ptrdiff_t>(run));
      insert(at, piece.data(), piece.size());
      break;
    }
    case 5: {
      const std::string& t = tokens_[random(tokens_.size())];
      insert(at, reinterpret_cast<const unsigned char*>(t.data()), t.size());
      break;
    }
    case 6: {  // the end of another input
      const Bytes& other = pool_[random(pool_.size())];
      size_t from = std::min<size_t>(at, other.size());
      input_.resize(at);
      insert(at, other.data() + from, other.size() - from);
      break;
    }
    case 7:  // a number nearby
      if (size > 0) input_[at] = static_cast<unsigned char>(input_[at] + random(9) - 4);
      break;
    default:
      input_.resize(random(8) == 0 ? at : size);
      break;
  }
}

void Fuzzer::mutate() {
  input_ = pool_[random(pool_.size())];
  for (uint64_t n = 1 + random(4); n > 0; --n) mutate_once();
  if (parser_.repair && random(4) > 0) parser_.repair(input_);
}

bool Fuzzer::parse_current(Result& result) {
  // Of its own and exact size, so that reads past the end are seen.
  std::unique_ptr<unsigned char[]> data(new unsigned char[input_.size()]);
  if (!input_.empty()) std::memcpy(data.get(), input_.data(), input_.size());
  ByteSource source{input_.size(), "input",
                    [p = data.get()](uint64_t offset, void* out, size_t size) {
                      std::memcpy(out, p + offset, size);
                    }};
  parsed_.fetch_add(1, std::memory_order_relaxed);
  size_t kind = 0;
  auto refused = [&](const std::exception& e) {
    kind = kind_of(e.what());
    if (std::string why = unclear(e.what()); !why.empty()) result.finding = why + e.what();
  };
  try {
    parser_.parse(source);
    ++result.accepted;
  } catch (const Skipped&) {
    ++result.skipped;
    kind = 1;
  } catch (const OutOfMemory& e) {
    result.finding = message("memory out of proportion: ", e.what());
  } catch (const std::runtime_error& e) {
    refused(e);
  } catch (const std::invalid_argument& e) {
    refused(e);
  } catch (const std::out_of_range& e) {
    refused(e);
  } catch (const std::exception& e) {
    result.finding = message("an exception of another type: ", e.what());
  }
  // Accepted inputs drift away from the corpus: some of them go on.
  bool keep = outcomes_.insert(kind).second || (kind == 0 && random(16) == 0);
  if (keep && pool_.size() < kMaxPool) {
    pool_.push_back(input_);
  } else if (keep) {
    pool_[corpus_size_ + random(kMaxPool - corpus_size_)] = input_;
  }
  return result.finding.empty();
}

Result Fuzzer::run(uint64_t inputs, double seconds,
                   const std::function<void(const Result&)>& progress) {
  using Clock = std::chrono::steady_clock;
  // No input of 16 KB needs more than a megabyte beyond what the process holds.
  struct Limit {
    Limit() {
      clear_cache();
      before = set_memory_limit(memory::account.held.load() + (1 << 20));
    }
    size_t before;
    ~Limit() { set_memory_limit(before); }
  } limit;
  Result result;
  auto start = Clock::now();
  auto elapsed = [&] { return std::chrono::duration<double>(Clock::now() - start).count(); };
  for (size_t i = 0; i < corpus_size_ && result.finding.empty(); ++i) {
    input_ = pool_[i];
    parse_current(result);
  }
  start = Clock::now();  // the corpus is not what the time is for
  double next_report = 10;
  while (result.finding.empty() && result.inputs < inputs) {
    if (result.inputs % 256 == 0) {
      result.outcomes = outcomes_.size();
      result.seconds = elapsed();
      if (result.seconds > seconds) break;
      if (progress && result.seconds >= next_report) {
        progress(result);
        next_report = result.seconds + 10;
      }
    }
    ++result.inputs;
    mutate();
    parse_current(result);
  }
  result.outcomes = outcomes_.size();
  result.seconds = elapsed();
  return result;
}

}  // namespace olivine::fuzz
