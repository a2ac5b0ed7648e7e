// compile of Python functions: a key of the call's structure, dtypes, shapes and constants leads to
// a trace, whose results are put into copies of the trees that the traced function made.
//
// A call with a known key flattens its arguments, runs the trace's plan lazily and rebuilds the
// result; the Python function itself is not called. State given by `inputs` is an argument more;
// during a trace its arrays are replaced by the trace's, and restored afterwards. State given by
// `outputs` is written after every call, as the traced function left it.
#include "olivine/compile.h"

#include <nanobind/stl/string.h>

#include <cstring>
#include <mutex>
#include <unordered_map>
#include <unordered_set>

#include "arguments.h"
#include "callable.h"
#include "core/error.h"
#include "dtype.h"
#include "modules.h"
#include "olivine/memory_plan.h"
#include "recording.h"
#include "tree.h"

namespace olivine::python {
namespace {

using Arrays = std::vector<array>;

// ---- Keys.
class KeyWriter {
 public:
  KeyWriter(std::string& key, Arrays& arrays, bool sizes)
      : key_(key), arrays_(arrays), sizes_(sizes) {}

  // `strict`: leaves that are neither arrays nor constants are an error, else they are left out.
  void write(PyObject* o, bool strict) {
    if (is_array(o)) return write_array(value_of(o));
    if (PyList_Check(o) || PyTuple_Check(o)) {
      Py_ssize_t n = PySequence_Fast_GET_SIZE(o);
      tag(PyList_Check(o) ? 'L' : 'T', n);
      if (!PyList_CheckExact(o) && !PyTuple_CheckExact(o)) write_class(Py_TYPE(o));
      for (Py_ssize_t i = 0; i < n; ++i) nested(PySequence_Fast_GET_ITEM(o, i), strict);
    } else if (PyDict_Check(o)) {
      tag('D', PyDict_GET_SIZE(o));
      Py_ssize_t at = 0;
      PyObject *k, *v;
      while (PyDict_Next(o, &at, &k, &v)) {
        write_constant(k, strict);
        nested(v, strict);
      }
    } else if (is_random_state(o)) {
      key_.push_back('R');
      write_array(random::state());
    } else {
      write_constant(o, strict);
    }
  }
  void write_name(PyObject* name) { write_text('K', name); }

 private:
  // Named tuples of other classes lead to other traces. A class in a key lives on, so that no other
  // gets its address.
  void write_class(PyTypeObject* type) {
    static auto& kept = *new std::unordered_set<PyTypeObject*>;
    static auto& lock = *new std::mutex;
    std::lock_guard guard(lock);
    if (kept.insert(type).second) Py_INCREF(type);
    key_.push_back('c');
    bytes(type);
  }
  void nested(PyObject* o, bool strict) {
    if (is_array(o)) return write_array(value_of(o));
    TreeLevel level;
    write(o, strict);
  }
  template <class T>
  void bytes(const T& v) {
    key_.append(reinterpret_cast<const char*>(&v), sizeof(v));
  }
  void tag(char c, int64_t n) {
    key_.push_back(c);
    bytes(n);
  }
  void write_array(const array& a) {
    const Shape& shape = a.shape();
    key_.push_back('A');
    key_.push_back(static_cast<char>(a.dtype().index()));
    key_.push_back(static_cast<char>(shape.size()));
    if (sizes_) {
      key_.append(reinterpret_cast<const char*>(shape.data()), shape.size() * sizeof(int64_t));
    }
    arrays_.push_back(a);
  }
  void write_text(char c, PyObject* o) {
    Py_ssize_t size;
    const char* text = PyUnicode_AsUTF8AndSize(o, &size);
    if (!text) throw nb::python_error();
    tag(c, size);
    key_.append(text, static_cast<size_t>(size));
  }
  void write_constant(PyObject* o, bool strict) {
    if (is_size(o)) {
      write_constant(as_number(o).ptr(), strict);
    } else if (o == Py_None) {
      key_.push_back('N');
    } else if (PyBool_Check(o)) {
      key_.push_back(o == Py_True ? 'y' : 'n');
    } else if (PyLong_Check(o)) {
      int overflow;
      int64_t v = PyLong_AsLongLongAndOverflow(o, &overflow);
      if (overflow) {
        write_text('B', nb::steal(PyObject_Repr(o)).ptr());
      } else {
        tag('I', v);
      }
    } else if (PyFloat_Check(o)) {
      key_.push_back('F');
      bytes(PyFloat_AS_DOUBLE(o));
    } else if (PyUnicode_Check(o)) {
      write_text('S', o);
    } else if (PyComplex_Check(o)) {
      key_.push_back('C');
      bytes(PyComplex_AsCComplex(o));
    } else if (std::optional<Dtype> t = to_dtype(o)) {
      tag('t', t->index());
    } else if (strict) {
      fail(
          "[compile] expected arguments that are trees of arrays and constants (int, float, bool, "
          "str, None); got ",
          Py_TYPE(o)->tp_name);
    }
  }

