// Parameters of the matrix products.
#pragma once

#include <tuple>

namespace olivine {

struct AddmmParams {
  float alpha, beta;
  auto fields() const { return std::tie(alpha, beta); }
};

}  // namespace olivine
