// Parameters of the linear-algebra ops.
#pragma once

#include <string_view>
#include <tuple>

namespace olivine {

// `caller`: the function that refuses a singular matrix, for its error; empty: none does, and the
// result then holds infinities or NaN.
struct LuParams {
  std::string_view caller;
  auto fields() const { return std::tie(caller); }
};
struct TriangularParams {
  bool upper;
  std::string_view caller;
  auto fields() const { return std::tie(upper, caller); }
};
// Whether the adjoint of the factorized matrix is solved with.
struct LuSolveParams {
  bool adjoint;
  auto fields() const { return std::tie(adjoint); }
};
// Singular values that count: those above `rcond` times the largest, times the longer side of the
// matrix if `by_size`.
struct PinvParams {
  double rcond;
  bool by_size;
  auto fields() const { return std::tie(rcond, by_size); }
};

}  // namespace olivine
