// Writing functions: each call of an exporter traces one signature; closing it writes the file.
#include <algorithm>
#include <exception>
#include <map>
#include <unordered_map>

#include "core/error.h"
#include "io/file.h"
#include "olivine/export_function.h"
#include "olivine/transforms_impl.h"
#include "olivine/version.h"
#include "transforms/custom.h"
#include "transforms/export_format.h"
#include "transforms/traced.h"

namespace olivine {
namespace {

using exported::Encoder;
using Kind = TracedGraph::Source::Kind;

// One signature, traced. Inputs: positional ones, then named ones in the order of `names`.
struct Signature {
  size_t positional;
  std::vector<std::string> names;
  std::shared_ptr<TracedGraph> graph;
};

// The constants of all traces, each once.
class Constants {
 public:
  void add(const array& a) {
    if (seen_.emplace(a.node(), all_.size()).second) all_.push_back(a);
  }
  void add_all(const TracedGraph& g) {
    for (const WalkEntry& e : g.walk) {
      if (e.node->done()) add(share(e.node));
      for (size_t k = 0; k < e.inputs.size(); ++k) {
        if (e.inputs[k] < 0) add(share(e.node->inputs[k]));
      }
    }
    for (size_t i = 0; i < g.outputs.size(); ++i) {
      if (g.sources[i].kind == Kind::constant) add(g.outputs[i]);
    }
  }
  const Arrays& all() const { return all_; }

 private:
  Arrays all_;
  std::unordered_map<Node*, size_t> seen_;
};

// The ops of a trace to write, in order, and a number for each of its values: inputs, constants,
// then the ops' outputs.
struct Numbered {
  std::vector<Node*> ops;
  std::unordered_map<Node*, uint64_t> number;  // of a tuple: that of its first output

  Numbered(const TracedGraph& g, const Arrays& constants) {
    uint64_t next = 0;
    for (const array& a : g.placeholders) number.emplace(a.node(), next++);
    for (const array& a : constants) number.emplace(a.node(), next++);
    for (const WalkEntry& e : g.walk) {
      Node* n = e.node;
      if (number.count(n)) continue;
      if (n->placeholder) {
        fail(
            "[export_function] expected captured arrays with values; got one that another "
            "transformation is tracing");
      }
      if (n->op == &output_op) {
        Node* tuple = n->inputs[0];
        auto index = static_cast<uint64_t>(n->params.as<OutputParams>().index);
        // A checkpoint computes nothing: its outputs are its first inputs.
        number[n] =
            is_checkpoint(tuple) ? number.at(tuple->inputs[index]) : number.at(tuple) + index;
      } else if (!is_checkpoint(n)) {
        check_exportable(n);
        ops.push_back(n);
        number[n] = next;
        next += n->tuple ? n->tuple->size() : 1;
      }
    }
  }
};

std::vector<OutSpec> specs_of(const Node* n) {
  std::vector<OutSpec> specs;
  if (!n->tuple) return {{n->shape, n->dtype}};
  for (const TupleOutput& o : *n->tuple) specs.push_back(o.spec);
  return specs;
}

// ---- Files

class FileWriter {
 public:
  FileWriter(const std::vector<Signature>& traces, const std::string& metadata) {
    for (const Signature& t : traces) constants_.add_all(*t.graph);
    eval(constants_.all());
    std::vector<Numbered> numbered;
    std::map<std::string, uint64_t> names;
    for (const Signature& t : traces) {
      for (Node* n : numbered.emplace_back(*t.graph, constants_.all()).ops) {
        names.emplace(n->op->name, names.size());
      }
    }
    header_.name(metadata);
    header_.name("olivine " OLIVINE_VERSION);
    std::vector<std::string> by_number(names.size());
    for (auto& [name, i] : names) by_number[i] = name;
    header_.count(by_number.size());
    for (const std::string& name : by_number) header_.name(name);
    write_constants();
    header_.count(traces.size());
    for (size_t i = 0; i < traces.size(); ++i) write_trace(traces[i], numbered[i], names);
  }

