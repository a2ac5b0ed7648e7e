// Helpers of the batching rules: bringing the batch axis of an input to the front.
#pragma once

#include "core/op.h"
#include "olivine/ops/shape.h"

namespace olivine {

// Input i with its batch axis first; an input without one is repeated along a new one.
inline array batch_first(const VmapCall& c, size_t i) {
  const array& a = c.in[i];
  if (c.axes[i] >= 0) return moveaxis(a, c.axes[i], 0);
  Shape shape = a.shape();
  shape.insert(shape.begin(), c.batch);
  return broadcast_to(a, shape);
}
// A shape (or other list of sizes) with one more entry in front.
inline Shape prepend(int64_t first, const Shape& rest) {
  Shape out = rest;
  out.insert(out.begin(), first);
  return out;
}

}  // namespace olivine
