// Chains of ops that are a function of one 16-bit float, as tables of all their results.
//
// A value of a program may depend on a single 16-bit operand and on numbers: an activation, say,
// that is computed in float and rounded once. It has 65,536 results. After that many elements they
// are computed, by the program's own steps, and from then on looked up (half_table.h).
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "backends/cpu/kernel_table.h"

namespace olivine::cpu {

// The results of one chain, once there are any.
class ChainResults {
 public:
  const uint16_t* ready() const {
    return __atomic_load_n(&is_ready_, __ATOMIC_ACQUIRE) ? results_.data() : nullptr;
  }
  // Counts elements that the chain is asked for; true once: the caller then fills.
  bool wants_filling(int64_t n);
  void fill(std::vector<uint16_t> results);

 private:
  bool is_ready_ = false;
  int64_t seen_ = 0;
  std::vector<uint16_t> results_;
};

struct Chain {
  Program program;                // its first leaf is the 16-bit operand, the others are numbers
  std::vector<uint16_t> numbers;  // which leaves of the whole program those are
};
// A program with chains as instructions: `op` is kChain less the chain's number.
constexpr int kChain = -1;
struct ChainedProgram {
  Program program;
  std::vector<Chain> chains;
};

// Finds the chains of a program. is_number[leaf]: it is one element for all.
ChainedProgram find_chains(const Program& program, const std::vector<bool>& is_number,
                           const KernelTable& table);

// The results of a chain with these numbers (views of one element each), shared by all programs.
std::shared_ptr<ChainResults> chain_results(const Chain& chain, std::span<const View> numbers);

}  // namespace olivine::cpu
