// Convolution layers over inputs of shape (batch, *spatial, channels), and transposed ones.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "olivine/nn/module.h"

namespace olivine::nn {

// One value for all spatial axes, or one each.
class PerAxis {
 public:
  PerAxis(int value) : values_{value} {}
  PerAxis(std::initializer_list<int> values) : values_(values) {}
  PerAxis(std::vector<int> values) : values_(std::move(values)) {}
  // Of `count` axes; another number of values raises std::invalid_argument.
  OLIVINE_API std::vector<int> over(int count, const char* op, const char* name) const;

 private:
  std::vector<int> values_;
};

struct ConvOptions {
  PerAxis stride = 1, padding = 0, dilation = 1;
  int groups = 1;
  bool bias = true;
};

// What the convolutions share: `axes` spatial axes, weights (out, *kernel, in / groups).
struct OLIVINE_API ConvBase : Module {
  std::vector<int> stride, padding, dilation;
  int groups;
  array weight;
  std::optional<array> bias;

  ConvBase(int axes, const char* name, int in_channels, int out_channels,
           const PerAxis& kernel_size, const ConvOptions& options);
  void fields(Fields& f) override;
  std::string extra_repr() const override;

 protected:
  array added_bias(const array& y) const;
  std::string shown(int channels) const;
};

// x (N, L, C_in) correlated with the weight: (N, (L + 2 padding - dilation (K - 1) - 1) / stride +
// 1, C_out).
struct OLIVINE_API Conv1d : ConvBase {
  Conv1d(int in_channels, int out_channels, int kernel_size, const ConvOptions& options = {});
  array operator()(const array& x) const;
};
// For (N, H, W, C_in).
struct OLIVINE_API Conv2d : ConvBase {
  Conv2d(int in_channels, int out_channels, const PerAxis& kernel_size,
         const ConvOptions& options = {});
  array operator()(const array& x) const;
};
// For (N, D, H, W, C_in).
struct OLIVINE_API Conv3d : ConvBase {
  Conv3d(int in_channels, int out_channels, const PerAxis& kernel_size,
         const ConvOptions& options = {});
  array operator()(const array& x) const;
};

struct ConvTransposeOptions {
  PerAxis stride = 1, padding = 0, dilation = 1, output_padding = 0;
  bool bias = true;
};

struct OLIVINE_API ConvTransposeBase : ConvBase {
  std::vector<int> output_padding;
  ConvTransposeBase(int axes, const char* name, int in_channels, int out_channels,
                    const PerAxis& kernel_size, const ConvTransposeOptions& options);
  std::string extra_repr() const override;
};

// x (N, L, C_in), weight (C_out, K, C_in): (N, (L - 1) stride - 2 padding + dilation (K - 1) +
// output_padding + 1, C_out).
struct OLIVINE_API ConvTranspose1d : ConvTransposeBase {
  ConvTranspose1d(int in_channels, int out_channels, int kernel_size,
                  const ConvTransposeOptions& options = {});
  array operator()(const array& x) const;
};
struct OLIVINE_API ConvTranspose2d : ConvTransposeBase {
  ConvTranspose2d(int in_channels, int out_channels, const PerAxis& kernel_size,
                  const ConvTransposeOptions& options = {});
  array operator()(const array& x) const;
};
struct OLIVINE_API ConvTranspose3d : ConvTransposeBase {
  ConvTranspose3d(int in_channels, int out_channels, const PerAxis& kernel_size,
                  const ConvTransposeOptions& options = {});
  array operator()(const array& x) const;
};

}  // namespace olivine::nn
