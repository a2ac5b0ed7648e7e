// What the tests of olivine::nn share: names and values of trees, messages of errors.
#pragma once

#include <olivine/nn.h>
#include <olivine/olivine.h>

#include <exception>
#include <string>
#include <vector>

namespace olivine::nn {

inline std::vector<std::string> names(const Tree& tree) {
  std::vector<std::string> result;
  for (const auto& item : tree) result.push_back(item.first);
  return result;
}

inline bool same(const Tree& a, const Tree& b) {
  if (names(a) != names(b)) return false;
  for (const auto& [name, value] : a) {
    if (!array_equal(value, b.at(name)).item<bool>()) return false;
  }
  return true;
}

template <class F>
std::string error_of(F f) {
  try {
    f();
  } catch (const std::exception& e) {
    return e.what();
  }
  return "no error";
}

}  // namespace olivine::nn
