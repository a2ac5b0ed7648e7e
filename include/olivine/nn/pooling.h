// Pooling layers over inputs of shape (batch, *spatial, channels).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "olivine/nn/convolution.h"

namespace olivine::nn {

// The largest value, or the mean, of every window. The stride is the kernel's size unless given;
// both ends are padded, with -inf or with zeros, which count.
struct OLIVINE_API Pool : Module {
  enum class Kind { max, mean };
  array operator()(const array& x) const;
  std::string extra_repr() const override;

 protected:
  Pool(Kind kind, int axes, const char* name, const PerAxis& kernel_size,
       const std::optional<PerAxis>& stride, const PerAxis& padding);

 private:
  Kind kind_;
  const char* name_;
  std::vector<int> kernel_size_, stride_, padding_;
};

#define OLIVINE_POOL(NAME, KIND, AXES)                                                             \
  struct OLIVINE_API NAME : Pool {                                                                 \
    explicit NAME(const PerAxis& kernel_size, const std::optional<PerAxis>& stride = std::nullopt, \
                  const PerAxis& padding = 0)                                                      \
        : Pool(Kind::KIND, AXES, #NAME, kernel_size, stride, padding) {}                           \
  };
OLIVINE_POOL(MaxPool1d, max, 1)
OLIVINE_POOL(AvgPool1d, mean, 1)
OLIVINE_POOL(MaxPool2d, max, 2)
OLIVINE_POOL(AvgPool2d, mean, 2)
OLIVINE_POOL(MaxPool3d, max, 3)
OLIVINE_POOL(AvgPool3d, mean, 3)
#undef OLIVINE_POOL

}  // namespace olivine::nn
