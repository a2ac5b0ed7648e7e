// Finds chains of ops on one 16-bit float, and keeps their tables.
#include "backends/cpu/half_chain.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "backends/cpu/arithmetic_run.h"
#include "core/op.h"
#include "runtime/process_locks.h"

namespace olivine::cpu {
namespace {

constexpr int64_t kFillFrom = 4 * 65536;  // elements; numbers may change from run to run
constexpr size_t kMostTables = 64;        // kept for later, 128 KiB each

constexpr size_t kLongest = 64;  // instructions

constexpr int kMixed = -1, kNumber = -2;

bool is_half(Dtype t) { return t == float16 || t == bfloat16; }
bool is_cast(int op) { return std::string_view(op_name(op)).starts_with("astype_"); }

class Finder {
 public:
  Finder(const Program& program, const std::vector<bool>& is_number, const KernelTable& table);
  ChainedProgram take();

 private:
  size_t leaves() const { return program_.leaves.size(); }
  bool is_leaf(int v) const { return v < static_cast<int>(leaves()); }
  const Instr& instr(int v) const { return program_.code[static_cast<size_t>(v) - leaves()]; }
  Dtype dtype(int v) const {
    return is_leaf(v) ? program_.leaves[static_cast<size_t>(v)] : instr(v).out;
  }
  void find_sources();
  void mark(int v);
  bool pays(int v, std::vector<int>& members) const;
  void collect(int v, int source, std::vector<int>& members) const;
  Chain chain_of(int v, const std::vector<int>& members) const;