  std::string& key_;
  Arrays& arrays_;
  bool sizes_;
};

// ---- Trees as a trace left them.
nb::object identity(nb::handle leaf) { return nb::borrow(leaf); }

// Makes `state` (containers changed in place) like `made`, whose arrays become the next of
// `arrays`.
nb::object restore(nb::handle state, nb::handle made, const Arrays& arrays, size_t& at);

void restore_dict(nb::handle state, nb::handle made, const Arrays& arrays, size_t& at) {
  for (auto [key, value] : nb::borrow<nb::dict>(made)) {
    nb::object old = nb::borrow(PyDict_GetItem(state.ptr(), key.ptr()));
    nb::object now = restore(old, value, arrays, at);
    if (!now.is(old) && PyDict_SetItem(state.ptr(), key.ptr(), now.ptr())) {
      throw nb::python_error();
    }
  }
}

void restore_list(nb::handle state, nb::handle made, const Arrays& arrays, size_t& at) {
  Py_ssize_t n = PyList_GET_SIZE(made.ptr());
  for (Py_ssize_t i = 0; i < n; ++i) {
    bool exists = i < PyList_GET_SIZE(state.ptr());
    nb::object old = exists ? nb::borrow(PyList_GET_ITEM(state.ptr(), i)) : nb::object();
    nb::object now = restore(old, PyList_GET_ITEM(made.ptr(), i), arrays, at);
    bool failed = exists ? PyList_SetItem(state.ptr(), i, now.release().ptr()) != 0
                         : PyList_Append(state.ptr(), now.ptr()) != 0;
    if (failed) throw nb::python_error();
  }
}

nb::object restore(nb::handle state, nb::handle made, const Arrays& arrays, size_t& at) {
  PyObject *s = state.ptr(), *m = made.ptr();
  if (is_array(m)) return nb::steal(wrap(arrays.at(at++)));
  if (s && is_random_state(s)) {
    random::set_state(arrays.at(at++));
    return nb::borrow(state);
  }
  if (s && PyDict_Check(s) && PyDict_Check(m)) {
    restore_dict(state, made, arrays, at);
    return nb::borrow(state);
  }
  if (s && PyList_Check(s) && PyList_Check(m)) {
    restore_list(state, made, arrays, at);
    return nb::borrow(state);
  }
  if (s && PyTuple_Check(s) && PyTuple_Check(m) && PyTuple_GET_SIZE(s) == PyTuple_GET_SIZE(m)) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(m); ++i) {
      nb::handle old = PyTuple_GET_ITEM(s, i), now = PyTuple_GET_ITEM(m, i);
      if (is_array(now.ptr()) && is_array(old.ptr())) {
        set_value(old.ptr(), arrays.at(at++));  // the tuple cannot be changed, its array can
      } else {
        restore(old, now, arrays, at);
      }
    }
    return nb::borrow(state);
  }
  bool container = PyDict_Check(m) || PyList_Check(m) || PyTuple_Check(m);
  return container ? fill_tree(made, arrays, at) : nb::borrow(made);
}

