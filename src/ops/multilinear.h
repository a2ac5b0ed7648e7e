// The tangent of ops that are linear in each operand.
#pragma once

#include "core/op.h"
#include "olivine/ops/elementwise.h"

namespace olivine {

// The sum of the op on each tangent and the other operands; operands of integers have none.
inline MaybeArrays jvp_multilinear(const JvpCall& c) {
  MaybeArray t;
  for (size_t i = 0; i < c.in.size(); ++i) {
    if (!c.tangent[i] || !is_inexact(c.in[i].dtype())) continue;
    Arrays in(c.in.begin(), c.in.end());
    in[i] = *c.tangent[i];
    array term = emit(c.op, c.params, in)[0];
    t = t ? add(*t, term) : term;
  }
  return {t};
}

}  // namespace olivine
