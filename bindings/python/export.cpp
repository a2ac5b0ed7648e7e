// Exporting and importing functions, and graphs as text.
#include "olivine/export_function.h"

#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <fstream>
#include <sstream>

#include "arguments.h"
#include "callable.h"
#include "core/error.h"
#include "core/op.h"
#include "olivine/graph_utils.h"
#include "paths.h"
#include "transforms.h"
#include "tree.h"

namespace olivine::python {
namespace {

using Arrays = std::vector<array>;

// ---- Inputs: arrays, or one tuple or list of them and one dict.
[[noreturn]] void bad_inputs(const char* op, nb::handle got) {
  fail("[", op, "] expected arrays as positional and keyword inputs, or one tuple or list and one ",
       "dict of arrays; got ", Py_TYPE(got.ptr())->tp_name);
}

void add_named(Kwargs& kwargs, nb::handle dict, const char* op) {
  for (auto [key, value] : nb::borrow<nb::dict>(dict)) {
    if (!PyUnicode_Check(key.ptr())) bad_inputs(op, key);
    if (!is_array(value.ptr())) bad_inputs(op, value);
    kwargs.insert_or_assign(text_of(key), value_of(value.ptr()));
  }
}

std::pair<Args, Kwargs> read_inputs(nb::handle args, nb::handle named, const char* op) {
  Args out;
  Kwargs kwargs;
  nb::object items = nb::borrow(args);
  if (PyTuple_GET_SIZE(args.ptr()) > 0 && PyTuple_GET_SIZE(args.ptr()) <= 2) {
    nb::handle first = PyTuple_GET_ITEM(args.ptr(), 0);
    nb::handle last = PyTuple_GET_ITEM(args.ptr(), PyTuple_GET_SIZE(args.ptr()) - 1);
    bool one = PyTuple_GET_SIZE(args.ptr()) == 1;
    bool sequence = PyTuple_Check(first.ptr()) || PyList_Check(first.ptr());
    if (PyDict_Check(last.ptr()) && (one || sequence)) {
      add_named(kwargs, last, op);
      items = nb::tuple();
    }
    if (sequence && (one || PyDict_Check(last.ptr()))) items = nb::borrow(first);
  }
  for (nb::handle item : items) {
    if (!is_array(item.ptr())) bad_inputs(op, item);
    out.push_back(value_of(item.ptr()));
  }
  if (named.is_valid()) add_named(kwargs, named, op);
  return {std::move(out), std::move(kwargs)};
}

nb::object to_dict(const Kwargs& kwargs) {
  nb::dict d;
  for (auto& [name, a] : kwargs) d[name.c_str()] = nb::steal(wrap(a));
  return d;
}

// ---- Export callbacks
nb::object to_object(const StateT& v) {
  return std::visit(
      [](const auto& x) -> nb::object {
        using T = std::decay_t<decltype(x)>;
        if constexpr (std::is_same_v<T, Dtype>) {
          return nb::steal(to_python(x));
        } else {
          return nb::cast(x);
        }
      },
      v);
}

struct PartToPython {
  nb::object operator()(const std::string& s) const { return nb::cast(s); }
  nb::object operator()(const std::vector<std::pair<std::string, std::string>>& v) const {
    return nb::cast(v);
  }
  nb::object operator()(const std::vector<std::tuple<std::string, Shape, Dtype>>& v) const {
    nb::list out;
    for (auto& [name, shape, dtype] : v) {
      nb::object s = nb::steal(to_python(shape)), t = nb::steal(to_python(dtype));
      out.append(nb::make_tuple(name, s, t));
    }
    return out;
  }
  nb::object operator()(const std::vector<std::pair<std::string, array>>& v) const {
    nb::list out;
    for (auto& [name, a] : v) out.append(nb::make_tuple(name, nb::steal(wrap(a))));
    return out;
  }
  nb::object operator()(const std::vector<StateT>& v) const {
    nb::list out;
    for (const StateT& x : v) out.append(to_object(x));
    return out;
  }
};

ExportCallback to_callback(nb::handle f) {
  return [f](const ExportCallbackInput& part) {
    nb::dict d;
    for (auto& [key, value] : part) d[key.c_str()] = std::visit(PartToPython(), value);
    f(d);
  };
}

// ---- FunctionExporter
struct Exporter {
  nb::object fun, callback;
  std::unique_ptr<FunctionExporter> impl;

