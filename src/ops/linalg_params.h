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

}  // namespace olivine
