// Parameters of the matrix products.
#pragma once

#include <tuple>

namespace olivine {

struct AddmmParams {
  double alpha, beta;
  auto fields() const { return std::tie(alpha, beta); }
};

}  // namespace olivine
