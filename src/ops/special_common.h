// What the files of special functions share: the dtype in which a function is computed.
#pragma once

#include <span>
#include <vector>

#include "ops/elementwise_common.h"

namespace olivine::special {

// `f` of the operands in float32 or float64, its result in the dtype that they promote to.
template <class F>
array in_float(const char* op, std::span<const array> in, StreamOrDevice s, F&& f) {
  Dtype t = in[0].dtype();
  for (const array& a : in) t = promote_types(t, a.dtype());
  expect_real(op, t);
  t = at_least_float(t);
  const Dtype wide = t == float64 ? float64 : float32;
  std::vector<array> operands;
  for (const array& a : in) operands.push_back(cast(a, wide, s));
  return cast(f(std::span<const array>(operands)), t, s);
}
template <class F>
array in_float(const char* op, std::initializer_list<array> in, StreamOrDevice s, F&& f) {
  return in_float(op, std::span<const array>(in.begin(), in.size()), s, std::forward<F>(f));
}

}  // namespace olivine::special