  Exporter(nb::handle f, nb::handle target, bool shapeless, const std::string& metadata)
      : fun(nb::borrow(f)) {
    FunctionOfBoth traced = [this](const Args& args, const Kwargs& kwargs) {
      nb::object positional = nb::steal(wrap_tuple(args)), named = to_dict(kwargs);
      nb::object result = nb::steal(PyObject_Call(fun.ptr(), positional.ptr(), named.ptr()));
      if (!result.is_valid()) throw nb::python_error();
      return tree_only_arrays(result, "export_function");
    };
    if (is_path(target.ptr())) {
      impl = std::make_unique<FunctionExporter>(
          olivine::exporter(path_of(target.ptr()), traced, shapeless, metadata));
    } else if (PyCallable_Check(target.ptr())) {
      callback = nb::borrow(target);
      impl = std::make_unique<FunctionExporter>(
          olivine::exporter(to_callback(callback), traced, shapeless));
    } else {
      fail<TypeError>("[export_function] expected a path or a function; got ",
                      Py_TYPE(target.ptr())->tp_name);
    }
  }
  Exporter(const Exporter&) = delete;

  void call(nb::handle args, nb::handle kwargs) {
    auto [positional, named] = read_inputs(args, kwargs, "export_function");
    (*impl)(positional, named);
  }
  void close() {
    if (callback.is_valid()) return impl->close();
    nb::gil_scoped_release unlocked;
    impl->close();
  }
};

int traverse(PyObject* o, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(o));
  if (!nb::inst_ready(nb::handle(o))) return 0;
  Exporter& e = *nb::inst_ptr<Exporter>(nb::handle(o));
  Py_VISIT(e.fun.ptr());
  Py_VISIT(e.callback.ptr());
  return 0;
}
int clear(PyObject* o) {
  Exporter& e = *nb::inst_ptr<Exporter>(nb::handle(o));
  e.impl->abandon();
  e.fun.reset();
  e.callback.reset();
  return 0;
}

// ---- Imported functions
struct Imported final : Behaviour {
  ImportedFunction imported;
  explicit Imported(ImportedFunction f) : imported(std::move(f)) { fun = nb::none(); }

  PyObject* call(PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) override {
    CallTree tree(args, nargs, kwnames);
    auto [positional, named] = read_inputs(tree.args, tree.kwargs, "import_function");
    return wrap_tuple(imported(positional, named));
  }
};

// ---- Graphs
NodeNamer read_names(Arguments& in, int args, Arrays& outputs) {
  outputs = tree_arrays(in.raw(args));
  NodeNamer namer;
  if (in.keywords()) {
    for (auto [key, value] : nb::borrow<nb::dict>(in.keywords())) {
      if (!is_array(value.ptr())) {
        fail<TypeError>("[", in.function(), "] expected arrays to name; got ",
                        Py_TYPE(value.ptr())->tp_name);
      }
      namer.set_name(value_of(value.ptr()), text_of(key));
    }
  }
  return namer;
}

// (values, operations) for the drawing code of the package.
nb::object describe(nb::handle tree, nb::dict names) {
  NodeNamer namer;
  for (auto [key, value] : names) {
    if (!is_array(value.ptr())) {
      fail<TypeError>("[export_to_svg] expected arrays to name; got ",
                      Py_TYPE(value.ptr())->tp_name);
    }
    namer.set_name(value_of(value.ptr()), text_of(key));
  }
  GraphDescription g = describe_graph(namer, tree_arrays(tree));
  nb::list values, operations;
  for (const auto& v : g.values) {
    nb::object shape = nb::steal(to_python(v.shape)), dtype = nb::steal(to_python(v.dtype));
    values.append(nb::make_tuple(v.name, shape, dtype, v.input, v.output, v.text));
  }
  for (const auto& op : g.operations) {
    operations.append(nb::make_tuple(op.name, op.inputs, op.outputs));
  }
  return nb::make_tuple(values, operations);
}

// What each op's record has, for docs/ops.md and the test of its completeness.
nb::list op_records() {
  nb::list out;
  for (const Op* op : all_ops()) {
    const char* kinds[] = {"elementwise", "structural", "reduction", "general"};
    nb::dict d;
    d["name"] = op->name;
    d["kind"] = kinds[static_cast<int>(op->kind)];
    d["infer"] = op->infer != nullptr;
    d["vjp"] = op->vjp != nullptr;
    d["jvp"] = op->jvp != nullptr;
    d["vmap"] = op->vmap == vmap_per_element ? nb::object(nb::str("per element"))
                                             : nb::object(nb::bool_(op->vmap != nullptr));
    d["zero"] = op->kind == OpKind::elementwise && op->vjp == vjp_elementwise && !op->linear;
    d["composite"] = op->composite != nullptr;
    d["view"] = op->view != nullptr;
    d["any_size"] = op->any_size;
    d["export"] = can_be_exported(*op);
    out.append(d);
  }
  return out;
}

}  // namespace

