// Broadcasting in rules: forward to an array's shape, and its transpose.
#pragma once

#include "olivine/array.h"

namespace olivine {

// `a` repeated to the shape of `like`; names no size where a trace is to hold for any.
array broadcast_like(const array& a, const array& like);
// Sums `a` over the axes along which `shape` was repeated to give its shape.
array sum_to(const array& a, const Shape& shape);

}  // namespace olivine
