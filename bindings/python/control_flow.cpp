// Loops and branches over trees (api/control_flow.pyi): functions of trees as functions of arrays.
//
// A function is traced within the call, so that its Python objects are only borrowed. Numbers among
// the leaves become arrays; other leaves (None, strings) are part of the structure.
#include "olivine/control_flow.h"

#include "arguments.h"
#include "convert.h"
#include "core/error.h"
#include "runtime/profile.h"
#include "tree.h"

namespace olivine::python {
namespace {

using Arrays = std::vector<array>;

// The tree with its numbers as arrays.
nb::object with_arrays(nb::handle tree) {
  return map_tree(tree, [](nb::handle leaf) -> nb::object {
    if (is_array(leaf.ptr())) return nb::borrow(leaf);
    std::optional<array> a = from_operand(leaf.ptr(), std::nullopt);
    return a ? nb::steal(wrap(std::move(*a))) : nb::borrow(leaf);
  });
}

const char* class_of(nb::handle o) { return Py_TYPE(o.ptr())->tp_name; }
bool is_sequence(PyObject* o) { return PyList_Check(o) || PyTuple_Check(o); }

std::string item_path(const std::string& path, Py_ssize_t i) { return message(path, '[', i, ']'); }
std::string item_path(const std::string& path, nb::handle key) {
  return message(path, '[', nb::repr(key).c_str(), ']');
}

// What the arrays of a tree are called in errors.
void name_leaves(nb::handle tree, const std::string& path, std::vector<std::string>& names) {
  TreeLevel level;
  PyObject* o = tree.ptr();
  if (is_array(o)) {
    names.push_back(path);
  } else if (is_sequence(o)) {
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(o); ++i) {
      name_leaves(PySequence_Fast_GET_ITEM(o, i), item_path(path, i), names);
    }
  } else if (PyDict_Check(o)) {
    for (auto [key, value] : nb::borrow<nb::dict>(tree)) {
      name_leaves(value, item_path(path, key), names);
    }
  }
}
std::vector<std::string> names_of(nb::handle tree, const char* root) {
  std::vector<std::string> names;
  name_leaves(tree, root, names);
  return names;
}

// The arrays of `got`, which must be a tree like `like`, in the order of that one.
struct Match {
  const char* op;
  Arrays arrays;

  void add(nb::handle like, nb::handle got, const std::string& path) {
    TreeLevel level;
    PyObject *l = like.ptr(), *g = got.ptr();
    if (is_array(l)) return add_leaf(value_of(l).dtype(), got, path);
    if (is_sequence(l)) {
      Py_ssize_t n = PySequence_Fast_GET_SIZE(l);
      if (PyList_Check(l) != PyList_Check(g) || !is_sequence(g) ||
          PySequence_Fast_GET_SIZE(g) != n) {
        fail("[", op, "] expected ", path, " to be a ", class_of(like), " of ", n, "; got ",
             described(g));
      }
      for (Py_ssize_t i = 0; i < n; ++i) {
        add(PySequence_Fast_GET_ITEM(l, i), PySequence_Fast_GET_ITEM(g, i), item_path(path, i));
      }
    } else if (PyDict_Check(l)) {
      if (!PyDict_Check(g) || PyDict_Size(g) != PyDict_Size(l)) {
        fail("[", op, "] expected ", path, " to be a dict of ", PyDict_Size(l), "; got ",
             described(g));
      }
      for (auto [key, value] : nb::borrow<nb::dict>(like)) {
        PyObject* item = PyDict_GetItem(g, key.ptr());
        if (!item) fail("[", op, "] expected ", item_path(path, key), "; got a dict without it");
        add(value, item, item_path(path, key));
      }
    } else if (l != g && !nb::borrow(like).equal(got)) {
      fail("[", op, "] expected ", path, " to be ", shown(l), " as before; got ", shown(g));
    }
  }

