// Graphs of arrays that are not yet computed, as text for people and for Graphviz.
#pragma once

#include <ostream>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <vector>

#include "olivine/array.h"

namespace olivine {

// Names of arrays: given ones, else A, B, C … in the order of asking.
struct OLIVINE_API NodeNamer {
  std::unordered_map<std::uintptr_t, std::string> names;
  const std::string& get_name(const array& x);
  void set_name(const array& x, std::string n);

 private:
  uint64_t given_ = 0;
};

// What `outputs` are computed from. Values are numbered by position; each is made by at most one
// op.
struct GraphDescription {
  struct Value {
    std::string name;  // empty: nobody named it, and it is neither input nor output
    Shape shape;
    Dtype dtype = bool_;
    bool input = false, output = false;
    std::string text;  // of a computed scalar: its value
  };
  struct Operation {
    std::string name;
    std::vector<int> inputs, outputs;
  };
  std::vector<Value> values;
  std::vector<Operation> operations;  // in an order in which they can be computed
};
OLIVINE_API GraphDescription describe_graph(NodeNamer& namer, const std::vector<array>& outputs);

// One line per op: what it reads, its name, what it makes.
OLIVINE_API void print_graph(std::ostream& os, NodeNamer namer, const std::vector<array>& outputs);
inline void print_graph(std::ostream& os, const std::vector<array>& outputs) {
  print_graph(os, {}, outputs);
}
// The graph in Graphviz' language: boxes are ops, ellipses are inputs and outputs.
OLIVINE_API void export_to_dot(std::ostream& os, NodeNamer namer,
                               const std::vector<array>& outputs);
inline void export_to_dot(std::ostream& os, const std::vector<array>& outputs) {
  export_to_dot(os, {}, outputs);
}

template <class... Arrays>
requires(sizeof...(Arrays) > 0 && (std::is_same_v<std::remove_cvref_t<Arrays>, array> &&
                                   ...)) void print_graph(std::ostream& os, NodeNamer namer,
                                                          Arrays&&... outputs) {
  print_graph(os, std::move(namer), std::vector<array>{std::forward<Arrays>(outputs)...});
}
template <class... Arrays>
requires(sizeof...(Arrays) > 0 && (std::is_same_v<std::remove_cvref_t<Arrays>, array> &&
                                   ...)) void print_graph(std::ostream& os, Arrays&&... outputs) {
  print_graph(os, {}, std::vector<array>{std::forward<Arrays>(outputs)...});
}
template <class... Arrays>
requires(sizeof...(Arrays) > 0 && (std::is_same_v<std::remove_cvref_t<Arrays>, array> &&
                                   ...)) void export_to_dot(std::ostream& os, NodeNamer namer,
                                                            Arrays&&... outputs) {
  export_to_dot(os, std::move(namer), std::vector<array>{std::forward<Arrays>(outputs)...});
}
template <class... Arrays>
requires(sizeof...(Arrays) > 0 && (std::is_same_v<std::remove_cvref_t<Arrays>, array> &&
                                   ...)) void export_to_dot(std::ostream& os, Arrays&&... outputs) {
  export_to_dot(os, {}, std::vector<array>{std::forward<Arrays>(outputs)...});
}

}  // namespace olivine
