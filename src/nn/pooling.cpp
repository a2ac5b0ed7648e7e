// Pooling layers.
#include "olivine/nn/pooling.h"

#include <algorithm>
#include <limits>

#include "core/error.h"
#include "olivine/ops/creation.h"
#include "olivine/ops/reduction.h"
#include "olivine/ops/shape.h"

namespace olivine::nn {
namespace {

std::vector<int> sizes(const PerAxis& value, int axes, const char* op, const char* name,
                       int least) {
  std::vector<int> found = value.over(axes, op, name);
  for (int v : found) {
    if (v < least) fail("[", op, "] expected ", name, " >= ", least, "; got ", v);
  }
  return found;
}

std::string tuple(const std::vector<int>& v) { return message(Shape(v.begin(), v.end())); }

// The windows as a view (N, *positions, *size, C). Those that would reach beyond an edge are left
// out; x must lie in memory row by row.
array windows(const array& x, const std::vector<int>& size, const std::vector<int>& stride) {
  size_t n = size.size();
  Strides steps(n + 2, 1);  // of x, in elements
  for (size_t i = n + 1; i-- > 0;) steps[i] = steps[i + 1] * x.shape(static_cast<int>(i) + 1);
  Shape shape{x.shape(0)};
  Strides strides{steps[0]};
  for (size_t i = 0; i < n; ++i) {
    ShapeElem length = x.shape(static_cast<int>(i) + 1);
    shape.push_back(length >= size[i] ? (length - size[i]) / stride[i] + 1 : 0);
    strides.push_back(steps[i + 1] * stride[i]);
  }
  for (size_t i = 0; i < n; ++i) {
    shape.push_back(size[i]);
    strides.push_back(steps[i + 1]);
  }
  shape.push_back(x.shape(-1));
  strides.push_back(1);
  return as_strided(x, shape, strides, 0);
}

// Windows that share no element: a reshape and a transpose, whose gradient is cheap.
array tiles(const array& x, const std::vector<int>& size) {
  int n = static_cast<int>(size.size());
  Shape shape{x.shape(0)};
  std::vector<int> order{0};
  for (int i = 0; i < n; ++i) {
    int k = size[static_cast<size_t>(i)];
    shape.push_back(x.shape(i + 1) / k);
    shape.push_back(k);
    order.push_back(2 * i + 1);
  }
  shape.push_back(x.shape(-1));
  for (int i = 0; i < n; ++i) order.push_back(2 * i + 2);
  order.push_back(2 * n + 1);
  return transpose(reshape(x, shape), order);
}

}  // namespace

Pool::Pool(Kind kind, int axes, const char* name, const PerAxis& kernel_size,
           const std::optional<PerAxis>& stride, const PerAxis& padding)
    : kind_(kind),
      name_(name),
      kernel_size_(sizes(kernel_size, axes, name, "kernel_size", 1)),
      stride_(stride ? sizes(*stride, axes, name, "stride", 1) : kernel_size_),
      padding_(sizes(padding, axes, name, "padding", 0)) {}

std::string Pool::extra_repr() const {
  return "kernel_size=" + tuple(kernel_size_) + ", stride=" + tuple(stride_) +
         ", padding=" + tuple(padding_);
}

array Pool::operator()(const array& given) const {
  int n = static_cast<int>(kernel_size_.size());
  if (given.ndim() != n + 2) {
    fail("[", name_, "] expected ", n + 2, " dimensions, batch first and channels last; got shape ",
         given.shape());
  }
  array x = given;
  if (std::any_of(padding_.begin(), padding_.end(), [](int p) { return p > 0; })) {
    std::vector<std::pair<int, int>> widths{{0, 0}};
    for (int p : padding_) widths.emplace_back(p, p);
    widths.emplace_back(0, 0);
    double value = kind_ == Kind::max ? -std::numeric_limits<double>::infinity() : 0;
    x = pad(x, widths, array(value, x.dtype()));
  }
  bool separate = kernel_size_ == stride_;
  for (int i = 0; i < n; ++i)
    separate &= x.shape(i + 1) % kernel_size_[static_cast<size_t>(i)] == 0;
  array found = separate ? tiles(x, kernel_size_) : windows(contiguous(x), kernel_size_, stride_);
  std::vector<int> axes;
  for (int i = -n - 1; i < -1; ++i) axes.push_back(i);
  return kind_ == Kind::max ? max(found, axes) : mean(found, axes);
}

}  // namespace olivine::nn