  void write(const ByteSink& sink) const {
    Encoder prefix;
    uint32_t version[2] = {exported::kVersion, 0};
    uint64_t size = header_.bytes.size();
    prefix.raw(exported::kMagic, 8);
    prefix.raw(version, 8);
    prefix.raw(&size, 8);
    sink(prefix.bytes.data(), prefix.bytes.size());
    sink(header_.bytes.data(), header_.bytes.size());
    pad(sink, exported::kPrefix + size);
    for (const array& a : data_) {
      array c = contiguous_for_saving(a);
      sink(c.data(), c.nbytes());
      pad(sink, c.nbytes());
    }
  }

 private:
  static void pad(const ByteSink& sink, uint64_t written) {
    static constexpr char zeros[exported::kAlign] = {};
    if (uint64_t n = exported::aligned(written) - written) sink(zeros, n);
  }

  void write_constants() {
    uint64_t offset = 0;
    header_.count(constants_.all().size());
    for (const array& a : constants_.all()) {
      bool repeated =
          a.size() > 1 && std::ranges::all_of(a.strides(), [](int64_t s) { return s == 0; });
      array stored =
          repeated ? make_done(a.node()->buffer, {}, {}, a.node()->offset, a.dtype()) : a;
      header_.spec(a.shape(), a.dtype());
      header_.byte(repeated);
      header_.count(offset);
      offset += exported::aligned(stored.nbytes());
      data_.push_back(std::move(stored));
    }
  }

  void write_trace(const Signature& t, const Numbered& numbered,
                   const std::map<std::string, uint64_t>& names) {
    const TracedGraph& g = *t.graph;
    header_.byte(g.fixed_by.empty());
    header_.count(t.positional);
    header_.count(t.names.size());
    for (const std::string& name : t.names) header_.name(name);
    for (const array& a : g.placeholders) header_.spec(a.shape(), a.dtype());
    header_.count(numbered.ops.size());
    for (Node* n : numbered.ops) {
      header_.count(names.at(n->op->name));
      header_.count(n->inputs.size());
      for (Node* in : n->inputs) header_.count(numbered.number.at(in));
      if (n->params) n->op->params->write(n->params, header_);
      std::vector<OutSpec> specs = specs_of(n);
      header_.count(specs.size());
      for (const OutSpec& s : specs) header_.spec(s.shape, s.dtype);
    }
    header_.count(g.outputs.size());
    for (const array& a : g.outputs) header_.count(numbered.number.at(a.node()));
  }

  Constants constants_;
  Encoder header_;
  Arrays data_;
};

// ---- Callbacks

// An op's parameters as values: lists of integers stay together, other lists are spelled out.
class ValueWriter final : public FieldWriter {
 public:
  std::vector<StateT> values;

  void boolean(bool v) override { add(v); }
  void integer(int64_t v) override {
    if (list_ == 0) {
      add(v);
    } else {
      std::get<std::vector<int64_t>>(values.back()).push_back(v);
      --list_;
    }
  }
  void number(double v) override { add(v); }
  void dtype(Dtype v) override { add(v); }
  void text(const std::string& v) override { add(v); }
  void list(size_t length) override {
    values.emplace_back(std::vector<int64_t>());
    list_ = length;
  }

