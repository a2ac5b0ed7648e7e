// Parameters of the convolutions, shared by their records and kernels.
#pragma once

#include <cstdint>
#include <tuple>

#include "olivine/shape.h"

namespace olivine {

// Inputs of conv: x (N, spatial…, C) and w (O, kernel…, C / groups); of conv_weight, x and the
// cotangent (N, out…, O). Per spatial axis, output o reads
//   input i, i * input_dilation = o * stride + k * kernel_dilation - low
// for each kernel element k (counted from the end if `flip`). `low` and `high` may be negative.
struct ConvParams {
  Shape stride, low, high, kernel_dilation, input_dilation;
  int64_t groups = 1;
  bool flip = false;
  Shape kernel = {};  // conv_weight: spatial sizes of the result
  auto fields() const {
    return std::tie(stride, low, high, kernel_dilation, input_dilation, groups, flip, kernel);
  }
};

// Elements from the first to the last of n that are `dilation` apart.
constexpr int64_t conv_extent(int64_t n, int64_t dilation) {
  return n > 0 ? (n - 1) * dilation + 1 : 0;
}

}  // namespace olivine
