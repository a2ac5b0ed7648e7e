// Optimizer, the base class; a combination of several; and gradient clipping.
#include "core/error.h"
#include "nn/weak.h"
#include "olivine/ops/reduction.h"
#include "olivine/optimizers.h"

namespace olivine::optimizers {

Optimizer::Optimizer() { scalars_.emplace("step", array(uint64_t{0})); }

Optimizer::Optimizer(const Rate& learning_rate) : Optimizer() {
  if (learning_rate.schedule()) {
    schedules_.emplace("learning_rate", learning_rate.schedule());
    scalars_.emplace("learning_rate", learning_rate.schedule()(step()));
  } else {
    scalars_.emplace("learning_rate", array(learning_rate.value()));
  }
}

array Optimizer::learning_rate() const {
  auto found = scalars_.find("learning_rate");
  if (found == scalars_.end()) fail("[Optimizer.learning_rate] expected one to be given; got none");
  return found->second;
}
void Optimizer::set_learning_rate(const array& rate) {
  scalars_.insert_or_assign("learning_rate", rate);
}
array Optimizer::rate_for(const array& gradient) const {
  return astype(scalar("learning_rate"), gradient.dtype());
}

void Optimizer::init(const Tree& parameters) {
  for (const auto& [name, parameter] : parameters) {
    auto [at, added] = per_parameter_.try_emplace(name);
    if (added) init_single(parameter, at->second);
  }
}

void Optimizer::update(nn::Module& model, const Tree& gradients) {
  model.update(apply_gradients(gradients, model.parameters()));
}

Tree Optimizer::apply_gradients(const Tree& gradients, const Tree& parameters) {
  init(gradients);
  for (const auto& [name, schedule] : schedules_) scalars_.at(name) = schedule(step());
  scalars_.at("step") = step() + array(1, uint64);
  Tree result;
  for (const auto& [name, gradient] : gradients) {
    result.set(name, apply_single(gradient, parameters.at(name), per_parameter_.at(name)));
  }
  return result;
}

Tree Optimizer::state() const {
  Tree result;
  for (const auto& [name, value] : scalars_) result.set(name, value);
  for (const auto& [parameter, own] : per_parameter_) {
    for (const auto& [name, value] : own) result.set(parameter + '.' + name, value);
  }
  return result;
}

void Optimizer::set_state(const Tree& state) {
  std::map<std::string, array> scalars;
  std::map<std::string, Tree> per_parameter;
  for (const auto& [name, value] : state) {
    size_t dot = name.rfind('.');
    if (dot != std::string::npos) {
      per_parameter[name.substr(0, dot)].set(name.substr(dot + 1), value);
    } else if (scalars_.count(name)) {
      scalars.emplace(name, value);
    } else {
      fail("[Optimizer.set_state] expected names of this optimizer's state; got ", name);
    }
  }
  for (const auto& item : scalars_) {
    if (!scalars.count(item.first)) {
      fail("[Optimizer.set_state] expected an array for ", item.first, "; got none");
    }
  }
  scalars_ = std::move(scalars);
  per_parameter_ = std::move(per_parameter);
}

void Optimizer::slots(std::vector<array*>& out) {
  for (auto& item : scalars_) out.push_back(&item.second);
  for (auto& item : per_parameter_) item.second.slots(out);
}

void Optimizer::signature(std::string& out) const {
  out += std::to_string(scalars_.size()) + '+' + std::to_string(per_parameter_.size());
}

// ---- Several.
MultiOptimizer::MultiOptimizer(std::vector<std::shared_ptr<Optimizer>> optimizers,
                               std::vector<Filter> filters)
    : optimizers_(std::move(optimizers)), filters_(std::move(filters)) {
  if (optimizers_.empty() || filters_.size() != optimizers_.size() - 1) {
    fail("[MultiOptimizer] expected one optimizer more than filters; got ", optimizers_.size(),
         " and ", filters_.size(), " filters");
  }
}

std::vector<Tree> MultiOptimizer::split(const Tree& tree) const {
  std::vector<Tree> parts(optimizers_.size());
  for (const auto& [name, value] : tree) {
    size_t i = 0;
    while (i < filters_.size() && !filters_[i](name, value)) ++i;
    parts[i].set(name, value);
  }
  return parts;
}

void MultiOptimizer::init(const Tree& parameters) {
  std::vector<Tree> parts = split(parameters);
  for (size_t i = 0; i < parts.size(); ++i) optimizers_[i]->init(parts[i]);
}

Tree MultiOptimizer::apply_gradients(const Tree& gradients, const Tree& parameters) {
  std::vector<Tree> parts = split(gradients);
  Tree result;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].empty()) continue;
    for (const auto& [name, value] : optimizers_[i]->apply_gradients(parts[i], parameters)) {
      result.set(name, value);
    }
  }
  return result;
}

array MultiOptimizer::learning_rate() const { return optimizers_[0]->learning_rate(); }
void MultiOptimizer::set_learning_rate(const array& rate) {
  for (const auto& optimizer : optimizers_) optimizer->set_learning_rate(rate);
}

static std::string prefix_of(size_t i) { return "states." + std::to_string(i) + '.'; }

Tree MultiOptimizer::state() const {
  Tree result;
  for (size_t i = 0; i < optimizers_.size(); ++i) {
    for (const auto& [name, value] : optimizers_[i]->state())
      result.set(prefix_of(i) + name, value);
  }
  return result;
}

void MultiOptimizer::set_state(const Tree& state) {
  size_t used = 0;
  for (size_t i = 0; i < optimizers_.size(); ++i) {
    Tree own = state.below(prefix_of(i));
    used += own.size();
    optimizers_[i]->set_state(own);
  }
  if (used != state.size()) {
    fail("[MultiOptimizer] expected states of ", optimizers_.size(), " optimizers; got ",
         state.size() - used, " other arrays");
  }
}

void MultiOptimizer::slots(std::vector<array*>& out) {
  for (const auto& optimizer : optimizers_) optimizer->slots(out);
}
void MultiOptimizer::signature(std::string& out) const {
  for (const auto& optimizer : optimizers_) optimizer->signature(out += '/');
}

// ---- Clipping.
std::pair<Tree, array> clip_grad_norm(const Tree& gradients, double max_norm) {
  array squares(0.f);
  bool first = true;
  for (const auto& item : gradients) {
    array sum = olivine::sum(square(item.second));
    squares = first ? 0.0 + sum : squares + sum;
    first = false;
  }
  array norm = sqrt(squares);
  array scale = minimum(weak(max_norm, norm) / (norm + 1e-6), 1.0);
  return {gradients.map([&](const array& g) { return g * scale; }), norm};
}

}  // namespace olivine::optimizers
