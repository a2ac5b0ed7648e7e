// Finding the op that made the first NaN or infinity.
#pragma once

#include <atomic>
#include <stdexcept>

#include "olivine/export.h"

namespace olivine {

// An op made what is not finite, or read a NaN that no op made.
class OLIVINE_API NonFiniteError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// From now on evaluations look at the results of every op and throw NonFiniteError at the first
// NaN (`nan`) or infinity (`inf`) that an op makes of operands without one, and at a NaN that an op
// reads and none made. The error names the op, the element and where the op was made. Functions
// compiled meanwhile are traced for it. Without either, nothing is looked at and nothing costs.
OLIVINE_API void set_debug_nonfinite(bool nan = true, bool inf = true);

namespace detail {
OLIVINE_API extern std::atomic<int> nonfinite;  // bit 0: NaN, bit 1: infinities
}
inline bool debugs_nan() { return detail::nonfinite.load(std::memory_order_relaxed) & 1; }
inline bool debugs_inf() { return detail::nonfinite.load(std::memory_order_relaxed) & 2; }
inline bool debugs_nonfinite() { return detail::nonfinite.load(std::memory_order_relaxed) != 0; }

}  // namespace olivine
