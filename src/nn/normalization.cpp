// Normalization layers.
#include "olivine/nn/normalization.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "layers.h"
#include "olivine/fast.h"
#include "olivine/ops/reduction.h"
#include "olivine/ops/shape.h"
#include "weak.h"

namespace olivine::nn {
namespace {

array affine(const std::optional<array>& weight, const std::optional<array>& bias, const array& x) {
  return weight ? *weight * x + *bias : x;
}

// The axes from `first` up to, not including, `last`.
std::vector<int> axes_between(int first, int last) {
  std::vector<int> axes(static_cast<size_t>(std::max(last - first, 0)));
  std::iota(axes.begin(), axes.end(), first);
  return axes;
}

array normalized(const array& x, const std::vector<int>& axes, double eps) {
  array centre = mean(x, axes, true);
  return (x - centre) * rsqrt(var(x, axes, true) + eps);
}

}  // namespace

InstanceNorm::InstanceNorm(int dims, double eps, bool affine) : dims(dims), eps(eps) {
  if (!affine) return;
  weight = ones({dims});
  bias = zeros({dims});
}
array InstanceNorm::operator()(const array& x) const {
  return affine(weight, bias, normalized(x, axes_between(1, x.ndim() - 1), eps));
}
std::string InstanceNorm::extra_repr() const {
  return message(dims, ", eps=", number(eps), ", affine=", truth(weight.has_value()));
}

LayerNorm::LayerNorm(int dims, double eps, bool affine, bool with_bias) : dims(dims), eps(eps) {
  if (!affine) return;
  weight = ones({dims});
  if (with_bias) bias = zeros({dims});
}
array LayerNorm::operator()(const array& x) const { return fast::layer_norm(x, weight, bias, eps); }
std::string LayerNorm::extra_repr() const {
  return message(dims, ", eps=", number(eps), ", affine=", truth(weight.has_value()));
}

RMSNorm::RMSNorm(int dims, double eps) : eps(eps), weight(ones({dims})) {}
array RMSNorm::operator()(const array& x) const { return fast::rms_norm(x, weight, eps); }
std::string RMSNorm::extra_repr() const { return message(weight.shape(0), ", eps=", number(eps)); }

GroupNorm::GroupNorm(int num_groups, int dims, double eps, bool affine, bool pytorch_compatible)
    : num_groups(num_groups), dims(dims), eps(eps), pytorch_compatible(pytorch_compatible) {
  if (num_groups < 1 || dims % num_groups) {
    fail("[GroupNorm] expected dims divisible by num_groups; got ", dims, " and ", num_groups);
  }
  if (!affine) return;
  bias = zeros({dims});
  weight = ones({dims});
}

static array normalized_neighbours(const array& x, ShapeElem groups, double eps) {
  ShapeElem batch = x.shape(0), size = x.shape(-1) / groups;
  array y = transpose(reshape(x, {batch, -1, groups, size}), {0, 2, 1, 3});
  y = fast::layer_norm(reshape(y, {batch, groups, -1}), std::nullopt, std::nullopt, eps);
  y = transpose(reshape(y, {batch, groups, -1, size}), {0, 2, 1, 3});
  return reshape(y, x.shape());
}

array GroupNorm::operator()(const array& x) const {
  if (pytorch_compatible) return affine(weight, bias, normalized_neighbours(x, num_groups, eps));
  array y = reshape(x, {x.shape(0), -1, num_groups});
  return affine(weight, bias, reshape(normalized(y, {1}, eps), x.shape()));
}

std::string GroupNorm::extra_repr() const {
  return message(num_groups, ", ", dims, ", eps=", number(eps),
                 ", affine=", truth(weight.has_value()),
                 ", pytorch_compatible=", truth(pytorch_compatible));
}

BatchNorm::BatchNorm(int num_features, double eps, double momentum, bool affine,
                     bool track_running_stats)
    : num_features(num_features), eps(eps), momentum(momentum) {
  if (affine) {
    weight = ones({num_features});
    bias = zeros({num_features});
  }
  if (track_running_stats) {
    running_mean = zeros({num_features});
    running_var = ones({num_features});
  }
  on_unfrozen();
}

void BatchNorm::fields(Fields& f) {
  f("weight", weight)("bias", bias)("running_mean", running_mean)("running_var", running_var);
}

void BatchNorm::on_unfrozen() {
  if (running_mean) freeze({"running_mean", "running_var"}, false);
}

array BatchNorm::operator()(const array& x) {
  if (x.ndim() < 2 || x.ndim() > 4) {
    fail("[BatchNorm] expected 2 to 4 dimensions; got shape ", x.shape());
  }
  if (!training() && running_mean) {
    return affine(weight, bias, (x - *running_mean) * rsqrt(*running_var + eps));
  }
  std::vector<int> axes = axes_between(0, x.ndim() - 1);
  array centre = mean(x, axes), variance = var(x, axes);
  if (training() && running_mean) {
    double count = static_cast<double>(x.size() / std::max<int64_t>(x.shape(-1), 1));
    // The running variance is the unbiased estimate, the one used for normalizing is not.
    array unbiased = variance * (count / std::max(count - 1, 1.0));
    running_mean = (1 - momentum) * *running_mean + momentum * centre;
    running_var = (1 - momentum) * *running_var + momentum * unbiased;
  }
  return affine(weight, bias, (x - centre) * rsqrt(variance + eps));
}

std::string BatchNorm::extra_repr() const {
  return message(num_features, ", eps=", number(eps), ", momentum=", number(momentum),
                 ", affine=", truth(weight.has_value()),
                 ", track_running_stats=", truth(running_mean.has_value()));
}

}  // namespace olivine::nn
