// Convolution layers.
#include "olivine/nn/convolution.h"

#include "core/error.h"
#include "layers.h"
#include "olivine/ops/conv.h"
#include "olivine/ops/creation.h"

namespace olivine::nn {

std::vector<int> PerAxis::over(int count, const char* op, const char* name) const {
  if (values_.size() == 1) return std::vector<int>(static_cast<size_t>(count), values_[0]);
  if (values_.size() != static_cast<size_t>(count)) {
    fail("[", op, "] expected ", name, " to be one integer or ", count, "; got ", values_.size());
  }
  return values_;
}

// Uniform within sqrt(1 / fan_in), of shape (out, *kernel_size, in / groups).
static array initial_weight(const char* op, int in_channels, int out_channels,
                            const std::vector<int>& kernel_size, int groups) {
  if (in_channels < 1) fail("[", op, "] expected in_channels >= 1; got ", in_channels);
  if (groups < 1 || in_channels % groups) {
    fail("[", op, "] expected in_channels divisible by groups; got ", in_channels, " and ", groups);
  }
  Shape shape{out_channels};
  int64_t fan_in = in_channels / groups;
  for (int k : kernel_size) {
    if (k < 1) fail("[", op, "] expected kernel_size of integers >= 1; got ", k);
    shape.push_back(k);
    fan_in *= k;
  }
  shape.push_back(in_channels / groups);
  return uniform_weight(op, fan_in, shape);
}

ConvBase::ConvBase(int axes, const char* name, int in_channels, int out_channels,
                   const PerAxis& kernel_size, const ConvOptions& o)
    : stride(o.stride.over(axes, name, "stride")),
      padding(o.padding.over(axes, name, "padding")),
      dilation(o.dilation.over(axes, name, "dilation")),
      groups(o.groups),
      weight(initial_weight(name, in_channels, out_channels,
                            kernel_size.over(axes, name, "kernel_size"), o.groups)) {
  if (o.bias) bias = zeros({out_channels});
}

void ConvBase::fields(Fields& f) { f("weight", weight)("bias", bias); }

array ConvBase::added_bias(const array& y) const { return bias ? y + *bias : y; }

// One axis as a number, several as a tuple.
static std::string sizes(const std::vector<int>& values) {
  if (values.size() == 1) return std::to_string(values[0]);
  return message(Shape(values.begin(), values.end()));
}

std::string ConvBase::shown(int channels) const {
  std::vector<int> kernel;
  for (int i = 1; i + 1 < weight.ndim(); ++i) kernel.push_back(static_cast<int>(weight.shape(i)));
  return message(channels, ", ", weight.shape(0), ", kernel_size=", sizes(kernel),
                 ", stride=", sizes(stride), ", padding=", sizes(padding),
                 ", dilation=", dilation[0]);
}

std::string ConvBase::extra_repr() const {
  std::string own = shown(static_cast<int>(weight.shape(-1)) * groups);
  if (stride.size() < 3) own += message(", groups=", groups);
  return own + ", bias=" + truth(bias.has_value());
}

Conv1d::Conv1d(int in_channels, int out_channels, int kernel_size, const ConvOptions& o)
    : ConvBase(1, "Conv1d", in_channels, out_channels, kernel_size, o) {}
Conv2d::Conv2d(int in_channels, int out_channels, const PerAxis& kernel_size, const ConvOptions& o)
    : ConvBase(2, "Conv2d", in_channels, out_channels, kernel_size, o) {}
Conv3d::Conv3d(int in_channels, int out_channels, const PerAxis& kernel_size, const ConvOptions& o)
    : ConvBase(3, "Conv3d", in_channels, out_channels, kernel_size, o) {}

static void check_dimensions(const char* op, const array& x, int axes) {
  if (x.ndim() != axes + 2) {
    fail("[", op, "] expected ", axes + 2, " dimensions, batch first and channels last; got shape ",
         x.shape());
  }
}

array Conv1d::operator()(const array& x) const {
  check_dimensions("Conv1d", x, 1);
  return added_bias(conv_general(x, weight, stride, padding, dilation, {}, groups));
}
array Conv2d::operator()(const array& x) const {
  check_dimensions("Conv2d", x, 2);
  return added_bias(conv_general(x, weight, stride, padding, dilation, {}, groups));
}
array Conv3d::operator()(const array& x) const {
  check_dimensions("Conv3d", x, 3);
  return added_bias(conv_general(x, weight, stride, padding, dilation, {}, groups));
}

// ---- Transposed.
ConvTransposeBase::ConvTransposeBase(int axes, const char* name, int in_channels, int out_channels,
                                     const PerAxis& kernel_size, const ConvTransposeOptions& o)
    : ConvBase(axes, name, in_channels, out_channels, kernel_size,
               {.stride = o.stride, .padding = o.padding, .dilation = o.dilation, .bias = o.bias}),
      output_padding(o.output_padding.over(axes, name, "output_padding")) {}

std::string ConvTransposeBase::extra_repr() const {
  return message(shown(static_cast<int>(weight.shape(-1))),
                 ", output_padding=", sizes(output_padding), ", bias=", truth(bias.has_value()));
}

ConvTranspose1d::ConvTranspose1d(int in_channels, int out_channels, int kernel_size,
                                 const ConvTransposeOptions& o)
    : ConvTransposeBase(1, "ConvTranspose1d", in_channels, out_channels, kernel_size, o) {}
ConvTranspose2d::ConvTranspose2d(int in_channels, int out_channels, const PerAxis& kernel_size,
                                 const ConvTransposeOptions& o)
    : ConvTransposeBase(2, "ConvTranspose2d", in_channels, out_channels, kernel_size, o) {}
ConvTranspose3d::ConvTranspose3d(int in_channels, int out_channels, const PerAxis& kernel_size,
                                 const ConvTransposeOptions& o)
    : ConvTransposeBase(3, "ConvTranspose3d", in_channels, out_channels, kernel_size, o) {}

array ConvTranspose1d::operator()(const array& x) const {
  return added_bias(
      conv_transpose1d(x, weight, stride[0], padding[0], dilation[0], output_padding[0]));
}
array ConvTranspose2d::operator()(const array& x) const {
  auto pair = [](const std::vector<int>& v) { return std::pair(v[0], v[1]); };
  return added_bias(conv_transpose2d(x, weight, pair(stride), pair(padding), pair(dilation),
                                     pair(output_padding)));
}
array ConvTranspose3d::operator()(const array& x) const {
  auto triple = [](const std::vector<int>& v) { return std::tuple(v[0], v[1], v[2]); };
  return added_bias(conv_transpose3d(x, weight, triple(stride), triple(padding), triple(dilation),
                                     triple(output_padding)));
}

}  // namespace olivine::nn
