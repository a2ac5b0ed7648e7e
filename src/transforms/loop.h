// Making loops of traced bodies.
#pragma once

#include "transforms/control.h"

namespace olivine {

// The inputs of a loop by what they are.
struct LoopInputs {
  Arrays constants, xs, carry;
};
// The inputs of a body for such a loop, with or without an index like this one.
std::vector<OutSpec> body_specs(const LoopInputs& in, const MaybeArray& index);
// A loop with this body, whose arguments are `in` (and the index); the rest is taken from `p`.
Arrays emit_loop(const Op& op, LoopParams p, const TracedBody& traced, const LoopInputs& in);

// Branch number `index`, an int32; all take `operands`, and return arrays of equal shapes.
Arrays choose(const array& index, const std::vector<ArrayFn>& branches, const Arrays& operands);

}  // namespace olivine
