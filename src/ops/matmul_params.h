// Parameters of the matrix products.
#pragma once

#include <cstdint>
#include <tuple>

namespace olivine {

struct AddmmParams {
  double alpha, beta;
  auto fields() const { return std::tie(alpha, beta); }
};

// out[k[p]] += a[i[p]] @ b[j[p]] over all products p.
struct GatherMatmulParams {
  int64_t count;  // matrices of the output; negative: there is no k, and out[p] is product p
  auto fields() const { return std::tie(count); }
};

struct HadamardParams {
  double scale;
  bool transpose;  // by the transposed matrix
  auto fields() const { return std::tie(scale, transpose); }
};

}  // namespace olivine
