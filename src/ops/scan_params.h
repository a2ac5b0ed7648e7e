// Parameters of the scans, shared by their records and kernels.
#pragma once

#include <tuple>

namespace olivine {

struct ScanParams {
  int axis;
  bool reverse;    // runs from the end
  bool inclusive;  // an element counts towards its own result
  auto fields() const { return std::tie(axis, reverse, inclusive); }
};

}  // namespace olivine
