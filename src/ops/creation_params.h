// Parameters of arange, shared by the record and its kernel.
#pragma once

#include <tuple>

#include "core/params.h"
#include "olivine/dtype.h"

namespace olivine {

// Element i is first + i * delta in 64-bit integers if `integral`, else start + i * step in double,
// then cast; the last one is exactly `last` if `pinned`.
struct ArangeParams {
  int64_t size = 0;
  Dtype dtype = float32;
  bool integral = false;
  int64_t first = 0, delta = 0;
  double start = 0, step = 0;
  bool pinned = false;
  double last = 0;
  auto fields() const {
    return std::tie(size, dtype, integral, first, delta, start, step, pinned, last);
  }
};

}  // namespace olivine