struct Trace {
  Trace(bool shapeless, MemoryBudget budget) : compiled(ArrayFn(), shapeless, std::move(budget)) {}
  CompiledFunction compiled;
  nb::object result, state;  // trees with the trace's own arrays as leaves
  size_t results = 0;        // arrays of `result`
  bool single = false;       // `result` is one array
};

struct Compiled final : Behaviour {
  using Ends = SmallVector<size_t, 8>;

  nb::object inputs, outputs;
  bool shapeless = false;
  size_t memory_limit = 0;
  std::vector<int> donate_argnums;
  std::vector<std::shared_ptr<Trace>> all;
  std::unordered_map<std::string, std::shared_ptr<Trace>> traces;
  // Shapeless: by a key without sizes, the traces that may do for other sizes.
  std::unordered_map<std::string, std::vector<std::shared_ptr<Trace>>> alike;
  std::string last_key;
  std::shared_ptr<Trace> last;
  nb::ft_mutex mutex;

  int visit(visitproc visit, void* arg) override {
    Py_VISIT(inputs.ptr());
    Py_VISIT(outputs.ptr());
    for (auto& trace : all) {
      Py_VISIT(trace->result.ptr());
      Py_VISIT(trace->state.ptr());
    }
    return Behaviour::visit(visit, arg);
  }
  void clear() override {
    inputs.reset();
    outputs.reset();
    traces.clear();
    alike.clear();
    all.clear();
    last.reset();
    Behaviour::clear();
  }

  // Calls f with the trace of these arguments, their arrays and the function to trace.
  template <class F>
  auto with_trace(PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames, F&& f) {
    std::string key;
    Arrays arrays;
    Ends ends = write_key(key, arrays, true, args, nargs, kwnames);
    std::shared_ptr<Trace> trace = find(key);
    if (!trace) {
      std::string without_sizes;
      Arrays same;
      if (shapeless) write_key(without_sizes, same, false, args, nargs, kwnames);
      trace = find_alike(key, without_sizes, arrays, {memory_limit, donated(arrays, ends)});
    }
    return f(*trace, arrays, [&](const Arrays& traced) {
      return run(*trace, CallTree(args, nargs, kwnames), traced, ends.back());
    });
  }

  PyObject* call(PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) override {
    return with_trace(args, nargs, kwnames, [&](Trace& trace, const Arrays& arrays, ArrayFn fn) {
      return finish(trace, trace.compiled.call(arrays, fn));
    });
  }
  // What the call would take of memory.
  MemoryPlan memory(PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    return with_trace(args, nargs, kwnames, [&](Trace& trace, const Arrays& arrays, ArrayFn fn) {
      return trace.compiled.memory(arrays, fn);
    });
  }

  // Returns how many arrays the arguments have up to each of them, and at last without the state of
  // `inputs`, which follows.
  Ends write_key(std::string& key, Arrays& arrays, bool sizes, PyObject* const* args,
                 Py_ssize_t nargs, PyObject* kwnames) {
    KeyWriter writer(key, arrays, sizes);
    Ends ends;
    ends.push_back(0);
    Py_ssize_t named = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
    for (Py_ssize_t i = 0; i < nargs + named; ++i) {
      if (i >= nargs) writer.write_name(PyTuple_GET_ITEM(kwnames, i - nargs));
      writer.write(args[i], true);
      ends.push_back(arrays.size());
    }
    key.push_back('|');
    if (inputs.is_valid()) writer.write(inputs.ptr(), false);
    return ends;
  }

  // Of the arrays, those that nobody reads after the call: state that `outputs` replaces, and
  // arguments that the caller said it gives up.
  std::vector<int> donated(const Arrays& arrays, const Ends& ends) const {
    std::vector<int> found;
    for (int i : donate_argnums) {
      if (static_cast<size_t>(i) + 1 >= ends.size()) {
        fail("[compile] expected donate_argnums below the number of arguments, ", ends.size() - 1,
             "; got ", i);
      }
      for (size_t k = ends[i]; k < ends[i + 1]; ++k) found.push_back(static_cast<int>(k));
    }
    std::unordered_set<std::uintptr_t> replaced;
    if (outputs.is_valid()) {
      for (const array& a : tree_arrays(outputs)) replaced.insert(a.id());
    }
    for (size_t k = ends.back(); k < arrays.size(); ++k) {
      if (replaced.contains(arrays[k].id())) found.push_back(static_cast<int>(k));
    }
    return found;
  }