 private:
  void add_leaf(Dtype dtype, nb::handle got, const std::string& path) {
    std::optional<array> a;
    if (is_array(got.ptr())) {
      a = value_of(got.ptr());
    } else {
      a = from_operand(got.ptr(), dtype);
    }
    if (!a) fail("[", op, "] expected ", path, " to be an array; got ", described(got.ptr()));
    arrays.push_back(*a);
  }
  static std::string described(PyObject* o) {
    if (is_sequence(o)) return message("a ", class_of(o), " of ", PySequence_Fast_GET_SIZE(o));
    return PyDict_Check(o) ? message("a dict of ", PyDict_Size(o)) : message("a ", class_of(o));
  }
};
Arrays arrays_like(const char* op, nb::handle like, nb::handle got, const char* root) {
  Match m{op, {}};
  m.add(like, got, root);
  return std::move(m.arrays);
}

nb::object filled(nb::handle tree, const Arrays& arrays) {
  size_t at = 0;
  return fill_tree(tree, arrays, at);
}
template <class... Args>
nb::object called(nb::handle fun, const Args&... args) {
  return nb::borrow(fun)(args...);
}
PyObject* released(nb::object o) { return o.release().ptr(); }

nb::handle function(Arguments& in, int i) {
  if (!PyCallable_Check(in.raw(i))) in.mismatch(i, "a function");
  return in.raw(i);
}
nb::object tree_of(Arguments& in, int i) {
  return in.none(i) ? nb::none() : with_arrays(in.raw(i));
}

// True: about the square root of the length; an int: so many steps.
int64_t read_checkpoint(Arguments& in, int i) {
  if (in.none(i) || in.raw(i) == Py_False) return 0;
  if (in.raw(i) == Py_True) return -1;
  std::optional<int64_t> n = to_int64(in.raw(i), in.function());
  if (!n) in.mismatch(i, "a bool or an int");
  if (*n < 1) fail("[", in.function(), "] expected a checkpoint >= 1; got ", *n);
  return *n;
}
int64_t read_positive(Arguments& in, int i, const char* name) {
  if (in.none(i)) return 0;
  std::optional<int64_t> n = to_int64(in.raw(i), in.function());
  if (!n) in.mismatch(i, "an int");
  if (*n < 1) fail("[", in.function(), "] expected ", name, " >= 1; got ", *n);
  return *n;
}

// Branches of one structure: the tree of the first one's result serves all.
struct Branches {
  const char* op;
  nb::object operands;  // a tuple
  nb::object result;
  std::vector<std::string> names;

  ArrayFn branch(nb::handle fun) {
    return [this, fun](const Arrays& arrays) {
      nb::object args = filled(operands, arrays);
      nb::object out;
      {
        profile::Scope user(profile::Phase::outside, false);
        out = nb::steal(PyObject_Call(fun.ptr(), args.ptr(), nullptr));
      }
      if (!out.is_valid()) throw nb::python_error();
      if (!result.is_valid()) {
        result = with_arrays(out);
        names = names_of(result, "result");
      }
      return arrays_like(op, result, out, "result");
    };
  }
};

}  // namespace

