// Adam and its relatives: averages of the gradient and of its square.
#include "nn/optimizers/settings.h"
#include "nn/weak.h"
#include "olivine/optimizers.h"

namespace olivine::optimizers {

Adam::Adam(Rate learning_rate, AdamOptions options) : Optimizer(learning_rate), options_(options) {}

void Adam::init_single(const array& parameter, Tree& state) {
  state.set("m", zeros_like(parameter));
  state.set("v", zeros_like(parameter));
}

array Adam::apply_single(const array& gradient, const array& parameter, Tree& state) {
  array rate = rate_for(gradient);
  auto [beta1, beta2] = options_.betas;
  double eps = options_.eps;
  array mean = beta1 * state["m"] + (1 - beta1) * gradient;
  array square = beta2 * state["v"] + (1 - beta2) * olivine::square(gradient);
  state.set("m", mean);
  state.set("v", square);

  if (!options_.bias_correction) return parameter - rate * mean / (sqrt(square) + eps);
  auto remaining = [&](double beta) { return 1 - power(weak(beta, step()), step()); };
  array scale = astype(rate / remaining(beta1), gradient.dtype());
  array correction = astype(rsqrt(remaining(beta2)), gradient.dtype());
  return parameter - scale * mean / (sqrt(square) * correction + eps);
}

AdamW::AdamW(Rate learning_rate, AdamWOptions o)
    : Adam(learning_rate, {.betas = o.betas, .eps = o.eps, .bias_correction = o.bias_correction}),
      weight_decay_(o.weight_decay) {}

array AdamW::apply_single(const array& gradient, const array& parameter, Tree& state) {
  array rate = rate_for(gradient);
  return Adam::apply_single(gradient, parameter * (1 - rate * weight_decay_), state);
}

Adamax::Adamax(Rate learning_rate, AdamaxOptions o)
    : Adam(learning_rate, {.betas = o.betas, .eps = o.eps}) {
  check_at_least("Adamax", "eps", o.eps, 0);
}

array Adamax::apply_single(const array& gradient, const array& parameter, Tree& state) {
  array rate = rate_for(gradient);
  auto [beta1, beta2] = options_.betas;
  array mean = beta1 * state["m"] + (1 - beta1) * gradient;
  array largest = maximum(beta2 * state["v"], abs(gradient));
  state.set("m", mean);
  state.set("v", largest);
  return parameter - rate * mean / (largest + options_.eps);
}

}  // namespace olivine::optimizers