  std::shared_ptr<Trace> find(const std::string& key) {
    nb::ft_lock_guard lock(mutex);
    if (last && key == last_key) return last;
    auto it = traces.find(key);
    if (it == traces.end()) return nullptr;
    last_key = key;
    return last = it->second;
  }

  // A trace for other sizes that does for these too, or a new one.
  std::shared_ptr<Trace> find_alike(const std::string& key, const std::string& without_sizes,
                                    const Arrays& arrays, MemoryBudget budget) {
    nb::ft_lock_guard lock(mutex);
    std::shared_ptr<Trace>& trace = traces[key];
    if (trace) return trace;
    if (shapeless) {
      for (auto& other : alike[without_sizes]) {
        if (other->compiled.has_trace(arrays)) return trace = other;
      }
    }
    trace = all.emplace_back(std::make_shared<Trace>(shapeless, std::move(budget)));
    if (shapeless) alike[without_sizes].push_back(trace);
    return trace;
  }

  // Calls the Python function on the arrays of a trace; returns its arrays, those of state last.
  Arrays run(Trace& trace, const CallTree& tree, const Arrays& traced, size_t explicit_arrays) {
    SizeScope sizes;
    nb::object user = fun;
    size_t at = 0;
    CallTree call = tree;
    call.args = fill_tree(tree.args, traced, at);
    if (tree.kwargs.is_valid()) call.kwargs = fill_tree(tree.kwargs, traced, at);
    nb::object before;
    Arrays original;
    if (inputs.is_valid()) {
      before = map_tree(inputs, identity);
      original = tree_arrays(inputs);
      assign_tree(inputs,
                  Arrays(traced.begin() + static_cast<int64_t>(explicit_arrays), traced.end()));
    }
    auto undo = [&] {
      if (!before.is_valid()) return;
      size_t from = 0;
      restore(inputs, before, original, from);
    };
    Arrays found;
    try {
      nb::object result = call.call(user);
      found = tree_arrays(result);
      trace.results = found.size();
      trace.single = is_array(result.ptr());
      trace.result = map_tree(result, as_number);
      if (outputs.is_valid()) {
        Arrays state = tree_arrays(outputs);
        trace.state = map_tree(outputs, as_number);
        found.insert(found.end(), state.begin(), state.end());
      }
      sizes.settle();
    } catch (...) {
      undo();
      throw;
    }
    undo();
    return found;
  }

  PyObject* finish(const Trace& trace, const Arrays& found) {
    size_t at = trace.results;
    if (trace.state.is_valid()) {
      nb::object state = trace.state;
      restore(outputs, state, found, at);
    }
    if (trace.single) return wrap(found[0]);
    at = 0;
    return fill_tree(trace.result, found, at).release().ptr();
  }
};

template <class T>
nb::list list_of(const std::vector<T>& values) {
  nb::list list;
  for (const T& v : values) list.append(nb::cast(v));
  return list;
}

std::vector<int> argument_numbers(Arguments& in, int i) {
  std::vector<int> numbers;
  if (PyLong_Check(in.raw(i))) {
    numbers.push_back(in.integer(i));
  } else {
    numbers = in.ints(i);
  }
  for (int n : numbers) {
    if (n < 0) fail("[compile] expected donate_argnums >= 0; got ", n);
  }
  return numbers;
}

}  // namespace

