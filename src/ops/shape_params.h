// What the shape and indexing records share with their kernels and with each other.
#pragma once

#include <tuple>

#include "core/params.h"
#include "olivine/array.h"
#include "olivine/device.h"

namespace olivine {

// Parameters of ops along one axis (normalized).
struct AxisParams {
  int axis;
  auto fields() const { return std::tie(axis); }
};

// Planes of (rows, cols) that are zero but for `a`'s last axis on the diagonal `offset`.
array place_diagonal(const array& a, int64_t rows, int64_t cols, int64_t offset,
                     StreamOrDevice s = {});

}  // namespace olivine
