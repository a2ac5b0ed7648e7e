// <mlx/distributed/reduction_ops.h> by Olivine: combining what another process sent with one's own.
#pragma once

#include <cstddef>

#include "mlx/namespace.h"
#include "mlx/types/complex.h"
#include "mlx/types/half_types.h"

namespace olivine::distributed::detail {

using olivine::operator<;  // of complex numbers

// output[i] = output[i] + input[i].
template <class T>
struct SumOp {
  void operator()(const T* input, T* output, size_t N) const {
    for (size_t i = 0; i < N; ++i) output[i] = static_cast<T>(output[i] + input[i]);
  }
};
// The larger; NaN if one is NaN.
template <class T>
struct MaxOp {
  void operator()(const T* input, T* output, size_t N) const {
    for (size_t i = 0; i < N; ++i) {
      if (output[i] < input[i] || input[i] != input[i]) output[i] = input[i];
    }
  }
};
// The smaller; NaN if one is NaN.
template <class T>
struct MinOp {
  void operator()(const T* input, T* output, size_t N) const {
    for (size_t i = 0; i < N; ++i) {
      if (input[i] < output[i] || input[i] != input[i]) output[i] = input[i];
    }
  }
};

}  // namespace olivine::distributed::detail
