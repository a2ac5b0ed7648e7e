// The transforms of Winograd's convolution of 3x3 weights, by tiles of 2x2 outputs.
//
// F(2x2, 3x3) of Lavin and Gray (2015): a tile reads 4x4 inputs d and has outputs
//   A'[(B'dB) * (GgG')]A,
// a product of elements that is summed over input channels. There are kWinogradTerms of them, each
// of which is a matrix product of (tiles, C) and (C, O): 16 multiplications where there were 36.
// All coefficients are 0, 1, -1 and 1/2, so sums of small integers stay exact.
#pragma once

#include <cstdint>

namespace olivine::cpu {

inline constexpr int kWinogradTerms = 16, kWinogradTaps = 9;

// out[term * plane + tile * out_step + c], c < width, for tiles side by side in four lines. The
// width is whole vectors.
struct WinogradInputArgs {
  const float* lines[4];
  int64_t position_step;
  int64_t tiles, width;
  float* out;
  int64_t plane, out_step;
};

// terms[term * plane + i] from taps[tap * count + i], i < count, which is whole vectors.
struct WinogradWeightArgs {
  const float* taps;
  int64_t count;
  float* terms;
  int64_t plane;
};

// Outputs of `channels` channels at `positions` positions of one or two lines, position_step
// apart, from terms[term * plane + tile * tile_step + o].
struct WinogradOutputArgs {
  const float* terms;
  int64_t plane, tile_step;
  int64_t channels, positions;
  float* lines[2];  // the second may be null
  int64_t position_step;
};

// The transposes of the last two, for gradients of weights.
//
// out[term * plane + tile * out_step + o] from one or two contiguous lines of cotangents; the
// second may be null. Whole vectors of out are written.
struct WinogradCotangentArgs {
  const float* lines[2];
  int64_t channels, positions;
  float* out;
  int64_t plane, out_step;
};
// taps[tap * count + i] from terms[term * plane + i], i < count.
struct WinogradGradientArgs {
  const float* terms;
  int64_t plane, count;
  float* taps;
};

struct WinogradKernels {
  void (*input)(const WinogradInputArgs&);
  void (*weight)(const WinogradWeightArgs&);
  void (*output)(const WinogradOutputArgs&);
  void (*cotangent)(const WinogradCotangentArgs&);
  void (*gradient)(const WinogradGradientArgs&);
};

#define OLIVINE_DECLARE_WINOGRAD(isa)            \
  namespace isa {                                \
  extern const WinogradKernels winograd_kernels; \
  }
OLIVINE_DECLARE_WINOGRAD(plain)
OLIVINE_DECLARE_WINOGRAD(avx2)
OLIVINE_DECLARE_WINOGRAD(avx512)
#undef OLIVINE_DECLARE_WINOGRAD

}  // namespace olivine::cpu
