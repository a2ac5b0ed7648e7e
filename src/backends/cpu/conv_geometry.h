// Which input elements a convolution reads for which outputs, axis by axis.
//
// Dilated inputs have zeros between their elements. Outputs whose positions are equal modulo the
// dilation (a phase) meet elements at the same kernel positions, so that each phase is a
// convolution of the input itself with some of the kernel, and no zero is ever multiplied.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "backends/backend.h"
#include "ops/conv_params.h"

namespace olivine::cpu {

inline constexpr int kConvAxes = 3;  // missing spatial axes have size 1

// One phase of one axis: output first + step * j reads input base[t] + stride * j, if there is one,
// for kernel element tap[t].
struct ConvAxis {
  int64_t in, out;  // sizes of the input and of the whole result
  int64_t count;    // outputs of this phase
  int64_t first, step;
  int64_t stride;
  int64_t taps;
  const int64_t* base;
  const int64_t* tap;
};
using ConvPhase = std::array<ConvAxis, kConvAxes>;

// The axes of x (N, spatial…, C), of the kernel and of the result.
class ConvGeometry {
 public:
  ConvGeometry(const ConvParams& p, const Shape& x, const Shape& kernel, const Shape& out);

  int64_t batch, channels, in_positions;  // of x; spatial positions per batch element
  int64_t kernel_size;                    // elements of the kernel
  // Row-major index of a kernel element.
  int64_t kernel_index(const ConvPhase& p, const int64_t (&t)[kConvAxes]) const {
    return (p[0].tap[t[0]] * kernel_[1] + p[1].tap[t[1]]) * kernel_[2] + p[2].tap[t[2]];
  }
  const std::vector<ConvPhase>& phases() const { return phases_; }

 private:
  std::vector<ConvAxis> split_axis(const ConvParams& p, size_t d, int64_t in, int64_t kernel,
                                   int64_t out);
  int64_t kernel_[kConvAxes];
  std::vector<std::unique_ptr<int64_t[]>> tables_;
  std::vector<ConvPhase> phases_;
};

// Calls f with the number of each tap of a phase, in order, and its taps along the axes.
template <class F>
void for_taps(const ConvPhase& p, F&& f) {
  int64_t t[kConvAxes], n = 0;
  for (t[0] = 0; t[0] < p[0].taps; ++t[0]) {
    for (t[1] = 0; t[1] < p[1].taps; ++t[1]) {
      for (t[2] = 0; t[2] < p[2].taps; ++t[2]) f(n++, t);
    }
  }
}
inline int64_t taps(const ConvPhase& p) { return p[0].taps * p[1].taps * p[2].taps; }
inline int64_t positions(const ConvPhase& p) { return p[0].count * p[1].count * p[2].count; }

// ---- Depthwise convolutions, one input channel per output channel, in kernels/conv_depthwise.cpp.
// All arrays are contiguous; `weight` is (taps, C) in the order of the phase's taps.
struct DepthwiseCall {
  const ConvPhase* phase;
  int64_t batch, channels;
  const void* x;
  const void* weight;     // conv_depthwise
  void* out;              // conv_depthwise: rows of the result that belong to the phase are written
  const void* cotangent;  // conv_depthwise_weight
  void* sums;             // conv_depthwise_weight: (taps, C)
};

}  // namespace olivine::cpu