  const Program& program_;
  const KernelTable& table_;
  // Per value: the 16-bit value that it is a function of, or kNumber; where it depends on more than
  // one and has 16 bits, it is a source itself, else kMixed.
  std::vector<int> source_;
  std::vector<bool> is_number_;
  std::vector<int> chain_;  // per value: the chain that computes it, or -1
  std::vector<bool> needed_;
  std::vector<Chain> chains_;
};

Finder::Finder(const Program& program, const std::vector<bool>& is_number, const KernelTable& table)
    : program_(program), table_(table), is_number_(is_number) {
  find_sources();
  const size_t values = leaves() + program.code.size();
  chain_.assign(values, -1);
  needed_.assign(values, false);
  for (uint16_t v : program.outputs) needed_[v] = true;
  // From the last value on, so that a chain is as long as it can be.
  for (size_t v = values; v-- > leaves();) {
    if (needed_[v]) mark(static_cast<int>(v));
  }
}

void Finder::find_sources() {
  for (size_t v = 0; v < leaves(); ++v) {
    source_.push_back(is_number_[v]                 ? kNumber
                      : is_half(program_.leaves[v]) ? static_cast<int>(v)
                                                    : kMixed);
  }
  for (const Instr& i : program_.code) {
    int source = kNumber;
    for (int k = 0; k < i.arity; ++k) {
      const int s = source_[i.src[k]];
      if (s == kNumber) continue;
      source = source == kNumber || source == s ? s : kMixed;
    }
    if (source == kMixed && is_half(i.out)) source = static_cast<int>(source_.size());
    source_.push_back(source);
  }
}

// Makes a chain of what computes v, or asks for v's operands.
void Finder::mark(int v) {
  std::vector<int> members;
  if (pays(v, members)) {
    chain_[static_cast<size_t>(v)] = static_cast<int>(chains_.size());
    chains_.push_back(chain_of(v, members));
    needed_[static_cast<size_t>(source_[static_cast<size_t>(v)])] = true;
    return;
  }
  for (int k = 0; k < instr(v).arity; ++k) needed_[instr(v).src[k]] = true;
}

// The instructions between a source and v, in their order; more than kLongest if there are.
void Finder::collect(int v, int source, std::vector<int>& members) const {
  if (v == source || is_leaf(v) || members.size() > kLongest) return;
  if (std::find(members.begin(), members.end(), v) != members.end()) return;
  for (int k = 0; k < instr(v).arity; ++k) collect(instr(v).src[k], source, members);
  members.push_back(v);
}

// Whether a table is faster than the steps to v. Arithmetic alone is as fast where it has machine
// code. A member that others need as well, and that is computed for them anyhow, counts for little.
bool Finder::pays(int v, std::vector<int>& members) const {
  const int source = source_[static_cast<size_t>(v)];
  if (!is_half(dtype(v)) || source < 0 || source == v || dtype(source) != dtype(v)) return false;
  collect(v, source, members);
  if (members.size() > kLongest) return false;
  int ops = 0, converting = 0;  // all, and those that work on floats
  bool function = false;
  for (int m : members) {
    const Instr& i = instr(m);
    if (is_cast(i.op)) continue;
    ++ops;
    const Loops* l = table_.loops(i.op, dtype(v));
    function |= l && l->halves == Halves::by_table;
    converting += !l || l->halves != Halves::from_bits;
  }
  if (function) return ops > 1;
  return !has_machine_code() && converting >= (dtype(v) == float16 ? 1 : 2);
}

Chain Finder::chain_of(int v, const std::vector<int>& members) const {
  const int source = source_[static_cast<size_t>(v)];
  Chain chain;
  chain.program.leaves.push_back(dtype(source));
  std::map<int, uint16_t> number{{source, uint16_t{0}}};
  for (int m : members) {
    for (int k = 0; k < instr(m).arity; ++k) {
      const int leaf = instr(m).src[k];
      if (!is_leaf(leaf) || number.count(leaf)) continue;
      number[leaf] = static_cast<uint16_t>(chain.program.leaves.size());
      chain.program.leaves.push_back(dtype(leaf));
      chain.numbers.push_back(static_cast<uint16_t>(leaf));
    }
  }
  for (int m : members) {
    Instr i = instr(m);
    for (int k = 0; k < i.arity; ++k) i.src[k] = number.at(i.src[k]);
    number[m] = static_cast<uint16_t>(chain.program.leaves.size() + chain.program.code.size());
    chain.program.code.push_back(i);
  }
  chain.program.outputs.push_back(number.at(v));
  return chain;
}

ChainedProgram Finder::take() {
  ChainedProgram result{{program_.leaves, {}, {}}, std::move(chains_)};
  std::vector<uint16_t> number(leaves() + program_.code.size());
  for (size_t v = 0; v < leaves(); ++v) number[v] = static_cast<uint16_t>(v);
  for (size_t v = leaves(); v < number.size(); ++v) {
    if (!needed_[v]) continue;
    Instr i = instr(static_cast<int>(v));
    if (chain_[v] >= 0) {
      i = {kChain - chain_[v], i.out, i.out, 1, {static_cast<uint16_t>(source_[v])}};
    }
    for (int k = 0; k < i.arity; ++k) i.src[k] = number[i.src[k]];
    number[v] = static_cast<uint16_t>(leaves() + result.program.code.size());
    result.program.code.push_back(i);
  }
  for (uint16_t v : program_.outputs) result.program.outputs.push_back(number[v]);
  return result;
}

using Tables = std::map<std::string, std::shared_ptr<ChainResults>>;
Tables& tables() {
  static constinit Tables* made = nullptr;  // under the lock
  if (!made) made = new Tables;
  return *made;
}

}  // namespace

bool ChainResults::wants_filling(int64_t n) {
  const int64_t before = __atomic_fetch_add(&seen_, n, __ATOMIC_RELAXED);
  return before < kFillFrom && before + n >= kFillFrom;
}

void ChainResults::fill(std::vector<uint16_t> results) {
  results_ = std::move(results);
  __atomic_store_n(&is_ready_, true, __ATOMIC_RELEASE);
}

ChainedProgram find_chains(const Program& program, const std::vector<bool>& is_number,
                           const KernelTable& table) {
  return Finder(program, is_number, table).take();
}

std::shared_ptr<ChainResults> chain_results(const Chain& chain, std::span<const View> numbers) {
  std::string key(name(chain.program.leaves[0]));
  const auto add = [&](const auto& x) { key.append(reinterpret_cast<const char*>(&x), sizeof x); };
  for (const Instr& i : chain.program.code) {
    add(i.op);
    for (Dtype t : {i.key, i.out}) key += name(t);
    for (int k = 0; k < i.arity; ++k) add(i.src[k]);
  }
  for (const View& v : numbers) {
    key += name(v.dtype);
    key.append(static_cast<const char*>(v.data), v.dtype.size());
  }
  std::lock_guard lock(process_lock(Lock::runs));
  Tables& known = tables();
  const auto found = known.find(key);
  if (found != known.end()) return found->second;
  if (known.size() >= kMostTables) known.clear();
  return known[key] = std::make_shared<ChainResults>();
}

}  // namespace olivine::cpu
