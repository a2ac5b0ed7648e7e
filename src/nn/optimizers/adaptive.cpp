// Optimizers with a step size per element: RMSprop, Adagrad and AdaDelta.
#include "nn/optimizers/settings.h"
#include "nn/weak.h"
#include "olivine/optimizers.h"

namespace olivine::optimizers {

RMSprop::RMSprop(Rate learning_rate, RMSpropOptions options)
    : Optimizer(learning_rate), options_(options) {
  check_at_least("RMSprop", "alpha", options.alpha, 0);
  check_positive("RMSprop", "eps", options.eps);
}

void RMSprop::init_single(const array& parameter, Tree& state) {
  state.set("v", zeros_like(parameter));
}

array RMSprop::apply_single(const array& gradient, const array& parameter, Tree& state) {
  array rate = rate_for(gradient);
  double alpha = options_.alpha;
  array square = alpha * state["v"] + (1 - alpha) * olivine::square(gradient);
  state.set("v", square);
  return parameter - rate * gradient / (sqrt(square) + options_.eps);
}

Adagrad::Adagrad(Rate learning_rate, double eps) : Optimizer(learning_rate), eps_(eps) {
  check_positive("Adagrad", "eps", eps);
}

void Adagrad::init_single(const array& parameter, Tree& state) {
  state.set("v", zeros_like(parameter));
}

array Adagrad::apply_single(const array& gradient, const array& parameter, Tree& state) {
  array rate = rate_for(gradient);
  array square = state["v"] + olivine::square(gradient);
  state.set("v", square);
  return parameter - rate * gradient / (sqrt(square) + eps_);
}

AdaDelta::AdaDelta(Rate learning_rate, AdaDeltaOptions options)
    : Optimizer(learning_rate), options_(options) {
  check_at_least("AdaDelta", "rho", options.rho, 0);
  check_positive("AdaDelta", "eps", options.eps);
}

void AdaDelta::init_single(const array& parameter, Tree& state) {
  state.set("v", zeros_like(parameter));
  state.set("u", zeros_like(parameter));
}

array AdaDelta::apply_single(const array& gradient, const array& parameter, Tree& state) {
  array rate = rate_for(gradient);
  auto [rho, eps] = options_;
  array square = rho * state["v"] + (1 - rho) * olivine::square(gradient);
  array step = sqrt(state["u"] + eps) / sqrt(square + eps) * gradient;
  state.set("v", square);
  state.set("u", rho * state["u"] + (1 - rho) * olivine::square(step));
  return parameter - rate * step;
}

}  // namespace olivine::optimizers
