// Muon: momentum whose matrix updates are made orthogonal.
#include <algorithm>
#include <cmath>

#include "nn/weak.h"
#include "olivine/ops/matmul.h"
#include "olivine/ops/reduction.h"
#include "olivine/ops/shape.h"
#include "olivine/optimizers.h"

namespace olivine::optimizers {

// An approximation of U V^T for x = U S V^T, by Newton-Schulz iterations of the quintic
// a s + b s^3 + c s^5, which drives singular values in (0, 1] towards 1 (Jordan, 2024).
static array orthogonalize(array x, int steps) {
  constexpr double a = 3.4445, b = -4.7750, c = 2.0315;
  bool tall = x.shape(-2) > x.shape(-1);
  if (tall) x = transpose(x);
  x = x / (sqrt(sum(square(x))) + 1e-7);
  for (int i = 0; i < steps; ++i) {
    array gram = matmul(x, transpose(x));
    x = a * x + matmul(b * gram + c * matmul(gram, gram), x);
  }
  return tall ? transpose(x) : x;
}

Muon::Muon(Rate learning_rate, MuonOptions options) : Optimizer(learning_rate), options_(options) {}

void Muon::init_single(const array& parameter, Tree& state) {
  state.set("v", zeros_like(parameter));
}

array Muon::apply_single(const array& given, const array& parameter, Tree& state) {
  const MuonOptions& o = options_;
  array gradient = o.weight_decay != 0 ? given + o.weight_decay * parameter : given;
  double kept = o.momentum;
  array velocity = kept * state["v"] + (1 - kept) * gradient;
  state.set("v", velocity);
  array update = o.nesterov ? kept * velocity + (1 - kept) * gradient : velocity;
  array rate = rate_for(gradient);
  if (update.ndim() >= 2) {
    Shape shape = update.shape();
    array matrix = reshape(update, {shape[0], -1});
    update = reshape(orthogonalize(matrix, o.ns_steps), shape);
    double ratio = static_cast<double>(update.shape(-2)) / static_cast<double>(update.shape(-1));
    rate = rate * std::sqrt(std::max(1.0, ratio));
  }
  return parameter - rate * update;
}

}  // namespace olivine::optimizers
