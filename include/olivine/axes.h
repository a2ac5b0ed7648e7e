// Axes: which axes a function works along: all of them, or a list.
#pragma once

#include <concepts>
#include <initializer_list>
#include <optional>
#include <utility>
#include <vector>

namespace olivine {

class Axes {
 public:
  // All axes.
  Axes() = default;
  Axes(std::nullopt_t) {}
  Axes(int axis) : list_(std::vector<int>{axis}) {}
  Axes(std::initializer_list<int> axes) : list_(std::vector<int>(axes)) {}
  Axes(std::vector<int> axes) : list_(std::move(axes)) {}
  // Anything that converts to an optional list.
  template <class T>
  requires(!std::same_as<T, std::vector<int>> &&
           std::convertible_to<const T&, std::optional<std::vector<int>>>) Axes(const T& axes)
      : list_(axes) {}

  bool all() const { return !list_; }
  // The list; only if not all.
  const std::vector<int>& list() const { return *list_; }

 private:
  std::optional<std::vector<int>> list_;
};

}  // namespace olivine
