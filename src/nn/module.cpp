// Module: parameters read, replaced, saved, loaded and frozen, by walks over the fields.
#include "olivine/nn/module.h"

#include <algorithm>

#include "core/error.h"
#include "olivine/io.h"
#include "olivine/ops/elementwise.h"
#include "walk.h"

namespace olivine::nn {

// The walks do not write; fields() is not const because others do.
static Module& self(const Module* module) { return const_cast<Module&>(*module); }

// ---- Reading.
Tree Module::parameters() const {
  Tree result;
  Walk::parameters(self(this),
                   [&](const Place& at, array& value) { result.set(at.path(), value); });
  return result;
}

Tree Module::trainable_parameters() const {
  Tree result;
  Walk::parameters(self(this), [&](const Place& at, array& value) {
    if (!at.frozen) result.set(at.path(), value);
  });
  return result;
}

int64_t Module::num_parameters() const {
  int64_t count = 0;
  Walk::parameters(self(this), [&](const Place&, array& value) { count += value.size(); });
  return count;
}

int64_t Module::num_trainable_parameters() const {
  int64_t count = 0;
  Walk::parameters(self(this),
                   [&](const Place& at, array& value) { count += at.frozen ? 0 : value.size(); });
  return count;
}

std::vector<std::pair<std::string, Module*>> Module::named_modules() {
  std::vector<std::pair<std::string, Module*>> found;
  Walk::modules(*this, [&](const std::string& name, Module& m) { found.emplace_back(name, &m); });
  return found;
}

std::vector<std::pair<std::string, Module*>> Module::children() {
  struct Children : Fields {
    std::vector<std::pair<std::string, Module*>> found;
    void on_array(std::string_view, int, array&) override {}
    void on_module(std::string_view name, int index, Module& module) override {
      found.emplace_back(Place::name_of(name, index), &module);
    }
  } children;
  fields(children);
  return std::move(children.found);
}

// ---- Writing.
Module& Module::update(const Tree& parameters, bool strict) {
  size_t used = 0;
  Walk::all(*this, [&](const Place& at, array& value) {
    std::string path = at.path();
    if (!parameters.contains(path)) return;
    value = parameters.at(path);
    ++used;
  });
  if (!strict || used == parameters.size()) return *this;
  Tree own = state();
  for (const auto& [name, value] : parameters) {
    if (!own.contains(name)) {
      fail("[Module.update] expected a name the model has; got ", name);
    }
  }
  return *this;
}

Module& Module::apply(const std::function<array(const array&)>& fn) {
  Walk::parameters(*this, [&](const Place&, array& value) { value = fn(value); });
  return *this;
}

Module& Module::apply_to_modules(const std::function<void(const std::string&, Module&)>& fn) {
  Walk::modules(*this, fn);
  return *this;
}

Module& Module::set_dtype(Dtype dtype) {
  return apply([&](const array& x) { return is_floating(x.dtype()) ? astype(x, dtype) : x; });
}

// ---- Files.
Module& Module::load_weights(const std::string& file, bool strict) {
  return load_weights(Tree(load_safetensors(file).first), strict);
}

static std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

static void check_weights(const Tree& own, const Tree& weights) {
  std::vector<std::string> unexpected, missing;
  for (const auto& item : weights) {
    if (!own.contains(item.first)) unexpected.push_back(item.first);
  }
  for (const auto& item : own) {
    if (!weights.contains(item.first)) missing.push_back(item.first);
  }
  for (auto& [what, names] :
       {std::pair{"names the model lacks", &unexpected}, std::pair{"missing names", &missing}}) {
    if (names->empty()) continue;
    std::sort(names->begin(), names->end());
    fail("[Module.load_weights] expected exactly the model's parameters; got ", names->size(), " ",
         what, ": ", listed(*names));
  }
  for (const auto& [name, value] : weights) {
    if (value.shape() != own.at(name).shape()) {
      fail("[Module.load_weights] expected shape ", own.at(name).shape(), " for ", name, "; got ",
           value.shape());
    }
  }
}

Module& Module::load_weights(const Tree& weights, bool strict) {
  if (strict) check_weights(parameters(), weights);
  return update(weights, false);
}

void Module::save_weights(const std::string& file) const {
  if (!file.ends_with(".safetensors")) {
    fail("[Module.save_weights] expected a name ending in .safetensors; got ", file);
  }
  save_safetensors(file, parameters().named());
}

// ---- Frozen parameters and training mode.
static void check_keys(Module& module, const std::vector<std::string>& keys, bool recurse) {
  for (const std::string& key : keys) {
    bool found = false;
    Walk::names(module, recurse, [&](const std::string& name, bool) { found |= name == key; });
    if (!found) {
      fail("[Module.freeze] expected a parameter of ", module.kind(),
           recurse ? " or a module below it" : "", "; got ", key);
    }
  }
}

Module& Module::freeze(const std::vector<std::string>& keys, bool recurse, bool strict) {
  if (strict) check_keys(*this, keys, recurse);
  auto freeze_one = [&](Module& module) {
    module.frozen_.insert(keys.begin(), keys.end());
    if (!keys.empty()) return;
    Walk::names(module, false, [&](const std::string& name, bool is_module) {
      if (!is_module) module.frozen_.insert(name);
    });
  };
  if (!recurse) {
    freeze_one(*this);
  } else {
    Walk::modules(*this, [&](const std::string&, Module& module) { freeze_one(module); });
  }
  return *this;
}

Module& Module::unfreeze(const std::vector<std::string>& keys, bool recurse, bool strict) {
  if (strict) check_keys(*this, keys, recurse);
  auto unfreeze_one = [&](Module& module) {
    for (const std::string& key : keys) module.frozen_.erase(key);
    if (keys.empty()) module.frozen_.clear();
    module.on_unfrozen();
  };
  if (!recurse) {
    unfreeze_one(*this);
  } else {
    Walk::modules(*this, [&](const std::string&, Module& module) { unfreeze_one(module); });
  }
  return *this;
}

Module& Module::train(bool mode) {
  Walk::modules(*this, [&](const std::string&, Module& module) {
    module.training_ = mode;
    module.on_training(mode);
  });
  return *this;
}

// ---- State.
Tree Module::state() const {
  Tree result;
  Walk::all(self(this), [&](const Place& at, array& value) { result.set(at.path(), value); });
  return result;
}

void Module::set_state(const Tree& state) {
  Tree own = this->state();
  for (const auto& [name, value] : own) {
    if (!state.contains(name))
      fail("[Module.set_state] expected an array for ", name, "; got none");
    if (state.at(name).shape() != value.shape()) {
      fail("[Module.set_state] expected shape ", value.shape(), " for ", name, "; got ",
           state.at(name).shape());
    }
  }
  update(state);
}

void Module::slots(std::vector<array*>& out) {
  Walk::all(*this, [&](const Place&, array& value) { out.push_back(&value); });
}

void Module::signature(std::string& out) const {
  Walk::modules(self(this), [&](const std::string&, Module& module) {
    out += module.training_ ? 't' : 'e';
    for (const std::string& name : module.frozen_) (out += name) += ',';
  });
}

}  // namespace olivine::nn
