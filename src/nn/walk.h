// Walks over a module and everything below it.
#pragma once

#include <functional>
#include <string>

#include "olivine/nn/module.h"

namespace olivine::nn {

// Where an array was found. The path is put together only when somebody asks.
struct Place {
  const Place* above;  // the module around it, or null
  std::string_view name;
  int index;    // of a list's element, or -1
  bool frozen;  // it, or a module around it

  static std::string name_of(std::string_view name, int index) {
    std::string text(name);
    return index < 0 ? text : text + '.' + std::to_string(index);
  }
  std::string path() const {
    std::string own = name_of(name, index);
    std::string before = above ? above->path() : "";
    return before.empty() ? own : before + '.' + own;
  }
};

class Walk {
 public:
  using OnArray = std::function<void(const Place&, array&)>;
  using OnName = std::function<void(const std::string& name, bool is_module)>;
  using OnModule = std::function<void(const std::string&, Module&)>;

  // Every array; those that are parameters.
  static void all(Module& root, const OnArray& fn);
  static void parameters(Module& root, const OnArray& fn);
  // The module itself, named "", and all below it.
  static void modules(Module& root, const OnModule& fn);
  // The names of a module's own members, or also of those below.
  static void names(Module& root, bool recurse, const OnName& fn);

 private:
  struct Arrays;
};

}  // namespace olivine::nn
