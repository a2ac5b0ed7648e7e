// Tree and Stateful: maps from names to arrays, and evaluating what several of them hold.
#include "olivine/nn/tree.h"

#include <algorithm>

#include "core/error.h"
#include "olivine/nn/stateful.h"

namespace olivine::nn {

Tree::Tree(std::initializer_list<Item> items) {
  for (const Item& item : items) set(item.first, item.second);
}
Tree::Tree(const NamedArrays& arrays) {
  items_.assign(arrays.begin(), arrays.end());
  std::sort(items_.begin(), items_.end(),
            [](const Item& a, const Item& b) { return a.first < b.first; });
  for (size_t i = 0; i < items_.size(); ++i) index_.emplace(items_[i].first, i);
}

const array& Tree::at(const std::string& name) const {
  auto found = index_.find(name);
  if (found == index_.end()) {
    fail<std::out_of_range>("[Tree.at] expected one of ", size(), " names; got ", name);
  }
  return items_[found->second].second;
}

void Tree::set(const std::string& name, array value) {
  auto [found, added] = index_.emplace(name, items_.size());
  if (added) {
    items_.emplace_back(name, std::move(value));
  } else {
    items_[found->second].second = std::move(value);
  }
}

Tree Tree::map(const std::function<array(const array&)>& fn) const {
  Tree result;
  for (const auto& [name, value] : items_) result.set(name, fn(value));
  return result;
}

Tree Tree::below(const std::string& prefix) const {
  Tree result;
  for (const auto& [name, value] : items_) {
    if (name.starts_with(prefix)) result.set(name.substr(prefix.size()), value);
  }
  return result;
}

std::vector<array> Tree::arrays() const {
  std::vector<array> result;
  result.reserve(items_.size());
  for (const Item& item : items_) result.push_back(item.second);
  return result;
}

NamedArrays Tree::named() const { return NamedArrays(items_.begin(), items_.end()); }

void Tree::slots(std::vector<array*>& out) {
  for (Item& item : items_) out.push_back(&item.second);
}

void eval(const Tree& tree) { olivine::eval(tree.arrays()); }

void eval(const std::vector<Stateful*>& holders, const std::vector<array>& arrays) {
  std::vector<array*> slots;
  for (Stateful* holder : holders) holder->slots(slots);
  std::vector<array> all = arrays;
  for (array* slot : slots) all.push_back(*slot);
  olivine::eval(all);
}

}  // namespace olivine::nn
