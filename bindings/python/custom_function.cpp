// checkpoint and custom_function: functions whose C++ form may be called again later, from
// anywhere, so that it owns the Python objects it needs.
#include "arguments.h"
#include "callable.h"
#include "convert.h"
#include "core/error.h"
#include "olivine/ops/creation.h"
#include "olivine/transforms.h"
#include "runtime/profile.h"
#include "transforms.h"
#include "tree.h"

namespace olivine::python {
namespace {

using Arrays = std::vector<array>;

// A function, the tree of its arguments and, once it was called, the tree of its result. Shared by
// the closures that the core keeps.
struct Application {
  Held fun, args, kwargs, result;

  nb::object arguments(const Arrays& arrays, size_t& at) const {
    return fill_tree(args.get(), arrays, at);
  }
  Arrays call(const Arrays& arrays) {
    nb::gil_scoped_acquire locked;
    size_t at = 0;
    nb::object positional = arguments(arrays, at);
    nb::object named = kwargs ? fill_tree(kwargs.get(), arrays, at) : nb::object();
    nb::object out;
    {
      profile::Scope user(profile::Phase::outside, false);
      out = nb::steal(PyObject_Call(fun.get(), positional.ptr(), named.ptr()));
    }
    if (!out.is_valid()) throw nb::python_error();
    Arrays outputs = tree_only_arrays(out, "custom_function");
    result = Held(std::move(out));
    return outputs;
  }
};

std::shared_ptr<Application> apply(nb::object fun, PyObject* const* args, Py_ssize_t nargs,
                                   PyObject* kwnames, Arrays& inputs) {
  CallTree tree(args, nargs, kwnames);
  inputs = tree_arrays(tree.args);
  if (tree.kwargs.is_valid()) {
    Arrays named = tree_arrays(tree.kwargs);
    inputs.insert(inputs.end(), named.begin(), named.end());
  }
  auto app = std::make_shared<Application>();
  app->fun = Held(std::move(fun));
  app->args = Held(std::move(tree.args));
  if (tree.kwargs.is_valid()) app->kwargs = Held(std::move(tree.kwargs));
  return app;
}

PyObject* rebuild(const Application& app, const Arrays& outputs) {
  size_t at = 0;
  return fill_tree(app.result.get(), outputs, at).release().ptr();
}

struct Checkpoint final : Behaviour {
  PyObject* call(PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) override {
    Arrays inputs;
    auto app = apply(fun, args, nargs, kwnames, inputs);
    ArrayFn fn = [app](const Arrays& arrays) { return app->call(arrays); };
    return rebuild(*app, olivine::checkpoint(fn)(inputs));
  }
};

// ---- custom_function.
struct Custom {
  nb::object fun, vjp, jvp, vmap;
};

// The user's rules see one argument as it is, and several as a tuple.
nb::object unwrapped(nb::object args) {
  return PyTuple_GET_SIZE(args.ptr()) == 1 ? nb::borrow(PyTuple_GET_ITEM(args.ptr(), 0)) : args;
}

// What a rule returned for the arguments, in their order; fewer or other arrays are an error.
Arrays expect_arrays(nb::handle result, size_t n, const char* rule) {
  Arrays out = tree_only_arrays(result, "custom_function");
  if (out.size() != n) {
    fail("[custom_function] expected ", n, " arrays from the ", rule, " rule; got ", out.size());
  }
  return out;
}

CustomRules rules_of(const Custom& custom, std::shared_ptr<Application> app) {
  auto held = [](const nb::object& o) { return std::make_shared<Held>(nb::object(o)); };
  CustomRules rules;
  if (custom.vjp.is_valid()) {
    rules.vjp = [app, rule = held(custom.vjp)](const Arrays& primals, const Arrays& cotangents,
                                               const Arrays& outputs) {
      nb::gil_scoped_acquire locked;
      size_t a = 0, b = 0, c = 0;
      nb::object in = unwrapped(app->arguments(primals, a));
      nb::object ct = fill_tree(app->result.get(), cotangents, b);
      nb::object out = fill_tree(app->result.get(), outputs, c);
      nb::object result = nb::handle(rule->get())(in, ct, out);
      Arrays found = expect_arrays(result, a, "vjp");
      for (; a < primals.size(); ++a) found.push_back(zeros_like(primals[a]));
      return found;
    };
  }
  if (custom.jvp.is_valid()) {
    rules.jvp = [app, rule = held(custom.jvp)](const Arrays& primals, const Arrays& tangents,
                                               const std::vector<int>& argnums) {
      nb::gil_scoped_acquire locked;
      Arrays all;
      for (const array& p : primals) all.push_back(zeros_like(p));
      for (size_t i = 0; i < argnums.size(); ++i) all[argnums[i]] = tangents[i];
      size_t a = 0, b = 0;
      nb::object in = unwrapped(app->arguments(primals, a));
      nb::object tangent = unwrapped(app->arguments(all, b));
      nb::object result = nb::handle(rule->get())(in, tangent);
      return expect_arrays(result, tree_arrays(app->result.get()).size(), "jvp");
    };
  }
  if (custom.vmap.is_valid()) {
    rules.vmap = [app, rule = held(custom.vmap)](const Arrays& inputs,
                                                 const std::vector<int>& axes) {
      nb::gil_scoped_acquire locked;
      size_t a = 0, b = 0;
      nb::object in = unwrapped(app->arguments(inputs, a));
      nb::object where = unwrapped(map_tree(app->args.get(), [&](nb::handle leaf) -> nb::object {
        if (!is_array(leaf.ptr())) return nb::borrow(leaf);
        int axis = axes[b++];
        return axis < 0 ? nb::none() : nb::object(nb::int_(axis));
      }));
      nb::object result = nb::handle(rule->get())(in, where);
      if (!PyTuple_Check(result.ptr()) || PyTuple_GET_SIZE(result.ptr()) != 2) {
        fail("[custom_function] expected a pair (outputs, axes) from the vmap rule; got ",
             Py_TYPE(result.ptr())->tp_name);
      }
      nb::handle outputs = PyTuple_GET_ITEM(result.ptr(), 0);
      Arrays found = tree_only_arrays(outputs, "custom_function");
      std::vector<int> out_axes;
      visit_tree(PyTuple_GET_ITEM(result.ptr(), 1), [&](PyObject* leaf) {
        std::optional<int64_t> axis = leaf == Py_None ? -1 : to_int64(leaf, "custom_function");
        if (!axis || *axis != static_cast<int>(*axis)) {
          fail("[custom_function] expected axes of ints and None from the vmap rule; got ",
               shown(leaf));
        }
        out_axes.push_back(static_cast<int>(*axis));
      });
      if (out_axes.size() == 1) out_axes.assign(found.size(), out_axes[0]);
      if (out_axes.size() != found.size()) {
        fail("[custom_function] expected one axis per output from the vmap rule; got ",
             out_axes.size(), " for ", found.size());
      }
      app->result = Held(nb::borrow(outputs));
      return std::pair(found, out_axes);
    };
  }
  return rules;
}

PyObject* call_custom(PyObject* o, PyObject* args, PyObject* kwargs) {
  return guarded([&] {
    const Custom& custom = *nb::inst_ptr<Custom>(nb::handle(o));
    nb::object names, values = nb::borrow(args);
    if (kwargs && PyDict_GET_SIZE(kwargs) > 0) {
      names = nb::steal(PySequence_Tuple(kwargs));
      nb::object list = nb::steal(PyDict_Values(kwargs));
      nb::object tail = nb::steal(PyList_AsTuple(list.ptr()));
      values = nb::steal(PySequence_Concat(args, tail.ptr()));
      if (!values.is_valid()) throw nb::python_error();
    }
    Arrays inputs;
    PyObject* const* items = reinterpret_cast<PyTupleObject*>(values.ptr())->ob_item;
    auto app = apply(custom.fun, items, PyTuple_GET_SIZE(args), names.ptr(), inputs);
    ArrayFn fn = [app](const Arrays& arrays) { return app->call(arrays); };
    Arrays outputs = olivine::custom_function(fn, rules_of(custom, app))(inputs);
    return rebuild(*app, outputs);
  });
}

int traverse(PyObject* o, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(o));
  if (!nb::inst_ready(nb::handle(o))) return 0;
  Custom& c = *nb::inst_ptr<Custom>(nb::handle(o));
  Py_VISIT(c.fun.ptr());
  Py_VISIT(c.vjp.ptr());
  Py_VISIT(c.jvp.ptr());
  Py_VISIT(c.vmap.ptr());
  return 0;
}
int clear(PyObject* o) {
  Custom& c = *nb::inst_ptr<Custom>(nb::handle(o));
  c = Custom{};
  return 0;
}

}  // namespace

