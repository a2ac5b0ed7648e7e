// Evaluation of trees, and grad, vjp, jvp and vmap of Python functions whose arguments are trees.
#include "transforms.h"

#include <algorithm>
#include <set>

#include "arguments.h"
#include "callable.h"
#include "convert.h"
#include "core/error.h"
#include "olivine/ops/creation.h"
#include "olivine/ops/indexing.h"
#include "olivine/ops/shape.h"
#include "olivine/transforms.h"
#include "tree.h"

namespace olivine::python {
namespace {

using Arrays = std::vector<array>;

nb::object require_callable(Arguments& in, int i) {
  if (!PyCallable_Check(in.raw(i))) in.mismatch(i, "a function");
  return nb::borrow(in.raw(i));
}

const char* class_of(nb::handle o) { return Py_TYPE(o.ptr())->tp_name; }

// ---- Gradients.
struct Gradient : Behaviour {
  const char* op;
  bool with_value;
  bool single;  // argnums was one int: the gradient is not in a tuple
  std::vector<int> argnums;
  std::vector<std::string> argnames;

  // The arguments to differentiate, in order; throws if the call lacks one.
  std::vector<nb::object> chosen(const CallTree& tree) const {
    std::vector<nb::object> out;
    Py_ssize_t n = PyTuple_GET_SIZE(tree.args.ptr());
    for (int i : argnums) {
      if (i >= n) {
        fail("[", op, "] expected a positional argument ", i, " to differentiate; got ", n,
             " positional arguments");
      }
      out.push_back(nb::borrow(PyTuple_GET_ITEM(tree.args.ptr(), i)));
    }
    for (const std::string& name : argnames) {
      PyObject* v =
          tree.kwargs.is_valid() ? PyDict_GetItemString(tree.kwargs.ptr(), name.c_str()) : nullptr;
      if (!v) {
        std::string got;
        if (tree.kwargs.is_valid()) {
          got = nb::str(nb::steal(PyDict_Keys(tree.kwargs.ptr()))).c_str();
        }
        fail("[", op, "] expected a keyword argument ", name, " to differentiate; got ",
             got.empty() ? "no keyword arguments" : got.c_str());
      }
      out.push_back(nb::borrow(v));
    }
    return out;
  }

  CallTree replaced(const CallTree& tree, const std::vector<nb::object>& values) const {
    CallTree out = tree;
    out.args = nb::steal(PyTuple_New(PyTuple_GET_SIZE(tree.args.ptr())));
    if (!out.args.is_valid()) throw nb::python_error();
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(out.args.ptr()); ++i) {
      PyTuple_SET_ITEM(out.args.ptr(), i, Py_NewRef(PyTuple_GET_ITEM(tree.args.ptr(), i)));
    }
    for (size_t k = 0; k < argnums.size(); ++k) {
      PyTuple_SetItem(out.args.ptr(), argnums[k], nb::object(values[k]).release().ptr());
    }
    if (tree.kwargs.is_valid()) out.kwargs = nb::steal(PyDict_Copy(tree.kwargs.ptr()));
    for (size_t k = 0; k < argnames.size(); ++k) {
      PyDict_SetItemString(out.kwargs.ptr(), argnames[k].c_str(), values[argnums.size() + k].ptr());
    }
    return out;
  }

  // The scalar that is differentiated.
  array loss_of(nb::handle result) const {
    nb::handle loss = result;
    if (with_value && PyTuple_Check(result.ptr()) && PyTuple_GET_SIZE(result.ptr()) > 0) {
      loss = PyTuple_GET_ITEM(result.ptr(), 0);
    }
    if (!is_array(loss.ptr())) {
      fail("[", op, "] expected the function to return a scalar array",
           with_value ? ", or a tuple whose first item is one" : "", "; got ", class_of(loss));
    }
    if (value_of(loss.ptr()).ndim() != 0) {
      fail("[", op, "] expected the function to return a scalar array; got one of shape ",
           value_of(loss.ptr()).shape());
    }
    return value_of(loss.ptr());
  }

