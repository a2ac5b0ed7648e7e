// Value and gradient of functions of a module, compiled training steps, and recomputation.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "olivine/nn/module.h"
#include "olivine/transforms.h"

namespace olivine::nn {

// All outputs of fn, and the gradients of the first, a scalar, with respect to the trainable
// parameters of the model.
OLIVINE_API std::pair<std::vector<array>, Tree> value_and_grad_once(
    Module& model, const std::function<std::vector<array>()>& fn);

// A function that returns fn's value and its gradient with respect to the trainable parameters of
// the model. fn takes arrays and returns a scalar, or a list that starts with one.
//
//   auto loss_and_grad = nn::value_and_grad(model, [&](const array& x, const array& y) {
//     return nn::losses::cross_entropy(model(x), y, {.reduction = nn::Reduction::mean});
//   });
//   auto [loss, grads] = loss_and_grad(x, y);
//
// The model must outlive it.
template <class F>
auto value_and_grad(Module& model, F fn) {
  return [&model, fn = std::move(fn)]<class... Arrays>(const Arrays&... inputs) {
    if constexpr (std::is_same_v<std::invoke_result_t<const F&, const Arrays&...>, array>) {
      auto [values, gradients] =
          value_and_grad_once(model, [&] { return std::vector<array>{fn(inputs...)}; });
      return std::pair<array, Tree>(values[0], std::move(gradients));
    } else {
      return value_and_grad_once(model, [&] { return fn(inputs...); });
    }
  };
}

// A function of arrays and of the state of modules and optimizers, traced once for each form of its
// inputs. What it does to the state happens at every call. The keys of olivine::random are state
// too, so that dropout draws anew. The modules and optimizers must outlive it; copies share traces.
class OLIVINE_API CompiledStep {
 public:
  explicit CompiledStep(std::vector<Stateful*> state);
  std::vector<array> call(const std::vector<array>& inputs, const ArrayFn& fn);

 private:
  struct Traces;
  std::vector<Stateful*> state_;
  std::shared_ptr<Traces> traces_;
};

inline std::vector<array> as_list(array a) { return {std::move(a)}; }
inline std::vector<array> as_list(std::vector<array> list) { return list; }
template <class F, size_t... i>
auto call_with(const F& fn, const std::vector<array>& inputs, std::index_sequence<i...>) {
  return fn(inputs[i]...);
}

// The compiled form of fn, which takes arrays and returns one or a list, and may read and replace
// what `state` holds:
//
//   auto step = nn::compile([&](const array& x, const array& y) {
//     auto [loss, grads] = loss_and_grad(x, y);
//     optimizer.update(model, grads);
//     return loss;
//   }, model, optimizer);
template <class F, std::derived_from<Stateful>... S>
auto compile(F fn, S&... state) {
  return [fn = std::move(fn),
          step = CompiledStep({&state...})]<class... Arrays>(const Arrays&... inputs) mutable {
    using Indices = std::index_sequence_for<Arrays...>;
    constexpr bool single = std::is_same_v<std::invoke_result_t<const F&, const Arrays&...>, array>;
    std::vector<array> results = step.call({inputs...}, [&](const std::vector<array>& traced) {
      return as_list(call_with(fn, traced, Indices()));
    });
    if constexpr (single) {
      return results[0];
    } else {
      return results;
    }
  };
}

// Computes everything that modules and optimizers hold.
template <std::derived_from<Stateful>... S>
void eval(S&... holders) {
  eval(std::vector<Stateful*>{&holders...});
}

// fn, a function of inputs and of the module's trainable parameters, whose intermediate results are
// computed again in the backward pass instead of being kept. The module must live until then.
OLIVINE_API ArrayFn checkpoint(Module& module, ArrayFn fn);

}  // namespace olivine::nn
