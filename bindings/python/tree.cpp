// Trees of lists, tuples and dicts.
#include "tree.h"

#include "core/error.h"

namespace olivine::python {

std::vector<array> tree_arrays(nb::handle tree) {
  std::vector<array> out;
  visit_tree(tree.ptr(), [&](PyObject* leaf) {
    if (is_array(leaf)) out.push_back(value_of(leaf));
  });
  return out;
}

std::vector<array> tree_only_arrays(nb::handle tree, const char* op) {
  std::vector<array> out;
  visit_tree(tree.ptr(), [&](PyObject* leaf) {
    if (!is_array(leaf)) {
      fail("[", op, "] expected a tree of arrays; got a leaf of type ", Py_TYPE(leaf)->tp_name);
    }
    out.push_back(value_of(leaf));
  });
  return out;
}

nb::object map_tree(nb::handle tree, const std::function<nb::object(nb::handle)>& f) {
  TreeLevel level;
  PyObject* o = tree.ptr();
  if (PyList_Check(o)) {
    nb::list out;
    for (nb::handle item : nb::borrow<nb::list>(tree)) out.append(map_tree(item, f));
    return out;
  }
  if (PyTuple_Check(o)) {
    nb::object out = nb::steal(PyTuple_New(PyTuple_GET_SIZE(o)));
    if (!out.is_valid()) throw nb::python_error();
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(o); ++i) {
      PyTuple_SET_ITEM(out.ptr(), i, map_tree(PyTuple_GET_ITEM(o, i), f).release().ptr());
    }
    if (PyTuple_CheckExact(o)) return out;
    // A named tuple stays one.
    return nb::hasattr(tree, "_make") ? nb::object(tree.type().attr("_make")(out)) : out;
  }
  if (PyDict_Check(o)) {
    nb::dict out;
    for (auto [key, value] : nb::borrow<nb::dict>(tree)) out[key] = map_tree(value, f);
    return out;
  }
  if (is_random_state(o)) {
    nb::object key = nb::steal(wrap(random::state()));
    nb::list out;
    out.append(f(key));
    return out;
  }
  return f(tree);
}

nb::object fill_tree(nb::handle tree, const std::vector<array>& arrays, size_t& at) {
  return map_tree(tree, [&](nb::handle leaf) -> nb::object {
    if (!is_array(leaf.ptr())) return nb::borrow(leaf);
    return nb::steal(wrap(arrays.at(at++)));
  });
}

namespace {

// The new value of an item: a changed container is the same object, an array a new one.
nb::object assign(nb::handle o, const std::vector<array>& arrays, size_t& at) {
  PyObject* p = o.ptr();
  if (is_array(p)) return nb::steal(wrap(arrays.at(at++)));
  if (PyList_Check(p)) {
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(p); ++i) {
      nb::object item = nb::borrow(PyList_GET_ITEM(p, i));
      nb::object now = assign(item, arrays, at);
      if (!now.is(item) && PyList_SetItem(p, i, now.release().ptr())) throw nb::python_error();
    }
  } else if (PyTuple_Check(p)) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(p); ++i) {
      nb::handle item = PyTuple_GET_ITEM(p, i);
      if (is_array(item.ptr())) {
        set_value(item.ptr(), arrays.at(at++));  // tuples cannot be changed, arrays can
      } else {
        assign(item, arrays, at);
      }
    }
  } else if (is_random_state(p)) {
    random::set_state(arrays.at(at++));
  } else if (PyDict_Check(p)) {
    nb::object keys = nb::steal(PyDict_Keys(p));
    if (!keys.is_valid()) throw nb::python_error();
    for (nb::handle key : nb::borrow<nb::list>(keys)) {
      nb::object item = nb::borrow(PyDict_GetItem(p, key.ptr()));
      nb::object now = assign(item, arrays, at);
      if (!now.is(item) && PyDict_SetItem(p, key.ptr(), now.ptr())) throw nb::python_error();
    }
  }
  return nb::borrow(o);
}

}  // namespace

void assign_tree(nb::handle tree, const std::vector<array>& arrays) {
  size_t at = 0;
  assign(tree, arrays, at);
}

}  // namespace olivine::python