  PyObject* call(PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) override {
    CallTree tree(args, nargs, kwnames);
    std::vector<nb::object> chosen_args = chosen(tree);
    Arrays inputs;
    std::vector<int> differentiated;
    for (const nb::object& o : chosen_args) {
      for (const array& a : tree_only_arrays(o, op)) {
        // Inside a tree (a module's parameters) integers are constant, and their gradient is zero.
        if (is_array(o.ptr()) || is_inexact(a.dtype())) {
          differentiated.push_back(static_cast<int>(inputs.size()));
        }
        inputs.push_back(a);
      }
    }
    nb::object result;
    auto fn = [&](const Arrays& tracers) {
      size_t at = 0;
      std::vector<nb::object> traced;
      for (const nb::object& o : chosen_args) traced.push_back(fill_tree(o, tracers, at));
      result = replaced(tree, traced).call(fun);
      // The loss comes first among the outputs; the result's own arrays follow.
      Arrays outputs{loss_of(result)};
      Arrays rest = tree_arrays(result);
      outputs.insert(outputs.end(), rest.begin(), rest.end());
      return outputs;
    };
    auto [outputs, found] = olivine::value_and_grad(fn, inputs, differentiated);
    Arrays gradients;
    for (const array& a : inputs) gradients.push_back(is_inexact(a.dtype()) ? a : zeros_like(a));
    for (size_t i = 0; i < found.size(); ++i) gradients[differentiated[i]] = found[i];
    nb::object gradient = pack(chosen_args, gradients);
    if (!with_value) return gradient.release().ptr();
    size_t at = 1;
    nb::object value = fill_tree(result, outputs, at);
    return nb::make_tuple(value, gradient).release().ptr();
  }

  nb::object pack(const std::vector<nb::object>& trees, const Arrays& gradients) const {
    return pack(trees, [&](size_t i) { return nb::steal(wrap(gradients[i])); });
  }
  // The differentiated arguments with leaf(i) for their i-th array.
  template <class Leaf>
  requires std::is_invocable_v<Leaf, size_t> nb::object pack(const std::vector<nb::object>& trees,
                                                             Leaf leaf)
  const {
    size_t at = 0;
    auto next = [&](nb::handle o) -> nb::object {
      return is_array(o.ptr()) ? leaf(at++) : nb::borrow(o);
    };
    nb::list positional;
    nb::dict named;
    for (size_t k = 0; k < argnums.size(); ++k) positional.append(map_tree(trees[k], next));
    for (size_t k = 0; k < argnames.size(); ++k) {
      named[argnames[k].c_str()] = map_tree(trees[argnums.size() + k], next);
    }
    nb::object first = nb::none();
    if (single) {
      first = positional[0];
    } else if (!argnums.empty()) {
      first = nb::steal(PyList_AsTuple(positional.ptr()));
    }
    if (argnames.empty()) return first;
    return nb::make_tuple(first, named);
  }
};

void read_argnums(Arguments& in, Gradient& g) {
  MaybeInts given = in.maybe_ints(1);
  g.single = !given.value || given.value->single;
  if (given.value) {
    std::vector<int> nums = given.value->values;
    g.argnums = nums;
  }
  if (PyObject* names = in.raw(2)) {
    if (PyUnicode_Check(names)) {
      g.argnames.push_back(in.string(2));
    } else {
      nb::object list = nb::steal(PySequence_Check(names) ? PySequence_List(names) : nullptr);
      if (!list.is_valid()) {
        PyErr_Clear();
        in.mismatch(2, "a str or a sequence of str");
      }
      for (nb::handle name : nb::borrow<nb::list>(list)) {
        if (!PyUnicode_Check(name.ptr())) in.mismatch(2, "a str or a sequence of str");
        g.argnames.push_back(text_of(name));
      }
    }
  }
  if (!given.value) {
    g.single = g.argnames.empty();
    if (g.single) g.argnums = {0};
  }
  for (int i : g.argnums) {
    if (i < 0) fail("[", g.op, "] expected argnums >= 0; got ", i);
  }
  if (std::set<int>(g.argnums.begin(), g.argnums.end()).size() != g.argnums.size()) {
    fail("[", g.op, "] expected distinct argnums; got a repeated one");
  }
  if (std::set<std::string>(g.argnames.begin(), g.argnames.end()).size() != g.argnames.size()) {
    fail("[", g.op, "] expected distinct argnames; got a repeated one");
  }
  if (g.argnums.empty() && g.argnames.empty()) {
    fail("[", g.op, "] expected at least one argument to differentiate; got none");
  }
}

PyObject* make_gradient(Arguments& in, const char* op, bool with_value) {
  auto g = std::make_unique<Gradient>();
  g->op = op;
  g->with_value = with_value;
  g->fun = require_callable(in, 0);
  read_argnums(in, *g);
  return make_callable(std::move(g)).release().ptr();
}

// ---- Jacobians and Hessians: trees of the results with trees of the arguments in place of arrays.
struct Jacobian final : Gradient {
  bool second;

