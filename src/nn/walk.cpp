// Walks over modules by their fields.
#include "walk.h"

namespace olivine::nn {

// Of one module: its arrays are reported, its modules walked in turn.
struct Walk::Arrays : Fields {
  Module& owner;
  const Place* above;
  bool only_parameters;
  const OnArray& fn;

  Arrays(Module& owner, const Place* above, bool only_parameters, const OnArray& fn)
      : owner(owner), above(above), only_parameters(only_parameters), fn(fn) {}

  Place place(std::string_view name, int index) const {
    bool frozen = above && above->frozen;
    if (!frozen && !owner.frozen_.empty()) {
      frozen = owner.is_frozen(std::string(name)) ||
               (index >= 0 && owner.is_frozen(Place::name_of(name, index)));
    }
    return {above, name, index, frozen};
  }
  bool skipped(std::string_view name) const { return only_parameters && name.starts_with('_'); }

  void on_array(std::string_view name, int index, array& value) override {
    if (!skipped(name)) fn(place(name, index), value);
  }
  void on_module(std::string_view name, int index, Module& module) override {
    if (skipped(name)) return;
    Place here = place(name, index);
    Arrays below(module, &here, only_parameters, fn);
    module.fields(below);
  }
};

void Walk::all(Module& root, const OnArray& fn) {
  Arrays walk(root, nullptr, false, fn);
  root.fields(walk);
}

void Walk::parameters(Module& root, const OnArray& fn) {
  Arrays walk(root, nullptr, true, fn);
  root.fields(walk);
}

void Walk::modules(Module& root, const OnModule& fn) {
  struct Modules : Fields {
    const OnModule& fn;
    std::string prefix;
    Modules(const OnModule& fn, std::string prefix) : fn(fn), prefix(std::move(prefix)) {}
    void on_array(std::string_view, int, array&) override {}
    void on_module(std::string_view name, int index, Module& module) override {
      std::string path = prefix + Place::name_of(name, index);
      fn(path, module);
      Modules below(fn, path + '.');
      module.fields(below);
    }
  };
  fn("", root);
  Modules walk(fn, "");
  root.fields(walk);
}

void Walk::names(Module& root, bool recurse, const OnName& fn) {
  struct Names : Fields {
    bool recurse;
    const OnName& fn;
    Names(bool recurse, const OnName& fn) : recurse(recurse), fn(fn) {}
    void on_array(std::string_view name, int index, array&) override {
      fn(Place::name_of(name, index), false);
    }
    void on_module(std::string_view name, int index, Module& module) override {
      fn(std::string(name), true);
      if (index >= 0) fn(Place::name_of(name, index), true);
      if (!recurse) return;
      Names below(true, fn);
      module.fields(below);
    }
  };
  Names walk(recurse, fn);
  root.fields(walk);
}

}  // namespace olivine::nn
