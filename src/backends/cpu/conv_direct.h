// Convolutions as products that read lines of the image where they lie.
#pragma once

#include "backends/cpu/conv_lines.h"

namespace olivine::cpu {

// Whether lines along the last axis are long enough to fill register tiles, and taps near enough to
// each other that what lies between them may be copied along.
bool suits_direct_conv(const ConvPhase& p);
// Weights (O, kernel…, C) with any strides, in elements.
struct ConvWeights {
  const char* data;
  int64_t out, kernel[kConvAxes], in;
};

// Writes the outputs of the phase.
void direct_conv(const ConvCall& call, const ConvPhase& p, const ConvWeights& w, char* out);

int64_t direct_conv_workspace(const ConvCall& call, const ConvPhase& p);

// sums: (O, taps, C) of the phase, for all groups. The dtype is float32 or float64.
void direct_conv_weight(const ConvCall& call, const ConvPhase& p, const char* cotangent,
                        char* sums);
int64_t direct_conv_weight_workspace(const ConvCall& call, const ConvPhase& p);

}  // namespace olivine::cpu
