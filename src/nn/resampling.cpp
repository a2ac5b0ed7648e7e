// Taps of resampled axes.
#include "resampling.h"

#include <algorithm>
#include <cmath>

namespace olivine::nn {

std::vector<int> nearest_inputs(int size, int count) {
  float ratio = static_cast<float>(static_cast<double>(size) / std::max(count, 1));
  std::vector<int> inputs;
  for (int i = 0; i < count; ++i) {
    float at = static_cast<float>(i);
    at = count > size ? std::nearbyint((at + 0.5f) * ratio - 0.5f) : std::floor(at * ratio);
    inputs.push_back(static_cast<int>(std::clamp(at, 0.0f, static_cast<float>(size - 1))));
  }
  return inputs;
}

namespace {

// Where the outputs lie, in units of the input's indices.
std::vector<double> positions_of(int size, double scale, bool align_corners) {
  int count = static_cast<int>(size * scale);
  std::vector<double> found;
  for (int i = 0; i < count; ++i) {
    if (align_corners) {
      found.push_back(count > 1 ? i * (static_cast<double>(size - 1) / (count - 1)) : i);
    } else {
      found.push_back((size - 1) / 2.0 + (i - (count - 1) / 2.0) / scale);
    }
  }
  return found;
}

struct Kernel {
  bool linear;
  double slope;  // of the cubic one at 1 (Keys, 1981)

  double operator()(double signed_x) const {
    double x = std::abs(signed_x), a = slope;
    if (linear) return std::max(1 - x, 0.0);
    if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? a * (((x - 5) * x + 8) * x - 4) : 0;
  }
};

int index_of(double at, int size) {
  return static_cast<int>(std::clamp(at, 0.0, static_cast<double>(size - 1)));
}

// Indices beyond the ends mean the ends.
void interpolate(Taps& t, const std::vector<double>& positions, int size, int radius,
                 const Kernel& kernel) {
  t.taps = 2 * radius;
  for (double position : positions) {
    for (int tap = 1 - radius; tap <= radius; ++tap) {
      double at = std::floor(position) + tap;
      t.indices.push_back(index_of(at, size));
      t.weights.push_back(static_cast<float>(kernel(position - at)));
    }
  }
}

// The kernel stretched to the spacing of the outputs; the weights sum to 1.
void antialias(Taps& t, const std::vector<double>& positions, int size, double scale, int radius,
               const Kernel& kernel) {
  double stretch = std::max(1 / scale, 1.0), support = radius * stretch;
  auto first_of = [&](double centre) { return std::max(std::floor(centre - support + 0.5), 0.0); };
  auto last_of = [&](double centre) {
    return std::min(std::floor(centre + support + 0.5), static_cast<double>(size));
  };
  t.taps = 1;
  for (double position : positions) {
    double centre = position + 0.5;
    t.taps = std::max(t.taps, static_cast<int>(last_of(centre) - first_of(centre)));
  }
  for (double position : positions) {
    double centre = position + 0.5, first = first_of(centre), last = last_of(centre), total = 0;
    std::vector<double> weights;
    for (int tap = 0; tap < t.taps; ++tap) {
      double at = first + tap;
      weights.push_back(at < last ? kernel((at - centre + 0.5) / stretch) : 0);
      total += weights.back();
      t.indices.push_back(index_of(at, size));
    }
    for (double weight : weights) t.weights.push_back(static_cast<float>(weight / total));
  }
}

}  // namespace

Taps interpolation_taps(int size, double scale, bool align_corners, bool with_antialias,
                        bool linear) {
  int radius = linear ? 1 : 2;
  std::vector<double> positions = positions_of(size, scale, align_corners);
  Taps taps{static_cast<int>(positions.size()), 0, {}, {}};
  Kernel kernel{linear, with_antialias ? -0.5 : -0.75};
  if (with_antialias) {
    antialias(taps, positions, size, scale, radius, kernel);
    return taps;
  }
  if (linear) {
    for (double& p : positions) p = std::clamp(p, 0.0, static_cast<double>(size - 1));
  }
  interpolate(taps, positions, size, radius, kernel);
  return taps;
}

}  // namespace olivine::nn
