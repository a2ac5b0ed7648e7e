// Trees: nested lists, tuples and dicts whose leaves are arrays and anything else.
#pragma once

#include <functional>
#include <vector>

#include "object.h"
#include "olivine/ops/random.h"
#include "random_state.h"

namespace olivine::python {

// Held at each level of a walk through a tree: raises where a tree holds itself.
struct TreeLevel {
  TreeLevel() {
    if (Py_EnterRecursiveCall(" in a tree")) throw nb::python_error();
  }
  ~TreeLevel() { Py_LeaveRecursiveCall(); }
  TreeLevel(const TreeLevel&) = delete;
};

// Calls visit(leaf) for all leaves, in order (dicts in insertion order).
template <class F>
void visit_tree(PyObject* o, F&& visit) {
  TreeLevel level;
  if (is_array(o)) {
    visit(o);
  } else if (PyList_Check(o) || PyTuple_Check(o)) {
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(o); ++i) {
      nb::object item = nb::borrow(PySequence_Fast_GET_ITEM(o, i));
      visit_tree(item.ptr(), visit);
    }
  } else if (PyDict_Check(o)) {
    Py_ssize_t at = 0;
    PyObject *key, *value;
    while (PyDict_Next(o, &at, &key, &value)) {
      nb::object held = nb::borrow(value);
      visit_tree(held.ptr(), visit);
    }
  } else if (is_random_state(o)) {
    nb::object key = nb::steal(wrap(random::state()));
    visit(key.ptr());
  } else {
    visit(o);
  }
}

// The arrays of a tree; other leaves are skipped.
std::vector<array> tree_arrays(nb::handle tree);
// The arrays of a tree; another leaf is an error of `op`.
std::vector<array> tree_only_arrays(nb::handle tree, const char* op);
// A tree of the same structure (lists, tuples, named tuples, dicts) with leaves made by `f`.
nb::object map_tree(nb::handle tree, const std::function<nb::object(nb::handle)>& f);
// The same with each array replaced by the next of `arrays`, from position `at` on.
nb::object fill_tree(nb::handle tree, const std::vector<array>& arrays, size_t& at);
// Changes the lists and dicts of `tree` in place, so that its arrays become `arrays`.
void assign_tree(nb::handle tree, const std::vector<array>& arrays);

}  // namespace olivine::python
