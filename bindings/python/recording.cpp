// Recording calls: their arguments and results as templates, which other arrays and sizes fill.
#include "recording.h"

#include <cstring>

#include "convert.h"
#include "core/error.h"
#include "device.h"
#include "dtype.h"
#include "olivine/ops/random.h"
#include "transforms/replay.h"
#include "tree.h"

namespace olivine::python {

// What this thread records, and the source of its sizes once one was read.
struct CurrentSizes {
  Recording* recording;
  nb::object source;
};

namespace {

thread_local constinit CurrentSizes* current = nullptr;

// ---- Sizes: expressions are a leaf, a number, or a tuple of a function and its operands.
struct Leaf {
  array of;
  int axis;  // -1: the number of elements
};
int64_t measure(const array& a, int axis) { return axis < 0 ? a.size() : a.shape()[axis]; }

// What the sizes of one recording have in common. Those alive at its end become values.
struct Source {
  Recording* recording;  // null once it has ended
  std::vector<nb::object> references;
};
PyTypeObject* size_type = nullptr;  // the base of the classes in olivine/_sizes.py
nb::object* make_size = nullptr;

nb::object evaluated(nb::handle expression, Replay& r) {
  if (PyTuple_Check(expression.ptr())) {
    nb::list operands;
    nb::tuple parts = nb::borrow<nb::tuple>(expression);
    for (size_t i = 1; i < parts.size(); ++i) operands.append(evaluated(parts[i], r));
    return parts[0](*operands);
  }
  if (!nb::isinstance<Leaf>(expression)) return nb::borrow(expression);
  const Leaf& leaf = nb::cast<const Leaf&>(expression);
  const array now = r.at(leaf.of);
  if (leaf.axis >= now.ndim()) throw OtherOutcome("an array has fewer axes");
  return nb::int_(measure(now, leaf.axis));
}

bool same_value(nb::handle a, nb::handle b) {
  if (!a.type().is(b.type())) return false;
  if (!PyFloat_Check(a.ptr())) return a.equal(b);
  const double x = PyFloat_AS_DOUBLE(a.ptr()), y = PyFloat_AS_DOUBLE(b.ptr());
  return std::memcmp(&x, &y, sizeof(x)) == 0;  // also of zeros and NaN
}

std::shared_ptr<Held> held(nb::handle o) { return std::make_shared<Held>(nb::borrow(o)); }

// The error in flight is one of the replay's, unless somebody has to see it.
[[noreturn]] void other_outcome() {
  if (!PyErr_ExceptionMatches(PyExc_Exception) || PyErr_ExceptionMatches(PyExc_MemoryError)) {
    throw nb::python_error();
  }
  PyErr_Clear();
  throw OtherOutcome("a step fails");
}
template <class F>
auto replaying(F&& f) {
  try {
    return f();
  } catch (nb::python_error& e) {
    e.restore();
    other_outcome();
  }
}

void guard_value(Recording& recording, nb::handle expression, nb::handle value) {
  recording.guard([e = held(expression), v = held(value)](Replay& r) {
    nb::gil_scoped_acquire locked;
    replaying([&] {
      if (!same_value(evaluated(e->get(), r), v->get())) throw OtherOutcome("a size is another");
    });
  });
}

nb::object size_of(const array& a, int axis) {
  nb::object& source = current->source;
  if (!source.is_valid()) source = nb::cast(Source{current->recording, {}});
  return (*make_size)(source, nb::cast(Leaf{a, axis}), measure(a, axis));
}

// The object with plain numbers in place of sizes, which are thereby read.
nb::object plain(nb::handle o) { return map_tree(o, as_number); }

// ---- Templates of arguments and results.
struct Value {
  enum class Kind : uint8_t { plain, array, size, list, tuple, dict, slice };
  Kind kind = Kind::plain;
  std::shared_ptr<Held> object;  // what is plain; the keys of a dict; a size's expression
  MaybeArray a;
  std::vector<Value> items;
};

bool is_constant(PyObject* o) {
  return o == Py_None || o == Py_Ellipsis || is_weak(o) || PyUnicode_Check(o) || PyBytes_Check(o) ||
         PyType_Check(o) || to_dtype(o) || to_stream_or_device(o);
}
// Arrays of others, which a call reads anew.
bool is_data(PyObject* o) {
  return PyObject_CheckBuffer(o) || PyObject_HasAttrString(o, "__array__") ||
         PyObject_HasAttrString(o, "__dlpack__");
}

class Reader {
 public:
  explicit Reader(bool arguments) : arguments_(arguments) {}