  PyObject* call(PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) override {
    CallTree tree(args, nargs, kwnames);
    std::vector<nb::object> chosen_args = chosen(tree);
    Arrays inputs;
    for (const nb::object& o : chosen_args) {
      Arrays part = tree_only_arrays(o, op);
      inputs.insert(inputs.end(), part.begin(), part.end());
    }
    nb::object result;
    auto fn = [&](const Arrays& tracers) {
      size_t at = 0;
      std::vector<nb::object> traced;
      for (const nb::object& o : chosen_args) traced.push_back(fill_tree(o, tracers, at));
      result = replaced(tree, traced).call(fun);
      return tree_only_arrays(result, op);
    };
    if (second) {
      auto found = olivine::hessian(fn, inputs);
      auto row = [&](size_t i) { return pack(chosen_args, found[i]); };
      return pack(chosen_args, row).release().ptr();
    }
    auto found = olivine::jacobian(fn, inputs).second;
    size_t at = 0;
    return map_tree(result, [&](nb::handle) { return pack(chosen_args, found[at++]); })
        .release()
        .ptr();
  }
};

PyObject* make_jacobian(Arguments& in, const char* op, bool second) {
  auto j = std::make_unique<Jacobian>();
  j->op = op;
  j->with_value = false;
  j->second = second;
  j->fun = require_callable(in, 0);
  read_argnums(in, *j);
  return make_callable(std::move(j)).release().ptr();
}

// ---- vjp and jvp: fun(*primals) returns an array or a list or tuple of arrays.
ArrayFn positional(nb::object fun, const char* op) {
  return [fun, op](const Arrays& tracers) {
    nb::object args = nb::steal(wrap_tuple(tracers));
    nb::object result = nb::steal(PyObject_Call(fun.ptr(), args.ptr(), nullptr));
    if (!result.is_valid()) throw nb::python_error();
    return tree_only_arrays(result, op);
  };
}
PyObject* pair_of_lists(const std::pair<Arrays, Arrays>& p) {
  nb::object first = nb::steal(wrap_list(p.first)), second = nb::steal(wrap_list(p.second));
  return nb::make_tuple(first, second).release().ptr();
}

// ---- vmap.
// The axis of each array of `tree`, in order (-1: not mapped), from a spec that is a prefix of it.
void spread_axes(nb::handle tree, nb::handle spec, const char* what, std::vector<int>& out,
                 std::vector<Shape>& shapes) {
  PyObject *t = tree.ptr(), *s = spec.ptr();
  if (s == Py_None || PyLong_Check(s)) {
    int64_t axis = s == Py_None ? 0 : to_int64(s, "vmap").value();
    visit_tree(t, [&](PyObject* leaf) {
      if (!is_array(leaf)) {
        fail("[vmap] expected trees of arrays; got a leaf of type ", class_of(leaf));
      }
      shapes.push_back(value_of(leaf).shape());
      out.push_back(s == Py_None ? INT32_MIN : static_cast<int>(axis));
    });
    return;
  }
  bool sequences = (PyList_Check(s) || PyTuple_Check(s)) && (PyList_Check(t) || PyTuple_Check(t));
  if (sequences && PySequence_Fast_GET_SIZE(s) == PySequence_Fast_GET_SIZE(t)) {
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(s); ++i) {
      spread_axes(PySequence_Fast_GET_ITEM(t, i), PySequence_Fast_GET_ITEM(s, i), what, out,
                  shapes);
    }
    return;
  }
  if (PyDict_Check(s) && PyDict_Check(t) && PyDict_Size(s) == PyDict_Size(t)) {
    for (auto [key, value] : nb::borrow<nb::dict>(tree)) {
      PyObject* axis = PyDict_GetItem(s, key.ptr());
      if (!axis) fail("[vmap] expected ", what, " with the keys of the tree; got other keys");
      spread_axes(value, axis, what, out, shapes);
    }
    return;
  }
  fail("[vmap] expected ", what, " of ints and None, like the tree or a prefix of it; got ",
       shown(s));
}

int checked_axis(int axis, int ndim, const char* what) {
  if (axis == INT32_MIN) return -1;
  if (axis < -ndim || axis >= ndim) {
    fail("[vmap] expected ", what, " in [", -ndim, ", ", ndim, "); got ", axis);
  }
  return axis < 0 ? axis + ndim : axis;
}

struct Vmap final : Behaviour {
  nb::object in_axes, out_axes;

