// What the records of element-wise ops share: dtype rules, constants of an array's dtype.
#pragma once

#include "core/error.h"
#include "core/op.h"
#include "olivine/ops/elementwise.h"

namespace olivine {

// A constant that takes part in an expression without changing its dtype.
inline array constant(double v, Dtype t) { return array(v, t); }
inline array constant_like(double v, const array& a) { return array(v, a.dtype()); }

inline array cast(const array& a, Dtype t, StreamOrDevice s) {
  return a.dtype() == t ? a : astype(a, t, s);
}

inline void expect_real(const char* op, Dtype t) {
  if (is_complexfloating(t)) fail("[", op, "] expected a real dtype; got ", t);
}

// A node whose operands are already of the kernel's dtype.
inline array unary(const Op& op, const array& a, StreamOrDevice s) {
  return make_elementwise(op, std::span<const array>(&a, 1), a.dtype(), s);
}

}  // namespace olivine