void bind_custom_function(nb::module_& m) {
  PyType_Slot slots[] = {{Py_tp_traverse, reinterpret_cast<void*>(traverse)},
                         {Py_tp_clear, reinterpret_cast<void*>(clear)},
                         {Py_tp_call, reinterpret_cast<void*>(call_custom)},
                         {0, nullptr}};
  auto set = [](nb::object Custom::*rule) {
    return [rule](Custom& c, nb::object f) {
      c.*rule = f;
      return f;
    };
  };
  nb::class_<Custom>(m, "custom_function", nb::type_slots(slots), nb::dynamic_attr())
      .def(
          "__init__",
          [](Custom* self, nb::callable f) {
            new (self) Custom{f, {}, {}, {}};
          },
          nb::arg("f"))
      .def("vjp", set(&Custom::vjp), nb::arg("f"))
      .def("jvp", set(&Custom::jvp), nb::arg("f"))
      .def("vmap", set(&Custom::vmap), nb::arg("f"));
}

namespace hand {

PyObject* checkpoint(Arguments& in) {
  if (!PyCallable_Check(in.raw(0))) in.mismatch(0, "a function");
  auto c = std::make_unique<Checkpoint>();
  c->fun = nb::borrow(in.raw(0));
  return make_callable(std::move(c)).release().ptr();
}

}  // namespace hand
}  // namespace olivine::python
