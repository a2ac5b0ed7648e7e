// Splits convolutions into phases.
#include "backends/cpu/conv_geometry.h"

#include <algorithm>
#include <numeric>

namespace olivine::cpu {
namespace {

int64_t modulo(int64_t a, int64_t n) { return (a % n + n) % n; }

// Sizes of the spatial axes, behind as many ones as are missing.
void spatial(const Shape& shape, size_t rank, int64_t (&sizes)[kConvAxes]) {
  for (size_t d = 0; d < kConvAxes; ++d) {
    sizes[d] = d + rank < kConvAxes ? 1 : shape[d + rank - kConvAxes + 1];
  }
}

}  // namespace

ConvGeometry::ConvGeometry(const ConvParams& p, const Shape& x, const Shape& kernel,
                           const Shape& out)
    : batch(x.front()), channels(x.back()) {
  const size_t rank = x.size() - 2;
  int64_t in_size[kConvAxes], out_size[kConvAxes];
  spatial(x, rank, in_size);
  spatial(out, rank, out_size);
  spatial(kernel, rank, kernel_);
  in_positions = in_size[0] * in_size[1] * in_size[2];
  kernel_size = kernel_[0] * kernel_[1] * kernel_[2];
  std::vector<ConvAxis> axes[kConvAxes];
  for (size_t d = 0; d < kConvAxes; ++d) {
    const size_t own = d + rank < kConvAxes ? SIZE_MAX : d + rank - kConvAxes;
    axes[d] = split_axis(p, own, in_size[d], kernel_[d], out_size[d]);
  }
  for (const ConvAxis& a : axes[0]) {
    for (const ConvAxis& b : axes[1]) {
      for (const ConvAxis& c : axes[2]) phases_.push_back({a, b, c});
    }
  }
}

// `d`: the axis among those of the parameters; SIZE_MAX: there is none.
std::vector<ConvAxis> ConvGeometry::split_axis(const ConvParams& p, size_t d, int64_t in,
                                               int64_t kernel, int64_t out) {
  const bool own = d != SIZE_MAX;
  const int64_t stride = own ? p.stride[d] : 1, low = own ? p.low[d] : 0;
  const int64_t dilation = own ? p.input_dilation[d] : 1;
  const int64_t kernel_dilation = own ? p.kernel_dilation[d] : 1;
  const int64_t period = dilation / std::gcd(stride, dilation);
  std::vector<ConvAxis> phases;
  for (int64_t first = 0; first < std::min(period, out); ++first) {
    std::vector<int64_t> base, tap;
    for (int64_t k = 0; k < kernel; ++k) {
      const int64_t at = first * stride + k * kernel_dilation - low;
      if (modulo(at, dilation) != 0) continue;
      base.push_back((at - modulo(at, dilation)) / dilation);
      tap.push_back(own && p.flip ? kernel - 1 - k : k);
    }
    const int64_t n = static_cast<int64_t>(tap.size());
    auto table = std::make_unique<int64_t[]>(static_cast<size_t>(2 * n));
    std::copy_n(base.data(), n, table.get());
    std::copy_n(tap.data(), n, table.get() + n);
    phases.push_back({in, out, (out - first + period - 1) / period, first, period,
                      period * stride / dilation, n, table.get(), table.get() + n});
    tables_.push_back(std::move(table));
  }
  return phases;
}

}  // namespace olivine::cpu
