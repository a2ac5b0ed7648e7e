// Value and gradient of functions of a module, compiled steps, and recomputation.
#include "olivine/nn/utils.h"

#include <map>
#include <mutex>
#include <numeric>

#include "core/error.h"
#include "olivine/compile.h"
#include "olivine/ops/random.h"
#include "walk.h"

namespace olivine::nn {
namespace {

// Puts other arrays into these places until the end of the scope.
class Replaced {
 public:
  explicit Replaced(std::vector<array*> slots) : slots_(std::move(slots)) {
    for (array* slot : slots_) before_.push_back(*slot);
  }
  ~Replaced() {
    for (size_t i = 0; i < slots_.size(); ++i) *slots_[i] = before_[i];
  }
  Replaced(const Replaced&) = delete;
  void set(const array* values) {
    for (array* slot : slots_) *slot = *values++;
  }

 private:
  std::vector<array*> slots_;
  std::vector<array> before_;
};

std::vector<array*> slots_of(const std::vector<Stateful*>& holders) {
  std::vector<array*> slots;
  for (Stateful* holder : holders) holder->slots(slots);
  return slots;
}

struct Trainable {
  std::vector<std::string> names;
  std::vector<array*> slots;
  std::vector<array> values;

  explicit Trainable(Module& model) {
    Walk::parameters(model, [&](const Place& at, array& value) {
      if (at.frozen) return;
      names.push_back(at.path());
      slots.push_back(&value);
      values.push_back(value);
    });
  }
};

}  // namespace

std::pair<std::vector<array>, Tree> value_and_grad_once(
    Module& model, const std::function<std::vector<array>()>& fn) {
  Trainable trainable(model);
  if (trainable.names.empty()) {
    fail("[value_and_grad] expected a model with trainable parameters; got none in ", model.kind());
  }
  std::vector<int> argnums(trainable.values.size());
  std::iota(argnums.begin(), argnums.end(), 0);
  Replaced replaced(trainable.slots);
  auto on_parameters = [&](const std::vector<array>& parameters) {
    replaced.set(parameters.data());
    return fn();
  };
  auto [values, gradients] = olivine::value_and_grad(on_parameters, trainable.values, argnums);
  Tree tree;
  for (size_t i = 0; i < gradients.size(); ++i) tree.set(trainable.names[i], gradients[i]);
  return {std::move(values), std::move(tree)};
}

ArrayFn checkpoint(Module& module, ArrayFn fn) {
  return [&module, fn = std::move(fn)](const std::vector<array>& inputs) {
    Trainable trainable(module);
    size_t count = inputs.size();
    ArrayFn inner = [&module, fn, count](const std::vector<array>& all) {
      // Called again in the backward pass, when the module may hold others.
      Trainable now(module);
      Replaced replaced(now.slots);
      replaced.set(all.data() + count);
      return fn(std::vector<array>(all.begin(), all.begin() + static_cast<int64_t>(count)));
    };
    std::vector<array> all = inputs;
    all.insert(all.end(), trainable.values.begin(), trainable.values.end());
    return olivine::checkpoint(inner)(all);
  };
}

// ---- Compiled steps.
struct CompiledStep::Traces {
  struct Trace {
    CompiledFunction compiled{[](const std::vector<array>& inputs) { return inputs; }};
    size_t results = 0;
  };
  std::mutex mutex;
  std::map<std::string, std::shared_ptr<Trace>> by_signature;

  std::shared_ptr<Trace> find(const std::string& signature) {
    std::lock_guard lock(mutex);
    std::shared_ptr<Trace>& trace = by_signature[signature];
    if (!trace) trace = std::make_shared<Trace>();
    return trace;
  }
};

CompiledStep::CompiledStep(std::vector<Stateful*> state)
    : state_(std::move(state)), traces_(std::make_shared<Traces>()) {}

std::vector<array> CompiledStep::call(const std::vector<array>& inputs, const ArrayFn& fn) {
  std::vector<array*> slots;
  std::string signature = std::to_string(inputs.size());
  for (Stateful* holder : state_) {
    holder->slots(slots);
    signature += '|' + std::to_string(slots.size());
    holder->signature(signature);
  }
  size_t explicit_arrays = inputs.size();
  std::shared_ptr<Traces::Trace> trace = traces_->find(signature);

  // Arguments, state, key: what goes in; results, state, key: what comes out.
  auto traced = [&](const std::vector<array>& in) {
    std::vector<array> arguments(in.begin(), in.begin() + static_cast<int64_t>(explicit_arrays));
    Replaced replaced(slots);
    replaced.set(in.data() + explicit_arrays);
    struct Key {
      array before = random::state();
      ~Key() { random::set_state(before); }
    } key;
    random::set_state(in.back());
    std::vector<array> found = fn(arguments);
    trace->results = found.size();
    // An optimizer may have made its state in this very call.
    std::vector<array*> after = slots_of(state_);
    for (array* slot : after) found.push_back(*slot);
    found.push_back(random::state());
    return found;
  };
  std::vector<array> in = inputs;
  for (array* slot : slots) in.push_back(*slot);
  in.push_back(random::state());
  std::vector<array> found = trace->compiled.call(in, traced);
  size_t at = trace->results;
  slots = slots_of(state_);
  if (slots.size() + at + 1 != found.size()) {
    fail("[compile] expected state of ", found.size() - at - 1,
         " arrays, as when it was traced; got ", slots.size());
  }
  for (array* slot : slots) *slot = found[at++];
  random::set_state(found[at]);
  found.erase(found.begin() + static_cast<int64_t>(trace->results), found.end());
  return found;
}

}  // namespace olivine::nn
