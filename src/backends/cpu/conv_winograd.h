// Convolutions with 3x3 weights by Winograd's transforms.
#pragma once

#include "backends/cpu/conv_direct.h"

namespace olivine::cpu {

// 3x3 weights, no strides, one group, computed in float32, and enough channels to pay for the
// transforms.
bool suits_winograd(const ConvCall& call, const ConvPhase& p);

// Writes the outputs of the phase.
void winograd_conv(const ConvCall& call, const ConvPhase& p, const ConvWeights& w, char* out);
// The same sums as direct_conv_weight, of float32.
void winograd_conv_weight(const ConvCall& call, const ConvPhase& p, const float* cotangent,
                          float* sums);
int64_t winograd_conv_workspace(const ConvCall& call, const ConvPhase& p);
int64_t winograd_conv_weight_workspace(const ConvCall& call, const ConvPhase& p);

// The tiles of all images, in rows.
class WinogradTiles {
  const ConvCall& call_;
  const ConvPhase& p_;

 public:
  WinogradTiles(const ConvCall& call, const ConvPhase& p);

  const int64_t per_row, per_image;  // tiles of a row, rows of an image
  const int64_t rows;                // in all images

  int64_t count() const { return rows * per_row; }
  // The first line of outputs of a row of tiles, counted over all images, and how many it has.
  int64_t line(int64_t row) const { return row / per_image * p_[1].count + row % per_image * 2; }
  int64_t lines(int64_t row) const { return row % per_image * 2 + 1 < p_[1].count ? 2 : 1; }

  // Transforms the inputs of rows [begin, end): out[(block * kWinogradTerms + term) * plane +
  // tile * step + c], c < width, where blocks share the input channels evenly.
  struct Inputs {
    int64_t begin, end, blocks, width, step;
    float* out;
    int64_t plane;
  };
  void transform(const Inputs& to) const;
};

}  // namespace olivine::cpu