  bool depends = false;       // on the trace
  bool sizes = false;         // holds one
  bool calls_back = false;    // holds a function
  const char* odd = nullptr;  // the type of an object that may be another in the next call

  Value read(PyObject* o) {
    TreeLevel level;
    Value v;
    if (is_array(o)) {
      v.kind = Value::Kind::array;
      if (arguments_) v.a = value_of(o);
      depends |= Recording::depends(value_of(o));
    } else if (is_size(o)) {
      sizes = true;
      if (!current || !nb::handle(o).attr("_source").is(current->source)) {
        v.object = held(as_number(o));  // of another recording
      } else {
        v.kind = Value::Kind::size;
        v.object = held(nb::handle(o).attr("_expression"));
        depends = true;
      }
    } else if (PyList_Check(o) || PyTuple_Check(o)) {
      v.kind = PyList_Check(o) ? Value::Kind::list : Value::Kind::tuple;
      nb::object items = items_of(o);
      for (nb::handle item : nb::borrow<nb::tuple>(items)) v.items.push_back(read(item.ptr()));
    } else if (PyDict_Check(o)) {
      v.kind = Value::Kind::dict;
      nb::list keys;
      for (auto [key, item] : nb::borrow<nb::dict>(o)) {
        keys.append(key);
        v.items.push_back(read(item.ptr()));
      }
      v.object = held(keys);
    } else if (PySlice_Check(o)) {
      v.kind = Value::Kind::slice;
      auto* s = reinterpret_cast<PySliceObject*>(o);
      for (PyObject* part : {s->start, s->stop, s->step}) v.items.push_back(read(part));
    } else {
      v.object = held(o);
      if (is_constant(o) || (arguments_ && is_data(o))) return v;
      calls_back |= PyCallable_Check(o) != 0;
      odd = Py_TYPE(o)->tp_name;
    }
    return v;
  }

 private:
  bool arguments_;  // else of a result, whose arrays are not to be held
};

nb::object filled(const Value& v, Replay& r) {
  using Kind = Value::Kind;
  nb::list items;
  for (const Value& item : v.items) items.append(filled(item, r));
  switch (v.kind) {
    case Kind::array:
      return nb::steal(wrap(r.at(*v.a)));
    case Kind::size:
      return evaluated(v.object->get(), r);
    case Kind::list:
      return items;
    case Kind::tuple:
      return nb::tuple(items);
    case Kind::dict: {
      nb::dict out;
      nb::list keys = nb::borrow<nb::list>(v.object->get());
      for (size_t i = 0; i < keys.size(); ++i) out[keys[i]] = items[i];
      return out;
    }
    case Kind::slice:
      return nb::steal(PySlice_New(items[0].ptr(), items[1].ptr(), items[2].ptr()));
    default:
      return nb::borrow(v.object->get());
  }
}

// An argument with its sizes as numbers, which the step stands for.
nb::object numbered(nb::handle o) {
  PyObject* p = o.ptr();
  if (is_size(p)) return o.attr("_value");
  if (PySlice_Check(p)) {
    auto* s = reinterpret_cast<PySliceObject*>(p);
    nb::object start = numbered(s->start), stop = numbered(s->stop), step = numbered(s->step);
    return nb::steal(PySlice_New(start.ptr(), stop.ptr(), step.ptr()));
  }
  if (!PyList_Check(p) && !PyTuple_Check(p) && !PyDict_Check(p)) return nb::borrow(o);
  if (PyDict_Check(p)) {
    nb::dict out;
    for (auto [key, item] : nb::borrow<nb::dict>(o)) out[key] = numbered(item);
    return out;
  }
  nb::list items;
  for (nb::handle item : nb::borrow<nb::tuple>(items_of(p))) items.append(numbered(item));
  return PyList_Check(p) ? nb::object(items) : nb::object(nb::tuple(items));
}

// ---- Results.
// The arrays of a result become results of the step: each has a node that nobody else has.
void own_results(PyObject* o, Arrays& out) {
  if (is_array(o)) {
    set_value(o, Recording::owned(value_of(o)));
    out.push_back(value_of(o));
  } else if (PyList_Check(o) || PyTuple_Check(o)) {
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(o); ++i) {
      own_results(PySequence_Fast_GET_ITEM(o, i), out);
    }
  } else if (PyDict_Check(o)) {
    for (auto [key, item] : nb::borrow<nb::dict>(o)) own_results(item.ptr(), out);
  }
}

// The arrays of a result like the recorded one. Everything else in it must be equal.
void expect_alike(const Value& expected, PyObject* got, Arrays& out) {
  Value now = Reader(false).read(got);
  if (now.kind != expected.kind || now.items.size() != expected.items.size()) {
    throw OtherOutcome("a result has another structure");
  }
  if (now.kind == Value::Kind::array) out.push_back(value_of(got));
  if (now.object && !same_value(now.object->get(), expected.object->get())) {
    throw OtherOutcome("a result is another");
  }
  auto items = nb::borrow(got);
  if (PyDict_Check(got)) items = nb::steal(PyDict_Values(got));
  for (size_t i = 0; i < now.items.size(); ++i) {
    nb::object item = nb::steal(PySequence_GetItem(items.ptr(), static_cast<Py_ssize_t>(i)));
    expect_alike(expected.items[i], item.ptr(), out);
  }
}

// ---- Calls.
struct Call {
  Function function;
  bool has_self;
  std::vector<Value> args;  // self first
  Py_ssize_t nargs;
  std::shared_ptr<Held> names;
  Value result;
  bool changes_self = false;  // what self means afterwards is a result, before the others
  bool returns_self = false;