void bind_memory_plan(nb::module_& m) {
  auto dtype_of = [](const auto& v) { return nb::steal(to_python(v.dtype)); };
  auto shape_of = [](const auto& v) {
    nb::list sizes;
    for (int64_t size : v.shape) sizes.append(size);
    return nb::tuple(sizes);
  };
  using Value = MemoryPlan::Value;
  using Step = MemoryPlan::Step;
  nb::class_<Value>(m, "MemoryPlanValue")
      .def_ro("op", &Value::op)
      .def_prop_ro("shape", [shape_of](Value& v) { return shape_of(v); })
      .def_prop_ro("dtype", [dtype_of](Value& v) { return dtype_of(v); })
      .def_ro("bytes", &Value::bytes)
      .def_ro("line", &Value::line);
  nb::class_<Step>(m, "MemoryPlanStep")
      .def_ro("op", &Step::op)
      .def_ro("line", &Step::line)
      .def_ro("active", &Step::active)
      .def_ro("live", &Step::live);
  nb::class_<MemoryPlan>(m, "MemoryPlan")
      .def_ro("peak", &MemoryPlan::peak)
      .def_ro("arguments", &MemoryPlan::arguments)
      .def_ro("donated", &MemoryPlan::donated)
      .def_ro("constants", &MemoryPlan::constants)
      .def_ro("results", &MemoryPlan::results)
      .def_ro("temporaries", &MemoryPlan::temporaries)
      .def_ro("workspace", &MemoryPlan::workspace)
      .def_ro("recomputed", &MemoryPlan::recomputed)
      .def_ro("peak_step", &MemoryPlan::peak_step)
      .def_prop_ro("at_peak", [](MemoryPlan& p) { return list_of(p.at_peak); })
      .def_prop_ro("steps", [](MemoryPlan& p) { return list_of(p.steps); })
      .def("text", &MemoryPlan::text, nb::arg("rows") = 10)
      .def("svg", &MemoryPlan::svg)
      .def("_repr_svg_", &MemoryPlan::svg)
      .def("__str__", [](MemoryPlan& p) { return p.text(); })
      .def("__repr__", [](MemoryPlan& p) {
        return message("MemoryPlan(peak=", p.peak, ", arguments=", p.arguments,
                       ", results=", p.results, ", temporaries=", p.temporaries, ")");
      });
}

namespace hand {

PyObject* compile(Arguments& in) {
  if (!PyCallable_Check(in.raw(0))) in.mismatch(0, "a function");
  auto c = std::make_unique<Compiled>();
  c->fun = nb::borrow(in.raw(0));
  if (!in.none(1)) c->inputs = nb::borrow(in.raw(1));
  if (!in.none(2)) c->outputs = nb::borrow(in.raw(2));
  c->shapeless = in.boolean(3);
  if (!in.none(4)) {
    const int64_t limit = in.integer(4);
    if (limit <= 0) fail("[compile] expected a memory_limit above 0 bytes; got ", limit);
    c->memory_limit = static_cast<size_t>(limit);
  }
  if (in.given(5)) c->donate_argnums = argument_numbers(in, 5);
  return make_callable(std::move(c)).release().ptr();
}
PyObject* memory_plan(Arguments& in) {
  nb::object fun = nb::borrow(in.raw(0));
  if (!PyCallable_Check(fun.ptr())) in.mismatch(0, "a function");
  auto* compiled = dynamic_cast<Compiled*>(behaviour_of(fun.ptr()));
  Compiled plain;
  if (!compiled) {
    plain.fun = fun;
    compiled = &plain;
  }
  std::vector<PyObject*> values;
  const Py_ssize_t nargs = in.raw(1) ? PyTuple_GET_SIZE(in.raw(1)) : 0;
  for (Py_ssize_t i = 0; i < nargs; ++i) values.push_back(PyTuple_GET_ITEM(in.raw(1), i));
  nb::object names;
  if (in.keywords()) {
    nb::list list;
    for (auto [name, value] : nb::borrow<nb::dict>(in.keywords())) {
      list.append(name);
      values.push_back(value.ptr());
    }
    names = nb::tuple(list);
  }
  MemoryPlan plan = compiled->memory(values.data(), nargs, names.ptr());
  return nb::cast(std::move(plan)).release().ptr();
}
PyObject* disable_compile(Arguments&) {
  olivine::disable_compile();
  return Py_NewRef(Py_None);
}
PyObject* enable_compile(Arguments&) {
  olivine::enable_compile();
  return Py_NewRef(Py_None);
}

}  // namespace hand
}  // namespace olivine::python
