// Parameters of the shape and indexing ops, shared by their records and kernels.
#pragma once

#include <string_view>
#include <tuple>

#include "core/params.h"
#include "olivine/array.h"
#include "olivine/device.h"

namespace olivine {

// Ops along one axis (normalized).
struct AxisParams {
  int axis;
  auto fields() const { return std::tie(axis); }
};

// A block of a strided grid: element i of axis k is start[k] + i * strides[k], all in range.
struct SliceParams {
  Shape start, shape, strides;
  auto fields() const { return std::tie(start, shape, strides); }
};

// Blocks of `sizes` at indexed positions along `axes`; `caller` is named in errors.
struct GatherParams {
  SmallVector<int, 6> axes;
  Shape sizes;
  const char* caller = "gather";
  auto fields() const { return std::tie(axes, sizes); }
};

enum class ScatterMode : uint8_t { set, add, prod, max, min };
struct ScatterParams {
  SmallVector<int, 6> axes;
  ScatterMode mode;
  const char* caller = "scatter";
  auto fields() const { return std::tie(axes, mode); }
};

struct AxisIndexParams {
  int axis;
  ScatterMode mode;  // of scatter_axis
  const char* caller = "take_along_axis";
  auto fields() const { return std::tie(axis, mode); }
};

// How many index arrays one gather or scatter takes.
inline constexpr int kMaxIndices = 16;

// Planes of (rows, cols) that are zero but for `a`'s last axis on the diagonal `offset`.
array place_diagonal(const array& a, int64_t rows, int64_t cols, int64_t offset,
                     StreamOrDevice s = {});

}  // namespace olivine