  Arrays again(Replay& r) const {
    nb::gil_scoped_acquire locked;
    return replaying([&] {
      nb::list items;
      for (const Value& v : args) items.append(filled(v, r));
      std::vector<PyObject*> values;
      for (nb::handle item : items) values.push_back(item.ptr());
      values.push_back(nullptr);
      nb::object got = nb::steal(function(has_self ? values[0] : nullptr, values.data() + has_self,
                                          nargs, names ? names->get() : nullptr));
      if (!got.is_valid()) other_outcome();
      Arrays out;
      if (changes_self) out.push_back(value_of(values[0]));
      if (!returns_self) expect_alike(result, got.ptr(), out);
      return out;
    });
  }
};

nb::object invoke(Function f, PyObject* self, const std::vector<nb::object>& args, Py_ssize_t nargs,
                  PyObject* names) {
  std::vector<PyObject*> values;
  for (const nb::object& o : args) values.push_back(o.ptr());
  values.push_back(nullptr);
  return nb::steal(f(self, values.data(), nargs, names));
}

class Recorder {
 public:
  Recorder(Recording& recording, Function f, PyObject* self, PyObject* const* args,
           Py_ssize_t nargs, PyObject* names)
      : recording_(recording), call_(std::make_shared<Call>()), self_(self), names_(names) {
    call_->function = f;
    call_->has_self = self != nullptr;
    call_->nargs = nargs;
    if (names) call_->names = held(names);
    if (self) call_->args.push_back(reader_.read(self));
    const Py_ssize_t count = nargs + (names ? PyTuple_GET_SIZE(names) : 0);
    for (Py_ssize_t i = 0; i < count; ++i) {
      args_.push_back(nb::borrow(args[i]));
      call_->args.push_back(reader_.read(args[i]));
    }
  }

  nb::object run() {
    if (reader_.calls_back) return run_apart();
    own_ = nb::borrow(self_);
    if (reader_.sizes) {
      for (nb::object& o : args_) o = numbered(o);
      if (self_) own_ = numbered(self_);
    }
    const array key = random::state();
    nb::object result;
    {
      InStep inside;
      result = invoke(call_->function, own_.ptr(), args_, call_->nargs, names_);
    }
    if (!result.is_valid()) {
      if (reader_.depends) recording_.fix("an error that it catches");
    } else if (result.ptr() != Py_NotImplemented) {
      finish(result, key);
    }
    return result;
  }

 private:
  // A function that calls others, whose calls are recorded one by one.
  nb::object run_apart() {
    if (reader_.sizes) {
      for (nb::object& o : args_) o = plain(o);
    }
    nb::object result = invoke(call_->function, self_, args_, call_->nargs, names_);
    if (!result.is_valid()) recording_.fix("an error that it catches");
    return result;
  }

