// Resampling of the spatial axes of (batch, *spatial, channels) by a factor.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "olivine/nn/module.h"

namespace olivine::nn {

// One factor for all spatial axes, or one each.
class Scales {
 public:
  Scales(double value) : values_{value}, one_(true) {}
  Scales(std::initializer_list<double> values) : values_(values) {}
  Scales(std::vector<double> values) : values_(std::move(values)) {}
  const std::vector<double>& values() const { return values_; }
  bool is_one() const { return one_; }

 private:
  std::vector<double> values_;
  bool one_ = false;
};

// Each output takes one input along every axis: of n inputs and m = floor(n * scale) outputs,
// output i is the input nearest to (i + 0.5) n / m - 0.5 when scaling up, floor(i n / m) when
// scaling down.
OLIVINE_API array upsample_nearest(const array& x, const Scales& scale_factor);
// Linear interpolation along every axis. Outputs are 1 / scale apart and share their centre with
// the inputs, or with align_corners their first and last elements; antialias widens the kernel when
// scaling down.
OLIVINE_API array upsample_linear(const array& x, const Scales& scale_factor,
                                  bool align_corners = false, bool antialias = false);
// Cubic convolution (Keys, 1981), with a slope of -0.75, or -0.5 with antialias.
OLIVINE_API array upsample_cubic(const array& x, const Scales& scale_factor,
                                 bool align_corners = false, bool antialias = false);

// mode: "nearest", "linear" or "cubic".
struct OLIVINE_API Upsample : Module {
  Scales scale_factor;
  std::string mode;
  bool align_corners, antialias;

  explicit Upsample(Scales scale_factor, std::string mode = "nearest", bool align_corners = false,
                    bool antialias = false);
  array operator()(const array& x) const;
  std::string extra_repr() const override;
};

}  // namespace olivine::nn
