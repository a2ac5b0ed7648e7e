// Looking at what tasks computed, while a program debugs NaNs and infinities.
#pragma once

#include "olivine/debug.h"
#include "transforms/plan.h"

namespace olivine {

// Bits of what is looked for.
enum NonFinite : int { kNaN = 1, kInf = 2 };
inline int nonfinite_wanted() { return detail::nonfinite.load(std::memory_order_relaxed); }

// Throws NonFiniteError if the task made, or read, what `wanted` asks for. The operands are as the
// task left them: a plan for this overwrites none of its inputs.
void check_finite(const Task& t, std::span<const View> in, std::span<const View> out, int wanted);

}  // namespace olivine
