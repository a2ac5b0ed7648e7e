// Parameters of the sorting ops, shared by their records and kernels.
#pragma once

#include <cstdint>
#include <tuple>

namespace olivine {

// `kth` (in range) only matters to partition and argpartition.
struct SortParams {
  int axis;
  int64_t kth = 0;
  auto fields() const { return std::tie(axis, kth); }
};

// Whether values go after ("right") or before equal elements.
struct SearchParams {
  bool right;
  auto fields() const { return std::tie(right); }
};

}  // namespace olivine
