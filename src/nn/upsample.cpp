// Resampling layers.
#include "olivine/nn/upsample.h"

#include <cmath>

#include "core/error.h"
#include "layers.h"
#include "olivine/ops/indexing.h"
#include "olivine/ops/shape.h"
#include "resampling.h"

namespace olivine::nn {
namespace {

std::vector<double> per_axis(const array& x, const Scales& scales) {
  int count = x.ndim() - 2;
  if (count < 1) {
    fail("[Upsample] expected at least one spatial axis, (batch, *spatial, channels); got shape ",
         x.shape());
  }
  if (scales.is_one()) return std::vector<double>(static_cast<size_t>(count), scales.values()[0]);
  if (scales.values().size() != static_cast<size_t>(count)) {
    fail("[Upsample] expected one scale for each of ", count, " spatial axes; got ",
         scales.values().size());
  }
  return scales.values();
}

array interpolated(const array& given, const Scales& scales, bool align_corners, bool antialias,
                   bool linear) {
  array x = given;
  std::vector<double> per = per_axis(x, scales);
  for (int axis = 1; axis <= static_cast<int>(per.size()); ++axis) {
    Taps t = interpolation_taps(static_cast<int>(x.shape(axis)), per[static_cast<size_t>(axis) - 1],
                                align_corners, antialias, linear);
    // (outputs, 1, …): beside the axes that follow.
    Shape shape(static_cast<size_t>(x.ndim() - axis), 1);
    shape[0] = t.count;
    std::optional<array> total;
    for (int tap = 0; tap < t.taps; ++tap) {
      std::vector<int> indices;
      std::vector<float> weights;
      for (int i = 0; i < t.count; ++i) {
        indices.push_back(t.indices[static_cast<size_t>(i * t.taps + tap)]);
        weights.push_back(t.weights[static_cast<size_t>(i * t.taps + tap)]);
      }
      array weight = astype(reshape(array(weights, {t.count}), shape), x.dtype());
      array part = take(x, array(indices, {t.count}), axis) * weight;
      total = total ? *total + part : part;
    }
    x = *total;
  }
  return x;
}

}  // namespace

array upsample_nearest(const array& given, const Scales& scales) {
  array x = given;
  std::vector<double> per = per_axis(x, scales);
  for (int axis = 1; axis <= static_cast<int>(per.size()); ++axis) {
    double scale = per[static_cast<size_t>(axis) - 1];
    if (scale == std::trunc(scale)) {
      x = repeat(x, static_cast<int>(scale), axis);
      continue;
    }
    int size = static_cast<int>(x.shape(axis));
    std::vector<int> inputs = nearest_inputs(size, static_cast<int>(size * scale));
    x = take(x, array(inputs, {static_cast<ShapeElem>(inputs.size())}), axis);
  }
  return x;
}
array upsample_linear(const array& x, const Scales& scales, bool align_corners, bool antialias) {
  return interpolated(x, scales, align_corners, antialias, true);
}
array upsample_cubic(const array& x, const Scales& scales, bool align_corners, bool antialias) {
  return interpolated(x, scales, align_corners, antialias, false);
}

Upsample::Upsample(Scales given, std::string mode, bool align_corners, bool antialias)
    : scale_factor(std::move(given)),
      mode(std::move(mode)),
      align_corners(align_corners),
      antialias(antialias) {
  if (this->mode != "nearest" && this->mode != "linear" && this->mode != "cubic") {
    fail("[Upsample] expected mode to be nearest, linear or cubic; got ", this->mode);
  }
  if (antialias && (this->mode == "nearest" || align_corners)) {
    fail(
        "[Upsample] expected antialias with linear or cubic and without align_corners; got it "
        "with ",
        this->mode == "nearest" ? "mode nearest" : "align_corners");
  }
  for (double scale : scale_factor.values()) {
    if (!(std::isfinite(scale) && scale > 0)) {
      fail("[Upsample] expected scale_factor > 0; got ", scale);
    }
  }
}

array Upsample::operator()(const array& x) const {
  if (mode == "nearest") return upsample_nearest(x, scale_factor);
  return interpolated(x, scale_factor, align_corners, antialias, mode == "linear");
}

std::string Upsample::extra_repr() const {
  std::string scales;
  for (double v : scale_factor.values()) scales += (scales.empty() ? "" : ", ") + number(v);
  if (!scale_factor.is_one())
    scales = '(' + scales + (scale_factor.values().size() == 1 ? ",)" : ")");
  return message("scale_factor=", scales, ", mode='", mode,
                 "', align_corners=", truth(align_corners), antialias ? ", antialias=True" : "");
}

}  // namespace olivine::nn
