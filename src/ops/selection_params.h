// Parameters of the ops that select by a mask, shared by their records and kernels.
//
// The first `batch` axes of a mask are independent of each other; the hits along the others are
// counted in row-major order. `size` results are made: hits beyond it are dropped, missing ones
// filled.
#pragma once

#include <cstdint>
#include <tuple>

namespace olivine {

struct NonzeroParams {
  int batch;
  int64_t size;
  int64_t fill;
  bool wide;  // positions are int64, else int32
  auto fields() const { return std::tie(batch, size, fill, wide); }
};

struct CompressParams {
  int batch;
  int64_t size;
  auto fields() const { return std::tie(batch, size); }
};

struct ExpandParams {
  int batch;
  auto fields() const { return std::tie(batch); }
};

}  // namespace olivine