  int visit(visitproc visit, void* arg) override {
    Py_VISIT(in_axes.ptr());
    Py_VISIT(out_axes.ptr());
    return Behaviour::visit(visit, arg);
  }
  void clear() override {
    in_axes.reset();
    out_axes.reset();
    Behaviour::clear();
  }

  PyObject* call(PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) override {
    CallTree tree(args, nargs, kwnames);
    std::vector<int> axes;
    std::vector<Shape> shapes;
    spread_axes(tree.args, in_axes, "in_axes", axes, shapes);
    for (size_t i = 0; i < axes.size(); ++i) {
      axes[i] = checked_axis(axes[i], static_cast<int>(shapes[i].size()), "in_axes");
    }
    check_sizes(axes, shapes);
    nb::object result;
    auto fn = [&](const Arrays& tracers) {
      size_t at = 0;
      CallTree traced = tree;
      traced.args = fill_tree(tree.args, tracers, at);
      result = traced.call(fun);
      return tree_only_arrays(result, "vmap");
    };
    Arrays outputs = olivine::vmap(fn, axes)(tree_arrays(tree.args));
    place_outputs(result, outputs);
    size_t at = 0;
    return fill_tree(result, outputs, at).release().ptr();
  }

  static void check_sizes(const std::vector<int>& axes, const std::vector<Shape>& shapes) {
    int64_t size = -1;
    for (size_t i = 0; i < axes.size(); ++i) {
      if (axes[i] < 0) continue;
      int64_t own = shapes[i][axes[i]];
      if (size >= 0 && own != size) {
        fail("[vmap] expected mapped axes of one size; got ", size, " and ", own);
      }
      size = own;
    }
    if (size < 0) fail("[vmap] expected at least one axis in in_axes; got only None");
  }

  // Outputs arrive mapped over axis 0.
  void place_outputs(nb::handle result, Arrays& outputs) const {
    std::vector<int> axes;
    std::vector<Shape> shapes;
    spread_axes(result, out_axes, "out_axes", axes, shapes);
    for (size_t i = 0; i < outputs.size(); ++i) {
      int axis = checked_axis(axes[i], outputs[i].ndim(), "out_axes");
      if (axis < 0) {
        outputs[i] = take(outputs[i], 0, 0);
      } else if (axis > 0) {
        outputs[i] = moveaxis(outputs[i], 0, axis);
      }
    }
  }
};

}  // namespace

void bind_transforms(nb::module_& m) {
  make_callable_type();
  bind_custom_function(m);
  bind_export(m);
}

// ---- Functions (api/transforms.pyi).
namespace hand {

PyObject* eval(Arguments& in) {
  PyObject* args = in.raw(0);
  if (PyTuple_GET_SIZE(args) == 1 && is_array(PyTuple_GET_ITEM(args, 0))) {
    evaluate(value_of(PyTuple_GET_ITEM(args, 0)));
  } else {
    evaluate(tree_arrays(args));
  }
  return Py_NewRef(Py_None);
}
PyObject* async_eval(Arguments& in) {
  std::vector<array> arrays = tree_arrays(in.raw(0));
  nb::gil_scoped_release unlocked;
  olivine::async_eval(arrays);
  return Py_NewRef(Py_None);
}

PyObject* grad(Arguments& in) { return make_gradient(in, "grad", false); }
PyObject* value_and_grad(Arguments& in) { return make_gradient(in, "value_and_grad", true); }

PyObject* jacobian(Arguments& in) { return make_jacobian(in, "jacobian", false); }
PyObject* hessian(Arguments& in) { return make_jacobian(in, "hessian", true); }

PyObject* vjp(Arguments& in) {
  return pair_of_lists(
      olivine::vjp(positional(require_callable(in, 0), "vjp"), in.arrays(1), in.arrays(2)));
}
PyObject* jvp(Arguments& in) {
  std::vector<array> primals = in.arrays(1), tangents = in.arrays(2);
  if (primals.size() != tangents.size()) {
    fail("[jvp] expected one tangent per primal; got ", tangents.size(), " for ", primals.size());
  }
  return pair_of_lists(olivine::jvp(positional(require_callable(in, 0), "jvp"), primals, tangents));
}

PyObject* vmap(Arguments& in) {
  auto v = std::make_unique<Vmap>();
  v->fun = require_callable(in, 0);
  v->in_axes = in.given(1) ? nb::borrow(in.raw(1)) : nb::object(nb::int_(0));
  v->out_axes = in.given(2) ? nb::borrow(in.raw(2)) : nb::object(nb::int_(0));
  return make_callable(std::move(v)).release().ptr();
}

}  // namespace hand
}  // namespace olivine::python
