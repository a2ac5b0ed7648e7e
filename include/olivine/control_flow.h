// Loops and branches that are part of the graph: traced once, run as often as it takes, and
// differentiated, mapped, compiled and exported like every other op.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "olivine/transforms.h"

namespace olivine {

struct LoopOptions {
  // scan: the number of steps, where there are no xs. while_loop: the most steps, which gives it a
  // reverse mode; 0: any number.
  int64_t length = 0;
  bool reverse = false;  // scan: from the last slice to the first
  // Gradients keep the carry of every n-th step only, and compute the others again; 0: all are
  // kept; -1: about the square root of the length.
  int64_t checkpoint = 0;
  std::vector<std::string> names;  // of the carry's arrays, for errors
};

using ScanFn = std::function<std::pair<std::vector<array>, std::vector<array>>(
    const std::vector<array>& carry, const std::vector<array>& x)>;
// (carry, y) = body(carry, x) for the slices x of `xs` across their first axis. Returns the last
// carry, and the ys stacked.
OLIVINE_API std::pair<std::vector<array>, std::vector<array>> scan(const ScanFn& body,
                                                                   const std::vector<array>& init,
                                                                   const std::vector<array>& xs,
                                                                   const LoopOptions& options = {});

using CountFn =
    std::function<std::vector<array>(const array& index, const std::vector<array>& carry)>;
// carry = body(i, carry) for i from lower to upper - 1.
OLIVINE_API std::vector<array> fori_loop(int64_t lower, int64_t upper, const CountFn& body,
                                         const std::vector<array>& init,
                                         const LoopOptions& options = {});
// The same with bounds that are computed: a while loop.
OLIVINE_API std::vector<array> fori_loop(const array& lower, const array& upper,
                                         const CountFn& body, const std::vector<array>& init,
                                         const LoopOptions& options = {});

// carry = body(carry) while condition(carry), which is one bool.
OLIVINE_API std::vector<array> while_loop(const ScalarFn& condition, const ArrayFn& body,
                                          const std::vector<array>& init,
                                          const LoopOptions& options = {});

// What one of two functions makes of the operands; only that one runs.
OLIVINE_API std::vector<array> cond(const array& predicate, const ArrayFn& if_true,
                                    const ArrayFn& if_false, const std::vector<array>& operands,
                                    const std::vector<std::string>& names = {});
// What branch number `index` makes of the operands; an index outside of the list means its nearest.
OLIVINE_API std::vector<array> switch_(const array& index, const std::vector<ArrayFn>& branches,
                                       const std::vector<array>& operands,
                                       const std::vector<std::string>& names = {});

// fn of every slice of `xs` across their first axis, stacked; of `batch_size` slices at once if
// that is given.
OLIVINE_API std::vector<array> map(const ArrayFn& fn, const std::vector<array>& xs,
                                   int64_t batch_size = 0);

}  // namespace olivine