  // Makes a step of the call if its results depend on the trace.
  void finish(const nb::object& result, const array& key) {
    Reader reader(false);
    call_->returns_self = self_ && result.is(own_);
    if (!call_->returns_self) call_->result = reader.read(result.ptr());
    call_->changes_self =
        self_ && is_array(self_) && value_of(self_).id() != call_->args[0].a->id();
    if (call_->changes_self) reader.read(self_);
    const bool drew = Recording::drew(key);
    if (!reader_.depends && !reader.depends && !drew) {
      for (nb::handle o : {nb::handle(result), nb::handle(self_)}) {
        for (const array& a : o ? tree_arrays(o) : Arrays()) {
          if (a.node()->in_step) Recording::settle(a);
        }
      }
      return;
    }
    if (reader_.odd) recording_.fix(message("a call that gets a ", reader_.odd));
    if (reader.odd) recording_.fix(message("a call that returns a ", reader.odd));
    Arrays out;
    if (call_->changes_self) own_results(self_, out);
    if (!call_->returns_self) own_results(result.ptr(), out);
    Recording::Again again = [call = call_](Replay& r) { return call->again(r); };
    if (drew) {
      out.push_back(random::state());
      again = Recording::drawing(key, std::move(again));
    }
    recording_.add(out, std::move(again));
  }

  Recording& recording_;
  std::shared_ptr<Call> call_;
  PyObject *self_, *names_;
  std::vector<nb::object> args_;
  nb::object own_;
  Reader reader_{true};
};

}  // namespace

PyObject* record(Recording& recording, Function f, PyObject* self, PyObject* const* args,
                 Py_ssize_t nargs, PyObject* kwnames) {
  return guarded(
      [&] { return Recorder(recording, f, self, args, nargs, kwnames).run().release().ptr(); });
}

bool is_size(PyObject* o) { return size_type && PyObject_TypeCheck(o, size_type); }

static bool follows_sizes(const Recording* recording, const array& a) {
  return recording && current && current->recording == recording && Recording::depends(a);
}

PyObject* followed_shape(const array& a) {
  Recording* recording = Recording::running();
  if (!follows_sizes(recording, a)) return nullptr;
  const int ndim = a.ndim();
  recording->guard([a, ndim](Replay& r) {
    if (r.at(a).ndim() != ndim) throw OtherOutcome("an array has other axes");
  });
  nb::list sizes;
  for (int i = 0; i < ndim; ++i) sizes.append(size_of(a, i));
  return nb::tuple(sizes).release().ptr();
}

PyObject* followed_size(const array& a, bool bytes) {
  Recording* recording = Recording::running();
  if (!follows_sizes(recording, a)) return nullptr;
  nb::object size = size_of(a, -1);
  if (bytes) size = size * nb::int_(a.itemsize());
  return size.release().ptr();
}

void guard_length(const array& a) {
  Recording* recording = Recording::running();
  if (!recording || !Recording::depends(a)) return;
  const int64_t length = a.shape()[0];
  recording->guard([a, length](Replay& r) {
    const array now = r.at(a);
    if (now.ndim() == 0 || now.shape()[0] != length) throw OtherOutcome("a length is another");
  });
}

void settle(const array& a) { Recording::settle(a); }

void note_read(const array& a, const char* what) {
  if (Recording* recording = Recording::running(); recording && Recording::depends(a)) {
    recording->fix(what);
  }
}

SizeScope::SizeScope() {
  Recording* recording = Recording::running();
  if (!recording || (current && current->recording == recording)) return;  // or somebody else's
  if (!size_type) nb::module_::import_("olivine._sizes");
  outer_ = std::exchange(current, new CurrentSizes{recording, {}});
  began_ = true;
}

void SizeScope::settle() {
  if (!began_ || !current->source.is_valid()) return;
  Source& source = nb::cast<Source&>(current->source);
  for (const nb::object& reference : std::exchange(source.references, {})) {
    nb::object size = reference();
    if (!size.is_none()) size.attr("_read")();
  }
}

SizeScope::~SizeScope() {
  if (!began_) return;
  if (current->source.is_valid()) nb::cast<Source&>(current->source).recording = nullptr;
  delete std::exchange(current, outer_);
}

nb::object as_number(nb::handle o) { return is_size(o.ptr()) ? o.attr("_read")() : nb::borrow(o); }

void bind_sizes(nb::module_& m) {
  nb::class_<Leaf>(m, "_SizeLeaf");
  nb::class_<Source>(m, "_SizeSource")
      .def("guard",
           [](Source& s, nb::handle expression, nb::handle value) {
             if (s.recording) guard_value(*s.recording, expression, value);
           })
      .def("watch", [](Source& s, nb::object reference) {
        if (s.recording) s.references.push_back(std::move(reference));
      });
  m.def("_set_size_type", [](nb::type_object type, nb::object make) {
    size_type = reinterpret_cast<PyTypeObject*>(type.release().ptr());
    make_size = new nb::object(std::move(make));
  });
}

}  // namespace olivine::python