 private:
  void add(StateT v) {
    if (list_ > 0) {  // a list of other things
      values.pop_back();
      list_ = 0;
    }
    values.push_back(std::move(v));
  }
  size_t list_ = 0;  // items still to come
};

// A, B … Z, AA, AB …
std::string letters(uint64_t i) {
  std::string s;
  for (++i; i > 0; i = (i - 1) / 26) s.insert(s.begin(), static_cast<char>('A' + (i - 1) % 26));
  return s;
}

void report(const ExportCallback& callback, const Signature& t) {
  using Values = std::vector<std::tuple<std::string, Shape, Dtype>>;
  const TracedGraph& g = *t.graph;
  Constants constants;
  constants.add_all(g);
  eval(constants.all());
  Numbered numbered(g, constants.all());
  auto describe = [&](Node* n) {
    return std::tuple(letters(numbered.number.at(n)), n->shape, n->dtype);
  };
  Values inputs, outputs;
  std::vector<std::pair<std::string, std::string>> keywords;
  std::vector<std::pair<std::string, array>> values;
  for (const array& a : g.placeholders) inputs.push_back(describe(a.node()));
  for (size_t i = 0; i < t.names.size(); ++i) {
    keywords.emplace_back(t.names[i], letters(t.positional + i));
  }
  for (const array& a : g.outputs) outputs.push_back(describe(a.node()));
  for (const array& a : constants.all()) values.emplace_back(std::get<0>(describe(a.node())), a);
  callback({{"type", "inputs"}, {"inputs", inputs}});
  callback({{"type", "keyword_inputs"}, {"keywords", keywords}});
  callback({{"type", "outputs"}, {"outputs", outputs}});
  callback({{"type", "constants"}, {"constants", values}});
  for (Node* n : numbered.ops) {
    Values in, out;
    for (Node* i : n->inputs) in.push_back(describe(i));
    uint64_t first = numbered.number.at(n);
    for (const OutSpec& s : specs_of(n)) out.emplace_back(letters(first++), s.shape, s.dtype);
    ValueWriter parameters;
    if (n->params) n->op->params->write(n->params, parameters);
    callback({{"type", "primitive"},
              {"name", n->op->name},
              {"inputs", in},
              {"outputs", out},
              {"arguments", parameters.values}});
  }
}

}  // namespace

// ---- Exporters

struct FunctionExporter::State {
  FunctionOfBoth fun;
  std::string file;
  ExportCallback callback;
  bool shapeless;
  std::string metadata;
  bool open = true;
  std::vector<Signature> traces;
  int exceptions = std::uncaught_exceptions();

