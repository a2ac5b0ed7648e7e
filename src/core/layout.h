// Layout: how an array's elements lie in a buffer (shape, strides and offset, all in elements).
#pragma once

#include "core/size.h"
#include "olivine/shape.h"

namespace olivine {

struct Layout {
  Shape shape;
  Strides strides;
  int64_t offset = 0;
  bool operator==(const Layout&) const = default;
};

// Row-major strides of a shape.
inline Strides row_major(std::span<const int64_t> shape) {
  Strides s(shape.size(), 1);
  for (int i = static_cast<int>(shape.size()) - 2; i >= 0; --i) {
    // Wraps around only where there are no elements: shape (0, 2^62, 2^62).
    s[i] = static_cast<int64_t>(static_cast<uint64_t>(s[i + 1]) *
                                static_cast<uint64_t>(std::max<int64_t>(shape[i + 1], 1)));
  }
  return s;
}
// Whether the elements lie in row-major order without gaps (strides of axes of size 1 are free).
inline bool is_row_contiguous(std::span<const int64_t> shape, std::span<const int64_t> strides) {
  int64_t expected = 1;
  for (int i = static_cast<int>(shape.size()) - 1; i >= 0; --i) {
    if (shape[i] == 0) return true;
    if (shape[i] != 1 && strides[i] != expected) return false;
    expected *= shape[i];
  }
  return true;
}

// The common shape of a broadcast; `op` names the caller in the error.
OLIVINE_API Shape broadcast_shapes(std::span<const int64_t> a, std::span<const int64_t> b,
                                   const char* op = "broadcast_shapes");
// Strides that read `from` as if it had shape `to` (stride 0 along broadcast axes).
OLIVINE_API Strides broadcast_strides(std::span<const int64_t> shape,
                                      std::span<const int64_t> strides,
                                      std::span<const int64_t> to);
// Axis in [0, ndim) or one clear error.
OLIVINE_API int normalize_axis(int axis, int ndim, const char* op);
// Sorted, distinct, in range.
OLIVINE_API SmallVector<int, 6> normalize_axes(std::span<const int> axes, int ndim, const char* op);

}  // namespace olivine
