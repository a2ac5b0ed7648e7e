// Optimizers that keep one average of gradients: SGD and Lion.
#include "core/error.h"
#include "nn/weak.h"
#include "olivine/optimizers.h"

namespace olivine::optimizers {

SGD::SGD(Rate learning_rate, SGDOptions options) : Optimizer(learning_rate), options_(options) {
  if (options.nesterov && (options.momentum <= 0 || options.dampening != 0)) {
    fail("[SGD] expected momentum above 0 and no dampening with nesterov; got momentum ",
         options.momentum, " and dampening ", options.dampening);
  }
}

void SGD::init_single(const array& parameter, Tree& state) {
  state.set("v", zeros_like(parameter));
}

array SGD::apply_single(const array& given, const array& parameter, Tree& state) {
  const SGDOptions& o = options_;
  array rate = rate_for(given);
  array gradient = o.weight_decay != 0 ? given + o.weight_decay * parameter : given;
  if (o.momentum <= 0) return parameter - rate * gradient;

  array kept = o.dampening > 0 ? (1 - o.dampening) * gradient : gradient;
  array velocity = o.momentum * state["v"] + kept;
  state.set("v", velocity);
  return parameter - rate * (o.nesterov ? gradient + o.momentum * velocity : velocity);
}

Lion::Lion(Rate learning_rate, LionOptions options) : Optimizer(learning_rate), options_(options) {}

void Lion::init_single(const array& parameter, Tree& state) {
  state.set("m", zeros_like(parameter));
}

array Lion::apply_single(const array& gradient, const array& given, Tree& state) {
  array rate = rate_for(gradient);
  auto [beta1, beta2] = options_.betas;
  array direction = beta1 * state["m"] + (1 - beta1) * gradient;
  state.set("m", beta2 * state["m"] + (1 - beta2) * gradient);
  array parameter = options_.weight_decay > 0 ? (1 - rate * options_.weight_decay) * given : given;
  return parameter - rate * sign(direction);
}

}  // namespace olivine::optimizers