  Signature trace_call(const Args& args, const Kwargs& kwargs) const;
};

namespace {

bool same(const Signature& a, const Signature& b) {
  if (a.positional != b.positional || a.names != b.names) return false;
  return same_signature(*a.graph, b.graph->placeholders, a.graph->fixed_by.empty());
}

}  // namespace

Signature FunctionExporter::State::trace_call(const Args& args, const Kwargs& kwargs) const {
  Signature t{args.size(), {}, nullptr};
  for (auto& [name, a] : kwargs) t.names.push_back(name);
  std::sort(t.names.begin(), t.names.end());
  Arrays inputs = args;
  for (const std::string& name : t.names) inputs.push_back(kwargs.at(name));
  ArrayFn fn = [&](const Arrays& x) {
    Kwargs named;
    for (size_t i = 0; i < t.names.size(); ++i) named.emplace(t.names[i], x[args.size() + i]);
    return fun(Args(x.begin(), x.begin() + static_cast<int64_t>(args.size())), named);
  };
  detail::InExportTracing exporting;
  t.graph = trace(fn, inputs, shapeless ? Sizes::any : Sizes::given);
  if (shapeless && !t.graph->fixed_by.empty()) {
    fail("[export_function] expected a function for any sizes (shapeless=True); ",
         t.graph->fixed_by);
  }
  return t;
}

FunctionExporter::FunctionExporter(std::unique_ptr<State> state) : state_(std::move(state)) {}
FunctionExporter::FunctionExporter(FunctionExporter&&) = default;
FunctionExporter::~FunctionExporter() {
  if (!state_ || std::uncaught_exceptions() > state_->exceptions) return;
  try {
    close();
  } catch (...) {  // a caller who wants to know calls close
  }
}

void FunctionExporter::operator()(const Args& args, const Kwargs& kwargs) {
  if (!state_->open) {
    fail<std::runtime_error>("[export_function] expected an open exporter; got a closed one");
  }
  Signature t = state_->trace_call(args, kwargs);
  for (const Signature& before : state_->traces) {
    if (same(before, t)) {
      fail<std::runtime_error>(
          "[export_function] expected inputs of another signature than before; got the same");
    }
  }
  if (state_->callback) {
    report(state_->callback, t);
  } else {
    Constants constants;
    constants.add_all(*t.graph);
    Numbered check(*t.graph, constants.all());  // errors are told at once
  }
  state_->traces.push_back(std::move(t));
}

void FunctionExporter::close() {
  if (!state_->open) return;
  state_->open = false;
  std::vector<Signature> traces = std::move(state_->traces);
  if (state_->callback) return;
  FileWriter writer(traces, state_->metadata);
  save_atomically(state_->file, [&](const ByteSink& sink) { writer.write(sink); });
}

void FunctionExporter::abandon() {
  state_->open = false;
  state_->traces.clear();
}

namespace {

FunctionOfBoth of_both(const FunctionOfArgs& fun) {
  return [fun](const Args& args, const Kwargs& kwargs) {
    if (!kwargs.empty()) fail("[export_function] expected positional inputs; got named ones");
    return fun(args);
  };
}
FunctionOfBoth of_both(const FunctionOfKwargs& fun) {
  return [fun](const Args& args, const Kwargs& kwargs) {
    if (!args.empty()) fail("[export_function] expected named inputs; got positional ones");
    return fun(kwargs);
  };
}
FunctionOfBoth of_both(const FunctionOfBoth& fun) { return fun; }

FunctionExporter make_exporter(FunctionOfBoth fun, const std::string& file,
                               const ExportCallback& callback, bool shapeless,
                               const std::string& metadata) {
  auto state = std::make_unique<FunctionExporter::State>();
  state->fun = std::move(fun);
  state->file = file;
  state->callback = callback;
  state->shapeless = shapeless;
  state->metadata = metadata;
  return FunctionExporter(std::move(state));
}

}  // namespace

#define OLIVINE_EXPORTER(FUNCTION)                                                                 \
  FunctionExporter exporter(const std::string& file, const FUNCTION& fun, bool shapeless,          \
                            const std::string& metadata) {                                         \
    return make_exporter(of_both(fun), file, nullptr, shapeless, metadata);                        \
  }                                                                                                \
  FunctionExporter exporter(const ExportCallback& callback, const FUNCTION& fun, bool shapeless) { \
    return make_exporter(of_both(fun), "", callback, shapeless, "");                               \
  }
OLIVINE_EXPORTER(FunctionOfArgs)
OLIVINE_EXPORTER(FunctionOfKwargs)
OLIVINE_EXPORTER(FunctionOfBoth)
#undef OLIVINE_EXPORTER

#define OLIVINE_EXPORT(FUNCTION, INPUTS, PASSED)                                                   \
  void export_function(const std::string& file, const FUNCTION& fun, OLIVINE_UNPACK INPUTS,        \
                       bool shapeless, const std::string& metadata) {                              \
    FunctionExporter e = exporter(file, fun, shapeless, metadata);                                 \
    e PASSED;                                                                                      \
    e.close();                                                                                     \
  }                                                                                                \
  void export_function(const ExportCallback& callback, const FUNCTION& fun, OLIVINE_UNPACK INPUTS, \
                       bool shapeless) {                                                           \
    FunctionExporter e = exporter(callback, fun, shapeless);                                       \
    e PASSED;                                                                                      \
    e.close();                                                                                     \
  }
#define OLIVINE_UNPACK(...) __VA_ARGS__
OLIVINE_EXPORT(FunctionOfArgs, (const Args& args), (args))
OLIVINE_EXPORT(FunctionOfKwargs, (const Kwargs& kwargs), (kwargs))
OLIVINE_EXPORT(FunctionOfBoth, (const Args& args, const Kwargs& kwargs), (args, kwargs))
#undef OLIVINE_UNPACK
#undef OLIVINE_EXPORT

}  // namespace olivine
