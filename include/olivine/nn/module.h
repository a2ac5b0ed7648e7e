// Module, the base class of layers and models, and Fields, by which it names what belongs to it.
//
// A model is a struct whose members are arrays and other modules. It derives from Module, and its
// fields() gives each member the name it has in files:
//
//   struct MLP : nn::Module {
//     nn::Linear up, down;
//     explicit MLP(int dims) : up(dims, 4 * dims), down(4 * dims, dims) {}
//     array operator()(const array& x) const { return down(nn::relu(up(x))); }
//     void fields(nn::Fields& f) override { f("up", up)("down", down); }
//   };
//
// Models are values: a copy has the same parameters, and training it leaves the original alone (but
// for modules held by a shared_ptr, which both have).
#pragma once

#include <concepts>
#include <functional>
#include <iosfwd>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "olivine/array.h"
#include "olivine/nn/stateful.h"

namespace olivine::nn {

class Module;
struct Quantization;

// Walks the members of one module. Names that begin with an underscore are state without being
// parameters: neither trained nor saved with the weights.
class OLIVINE_API Fields {
 public:
  virtual ~Fields() = default;

  Fields& operator()(std::string_view name, array& value) { return found(name, -1, value); }
  Fields& operator()(std::string_view name, Module& module) { return found(name, -1, module); }
  // Skipped while empty.
  Fields& operator()(std::string_view name, std::optional<array>& value) {
    return value ? found(name, -1, *value) : *this;
  }
  template <std::derived_from<Module> M>
  Fields& operator()(std::string_view name, std::optional<M>& module) {
    return module ? found(name, -1, *module) : *this;
  }
  template <std::derived_from<Module> M>
  Fields& operator()(std::string_view name, const std::shared_ptr<M>& module) {
    return module ? found(name, -1, *module) : *this;
  }
  // Lists: "name.0", "name.1", …
  Fields& operator()(std::string_view name, std::vector<array>& values) {
    for (size_t i = 0; i < values.size(); ++i) found(name, static_cast<int>(i), values[i]);
    return *this;
  }
  template <std::derived_from<Module> M>
  Fields& operator()(std::string_view name, std::vector<M>& modules) {
    for (size_t i = 0; i < modules.size(); ++i) found(name, static_cast<int>(i), modules[i]);
    return *this;
  }
  // Element `index` of the list `name`.
  Fields& item(std::string_view name, int index, Module& module) {
    return found(name, index, module);
  }

 protected:
  // `index` is that of a list's element, or -1.
  virtual void on_array(std::string_view name, int index, array& value) = 0;
  virtual void on_module(std::string_view name, int index, Module& module) = 0;

 private:
  Fields& found(std::string_view name, int index, array& value) {
    on_array(name, index, value);
    return *this;
  }
  Fields& found(std::string_view name, int index, Module& module) {
    on_module(name, index, module);
    return *this;
  }
};

class OLIVINE_API Module : public Stateful {
 public:
  // Names the arrays and modules that belong to this one, in the order of their names in Python.
  virtual void fields(Fields&) {}

  // ---- Reading.
  // All parameters, and those that are not frozen.
  Tree parameters() const;
  Tree trainable_parameters() const;
  int64_t num_parameters() const;
  int64_t num_trainable_parameters() const;
  // This module (named "") and all below it, each before those inside it.
  std::vector<std::pair<std::string, Module*>> named_modules();
  // The modules directly below.
  std::vector<std::pair<std::string, Module*>> children();
  // A table of the parameters: name, shape, dtype, whether trained; and their numbers.
  std::string summary() const;

  // ---- Writing.
  // Replaces parameters by those of the tree, which need not name all of them. With `strict`, a
  // name that the module lacks raises std::invalid_argument.
  Module& update(const Tree& parameters, bool strict = true);
  // Replaces each parameter p by fn(p).
  Module& apply(const std::function<array(const array&)>& fn);
  // Calls fn(name, module) for this module and all below it.
  Module& apply_to_modules(const std::function<void(const std::string&, Module&)>& fn);
  // Casts the floating parameters.
  Module& set_dtype(Dtype dtype);

  // ---- Files.
  // From a safetensors file, or a tree. With `strict`, names and shapes must be the module's own,
  // or std::invalid_argument names what is missing, unexpected or of another shape.
  Module& load_weights(const std::string& file, bool strict = true);
  Module& load_weights(const Tree& weights, bool strict = true);
  // As a safetensors file, which Python's load_weights reads too.
  void save_weights(const std::string& file) const;

  // ---- Frozen parameters and training mode.
  // Leaves parameters out of training: all, or those with these names in their own module. With
  // `strict`, a name that no module has raises std::invalid_argument.
  Module& freeze(const std::vector<std::string>& keys = {}, bool recurse = true,
                 bool strict = false);
  Module& unfreeze(const std::vector<std::string>& keys = {}, bool recurse = true,
                   bool strict = false);
  bool is_frozen(const std::string& key) const { return frozen_.count(key) != 0; }
  // Whether layers such as dropout behave as in training; set for this module and all below it.
  bool training() const { return training_; }
  Module& train(bool mode = true);
  Module& eval() { return train(false); }

  // ---- Showing.
  // The name of the type, without namespaces.
  virtual std::string kind() const;
  // What is shown between the parentheses.
  virtual std::string extra_repr() const { return ""; }
  std::string to_string() const;

  // ---- Called for each module by quantize(): whether its weight became a packed one.
  virtual bool quantize_weight(const Quantization&) { return false; }

  // ---- Of Stateful: all arrays, parameters or not.
  Tree state() const override;
  void set_state(const Tree& state) override;
  void slots(std::vector<array*>& out) override;
  void signature(std::string& out) const override;

 protected:
  // Hooks of layers that do more: batch norm keeps its statistics frozen.
  virtual void on_unfrozen() {}
  virtual void on_training(bool) {}

 private:
  friend class Walk;
  std::set<std::string> frozen_;
  bool training_ = true;
};

OLIVINE_API std::ostream& operator<<(std::ostream& os, const Module& module);

}  // namespace olivine::nn
