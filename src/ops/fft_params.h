// Parameters of fft, shared by the record and its kernel.
#pragma once

#include <cstdint>
#include <tuple>

#include "olivine/shape.h"

namespace olivine {

// What the last of the axes goes from and to; the others are complex.
enum class FftKind : uint8_t {
  complex,    // complex -> complex
  to_half,    // n real values -> the first n / 2 + 1 of n complex ones; forward
  from_half,  // the first n / 2 + 1 of n complex values -> n real ones; inverse
};

struct FftParams {
  SmallVector<int, 6> axes;  // distinct, normalized, at least one
  FftKind kind;
  bool inverse;
  int64_t n;     // from_half: the length of the last axis of the result
  double scale;  // the result is multiplied by it
  auto fields() const { return std::tie(axes, kind, inverse, n, scale); }
};

}  // namespace olivine