void bind_export(nb::module_& m) {
  PyType_Slot slots[] = {{Py_tp_traverse, reinterpret_cast<void*>(traverse)},
                         {Py_tp_clear, reinterpret_cast<void*>(clear)},
                         {0, nullptr}};
  nb::class_<Exporter>(m, "FunctionExporter", nb::type_slots(slots))
      .def("__call__", [](Exporter& e, nb::args args, nb::kwargs kwargs) { e.call(args, kwargs); })
      .def("__enter__", [](nb::object self) { return self; })
      .def(
          "__exit__",
          [](Exporter& e, nb::object type, nb::object, nb::object) {
            type.is_none() ? e.close() : e.impl->abandon();
          },
          nb::arg("exc_type") = nb::none(), nb::arg("exc_value") = nb::none(),
          nb::arg("traceback") = nb::none())
      .def("close", &Exporter::close);
  m.def("_describe_graph", describe);
  m.def("_op_records", op_records);
}

namespace hand {

namespace {

nb::object make_exporter(Arguments& in, int shapeless) {
  if (!PyCallable_Check(in.raw(1))) in.mismatch(1, "a function");
  std::string metadata = in.none(shapeless + 1) ? "" : in.string(shapeless + 1);
  auto e = std::make_unique<Exporter>(in.raw(1), in.raw(0), in.boolean(shapeless), metadata);
  return nb::cast(e.release(), nb::rv_policy::take_ownership);
}

}  // namespace

PyObject* exporter(Arguments& in) {
  Building noted;
  if (!is_path(in.raw(0))) in.mismatch(0, "a path");
  return make_exporter(in, 2).release().ptr();
}

PyObject* export_function(Arguments& in) {
  Building noted;
  nb::object made = make_exporter(in, 3);
  Exporter& e = *nb::inst_ptr<Exporter>(made);
  try {
    e.call(in.raw(2), in.keywords());
  } catch (...) {
    e.impl->abandon();
    throw;
  }
  e.close();
  return Py_NewRef(Py_None);
}

PyObject* import_function(Arguments& in) {
  Building noted;
  if (!is_path(in.raw(0))) in.mismatch(0, "a path");
  std::string path = path_of(in.raw(0));
  ImportedFunction f = [&] {
    nb::gil_scoped_release unlocked;
    return olivine::import_function(path);
  }();
  nb::object text = nb::cast(f.metadata());
  nb::object made = make_callable(std::make_unique<Imported>(std::move(f)));
  if (!in.boolean(1)) return made.release().ptr();
  return nb::make_tuple(made, text).release().ptr();
}

PyObject* export_to_dot(Arguments& in) {
  Arrays outputs;
  NodeNamer namer = read_names(in, 1, outputs);
  std::ostringstream os;
  olivine::export_to_dot(os, std::move(namer), outputs);
  std::string text = os.str();
  if (is_path(in.raw(0))) {
    save_atomically(path_of(in.raw(0)),
                    [&](const ByteSink& sink) { sink(text.data(), text.size()); });
  } else if (PyObject_HasAttrString(in.raw(0), "write")) {
    nb::handle(in.raw(0)).attr("write")(text);
  } else {
    in.mismatch(0, "a path or a file object");
  }
  return Py_NewRef(Py_None);
}

}  // namespace hand
}  // namespace olivine::python
