// Which inputs an output of a resampled axis is made of, and with which weights.
#pragma once

#include <vector>

namespace olivine::nn {

// The input that each of `count` outputs takes; in float, which decides ties as in MLX.
std::vector<int> nearest_inputs(int size, int count);

// Of `count` outputs and `taps` inputs each: those of output i begin at i * taps.
struct Taps {
  int count, taps;
  std::vector<int> indices;
  std::vector<float> weights;
};
Taps interpolation_taps(int size, double scale, bool align_corners, bool antialias, bool linear);

}  // namespace olivine::nn
