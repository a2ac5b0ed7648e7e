// Dropout: random zeros during training, scaled so that the expectation stays.
#pragma once

#include <string>

#include "olivine/nn/module.h"

namespace olivine::nn {

// Zeroes each element with probability p and multiplies the others by 1 / (1 - p).
struct OLIVINE_API Dropout : Module {
  explicit Dropout(double p = 0.5);
  array operator()(const array& x) const;
  std::string extra_repr() const override;

 protected:
  virtual Shape mask_shape(const array& x) const { return x.shape(); }

 private:
  double keep_;
};

// Drops whole channels of images shaped (N, H, W, C) or (H, W, C).
struct OLIVINE_API Dropout2d : Dropout {
  using Dropout::Dropout;

 protected:
  Shape mask_shape(const array& x) const override;
};

// Drops whole channels of volumes shaped (N, D, H, W, C) or (D, H, W, C).
struct OLIVINE_API Dropout3d : Dropout {
  using Dropout::Dropout;

 protected:
  Shape mask_shape(const array& x) const override;
};

}  // namespace olivine::nn
