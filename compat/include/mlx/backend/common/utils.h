// <mlx/backend/common/utils.h> by Olivine: where an element of a strided array lies.
#pragma once

#include <cstdint>

#include "mlx/namespace.h"
#include "olivine/array.h"

namespace olivine {

// Of the element that is number `index` in row-major order, in elements from the first.
inline int64_t elem_to_loc(int64_t index, const Shape& shape, const Strides& strides) {
  int64_t at = 0;
  for (size_t d = shape.size(); d-- > 0;) {
    at += index % shape[d] * strides[d];
    index /= shape[d];
  }
  return at;
}
inline int64_t elem_to_loc(int64_t index, const array& a) {
  return elem_to_loc(index, a.shape(), a.strides());
}

}  // namespace olivine
