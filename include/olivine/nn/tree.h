// Tree: arrays by dotted name, in the order of the model that they belong to.
#pragma once

#include <functional>
#include <initializer_list>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "olivine/array.h"
#include "olivine/io.h"

namespace olivine::nn {

// The parameters of a model, gradients, or an optimizer's state: "layers.0.weight" -> array. Names
// and order are those of Python's trees, flattened.
class OLIVINE_API Tree {
 public:
  using Item = std::pair<std::string, array>;

  Tree() = default;
  Tree(std::initializer_list<Item> items);
  // In the order of the names.
  explicit Tree(const NamedArrays& arrays);

  size_t size() const { return items_.size(); }
  bool empty() const { return items_.empty(); }
  std::vector<Item>::const_iterator begin() const { return items_.begin(); }
  std::vector<Item>::const_iterator end() const { return items_.end(); }

  bool contains(const std::string& name) const { return index_.count(name) != 0; }
  // Raises std::out_of_range for a name that is not there.
  const array& at(const std::string& name) const;
  const array& operator[](const std::string& name) const { return at(name); }
  // Adds or replaces.
  void set(const std::string& name, array value);

  // The tree of fn(array).
  Tree map(const std::function<array(const array&)>& fn) const;
  // Those whose names begin with `prefix`, without it.
  Tree below(const std::string& prefix) const;
  // The arrays alone.
  std::vector<array> arrays() const;
  NamedArrays named() const;
  // Where they are, until something is added.
  void slots(std::vector<array*>& out);

 private:
  std::vector<Item> items_;
  std::unordered_map<std::string, size_t> index_;
};

// Computes all of them in one evaluation.
OLIVINE_API void eval(const Tree& tree);

}  // namespace olivine::nn