namespace hand {

PyObject* scan(Arguments& in) {
  nb::handle fun = function(in, 0);
  nb::object init = tree_of(in, 1), xs = tree_of(in, 2), ys;
  LoopOptions options;
  if (!in.none(3)) {
    std::optional<int64_t> n = to_int64(in.raw(3), "scan");
    if (!n) in.mismatch(3, "an int");
    if (*n < 0) fail("[scan] expected a length >= 0; got ", *n);
    options.length = *n;
  }
  options.reverse = in.boolean(4, false);
  options.checkpoint = read_checkpoint(in, 5);
  options.names = names_of(init, "carry");
  Arrays slices = tree_arrays(xs);
  if (slices.empty() && in.none(3)) fail("[scan] expected xs or a length; got neither");
  ScanFn body = [&](const Arrays& carry, const Arrays& x) {
    nb::object out = called(fun, filled(init, carry), filled(xs, x));
    if (!PyTuple_Check(out.ptr()) || PyTuple_GET_SIZE(out.ptr()) != 2) {
      fail("[scan] expected the function to return a pair (carry, y); got ", class_of(out));
    }
    ys = with_arrays(nb::handle(PyTuple_GET_ITEM(out.ptr(), 1)));
    Arrays next = arrays_like("scan", init, PyTuple_GET_ITEM(out.ptr(), 0), "carry");
    return std::pair(next, tree_arrays(ys));
  };
  auto [carry, stacked] = olivine::scan(body, tree_arrays(init), slices, options);
  return released(nb::make_tuple(filled(init, carry), filled(ys, stacked)));
}

PyObject* fori_loop(Arguments& in) {
  nb::handle fun = function(in, 2);
  nb::object init = tree_of(in, 3);
  LoopOptions options;
  options.checkpoint = read_checkpoint(in, 4);
  options.length = read_positive(in, 5, "max_steps");
  options.names = names_of(init, "carry");
  CountFn body = [&](const array& index, const Arrays& carry) {
    nb::object i = nb::steal(wrap(index));
    return arrays_like("fori_loop", init, called(fun, i, filled(init, carry)), "carry");
  };
  Arrays first = tree_arrays(init);
  if (is_array(in.raw(0)) || is_array(in.raw(1))) {
    if (options.checkpoint != 0) {
      fail("[fori_loop] expected bounds that are ints where checkpoint is given; got arrays");
    }
    return released(filled(init, olivine::fori_loop(in.ref(0), in.ref(1), body, first, options)));
  }
  std::optional<int64_t> lower = to_int64(in.raw(0), "fori_loop");
  std::optional<int64_t> upper = to_int64(in.raw(1), "fori_loop");
  if (!lower) in.mismatch(0, "an int or an array");
  if (!upper) in.mismatch(1, "an int or an array");
  return released(filled(init, olivine::fori_loop(*lower, *upper, body, first, options)));
}

PyObject* while_loop(Arguments& in) {
  nb::handle condition = function(in, 0), fun = function(in, 1);
  nb::object init = tree_of(in, 2);
  LoopOptions options;
  options.length = read_positive(in, 3, "max_steps");
  options.names = names_of(init, "carry");
  ScalarFn test = [&](const Arrays& carry) {
    nb::object out = called(condition, filled(init, carry));
    std::optional<array> a = from_operand(out.ptr(), std::nullopt);
    if (!a) fail("[while_loop] expected a condition that is one bool; got ", class_of(out));
    return *a;
  };
  ArrayFn body = [&](const Arrays& carry) {
    return arrays_like("while_loop", init, called(fun, filled(init, carry)), "carry");
  };
  return released(filled(init, olivine::while_loop(test, body, tree_arrays(init), options)));
}

PyObject* cond(Arguments& in) {
  Branches b{"cond", with_arrays(in.raw(3)), {}, {}};
  ArrayFn if_true = b.branch(function(in, 1)), if_false = b.branch(function(in, 2));
  Arrays out = olivine::cond(in.ref(0), if_true, if_false, tree_arrays(b.operands), b.names);
  return released(filled(b.result, out));
}

PyObject* switch_(Arguments& in) {
  Branches b{"switch", with_arrays(in.raw(2)), {}, {}};
  if (!is_sequence(in.raw(1))) in.mismatch(1, "a sequence of functions");
  nb::object items = items_of(in.raw(1));
  std::vector<ArrayFn> branches;
  for (nb::handle fun : nb::borrow<nb::tuple>(items)) {
    if (!PyCallable_Check(fun.ptr())) in.mismatch(1, "a sequence of functions");
    branches.push_back(b.branch(fun));
  }
  Arrays out = olivine::switch_(in.ref(0), branches, tree_arrays(b.operands), b.names);
  return released(filled(b.result, out));
}

PyObject* map(Arguments& in) {
  nb::handle fun = function(in, 0);
  nb::object xs = tree_of(in, 1), ys;
  ArrayFn body = [&](const Arrays& x) {
    ys = with_arrays(called(fun, filled(xs, x)));
    return tree_arrays(ys);
  };
  Arrays out = olivine::map(body, tree_arrays(xs), read_positive(in, 2, "batch_size"));
  return released(filled(ys, out));
}

}  // namespace hand
}  // namespace olivine::python
