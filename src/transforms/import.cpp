// Reading functions. Every number of the file is checked before anything of its size is allocated,
// and every op as its public function would check it, so that a file made up by anyone gives either
// a function that keeps within its arrays or one error.
#include <algorithm>
#include <cstring>
#include <set>

#include "core/error.h"
#include "io/file.h"
#include "olivine/export_function.h"
#include "runtime/process_locks.h"
#include "transforms/control.h"
#include "transforms/export_format.h"
#include "transforms/import.h"

namespace olivine {
namespace {

using exported::Decoder;

struct Constant {
  OutSpec spec;
  bool repeated;
  uint64_t offset, bytes;
};

// One signature of the function, ready to be called.
struct Imported {
  size_t positional;
  std::vector<std::string> names;
  std::shared_ptr<const TracedGraph> graph;
  bool any_size;
  mutable std::vector<std::shared_ptr<const TracedGraph>> other_sizes;  // the latest last
};

class Reader {
 public:
  Reader(const ByteSource& source, std::string_view header, uint64_t data)
      : source_(source), in_(source.name, header), data_(data) {}

  std::string metadata;
  std::vector<std::unique_ptr<Imported>> traces;

  void read() {
    metadata = in_.name();
    in_.name();  // who wrote it
    read_op_names();
    read_constant_list();
    read_constants();
    for (size_t n = in_.length("traces"); n > 0; --n) read_trace();
    if (in_.left() != 0)
      in_.malformed("expected the header to end; got ", in_.left(), " bytes more");
  }

 private:
  void read_op_names() {
    const std::vector<const Op*> known = all_ops();
    for (size_t n = in_.length("ops"); n > 0; --n) {
      std::string name = in_.name();
      auto before = [](const Op* op, const std::string& name) { return op->name < name; };
      auto it = std::lower_bound(known.begin(), known.end(), name, before);
      while (it != known.end() && (*it)->name == name && !can_be_exported(**it)) ++it;
      if (it == known.end() || (*it)->name != name) {
        in_.malformed("expected ops of this version; got '", name, "'");
      }
      ops_.push_back(*it);
    }
  }

  // The constants follow each other in the file and end with it.
  void read_constant_list() {
    uint64_t offset = 0, size = source_.size - std::min(data_, source_.size);
    for (size_t n = in_.length("constants"); n > 0; --n) {
      Constant c{in_.spec(), false, 0, 0};
      c.repeated = in_.boolean();
      c.offset = in_.count();
      c.bytes = c.spec.dtype.size();
      for (int64_t d : c.spec.shape) c.bytes *= c.repeated ? 1 : static_cast<uint64_t>(d);
      if (c.offset != offset || c.bytes > size - offset) {
        in_.malformed("expected ", c.bytes, " bytes of a constant at ", offset,
                      " within the data's ", size, "; got offset ", c.offset);
      }
      offset = exported::aligned(offset + c.bytes);
      if (offset > size) in_.malformed("the file ends within its data");
      constants_.push_back(c);
    }
    if (offset != size) in_.malformed("expected ", offset, " bytes of data; got ", size);
  }

  void read_constants() {
    for (const Constant& c : constants_) {
      BufferRef buffer = allocate(c.bytes);
      source_.read(data_ + c.offset, buffer->data, c.bytes);
      if (c.spec.dtype == bool_) {
        auto* p = static_cast<const uint8_t*>(buffer->data);
        if (std::any_of(p, p + c.bytes, [](uint8_t v) { return v > 1; })) {
          in_.malformed("expected bools of 0 and 1 among the constants");
        }
      }
      arrays_.push_back(c.repeated ? make_done(buffer, c.spec.shape,
                                               Strides(c.spec.shape.size(), 0), 0, c.spec.dtype)
                                   : make_done(buffer, c.spec.shape, c.spec.dtype));
    }
  }

  // What the nodes of a trace read. The constants are not copied: many small traces may share many.
  struct Values {
    const Arrays &inputs, &constants;
    Arrays made;
    size_t size() const { return inputs.size() + constants.size() + made.size(); }
    const array& operator[](size_t i) const {
      if (i < inputs.size()) return inputs[i];
      i -= inputs.size();
      return i < constants.size() ? constants[i] : made[i - constants.size()];
    }
  };

  void read_trace() {
    auto t = std::make_unique<Imported>();
    auto g = std::make_shared<TracedGraph>();
    t->any_size = in_.boolean();
    t->positional = in_.length("inputs");
    for (size_t n = in_.length("names"); n > 0; --n) t->names.push_back(in_.name());
    if (std::ranges::adjacent_find(t->names, std::greater_equal()) != t->names.end()) {
      in_.malformed("expected distinct names of inputs in order");
    }
    if (t->positional + t->names.size() > in_.left()) in_.malformed("the header ends too early");
    for (size_t i = 0; i < t->positional + t->names.size(); ++i) {
      OutSpec s = in_.spec();
      g->placeholders.push_back(make_placeholder(s.shape, s.dtype));
    }
    Values values{g->placeholders, arrays_, {}};
    size_t count = in_.length("ops");
    for (size_t i = 0; i < count; ++i) read_node(values, i, t->any_size);
    for (size_t n = in_.length("outputs"); n > 0; --n) g->outputs.push_back(value(values));
    if (t->any_size) g->fixed_by.clear();
    finish_graph(*g);
    t->graph = std::move(g);
    traces.push_back(std::move(t));
  }

  const array& value(const Values& values) {
    uint64_t i = in_.count();
    if (i >= values.size()) {
      in_.malformed("expected a value that was made before, of ", values.size(), "; got ", i);
    }
    return values[i];
  }

  void read_node(Values& values, size_t number, bool any_size) {
    uint64_t index = in_.count();
    if (index >= ops_.size()) in_.malformed("expected an op below ", ops_.size(), "; got ", index);
    const Op& op = *ops_[index];
    Arrays in;
    for (size_t n = in_.length("inputs"); n > 0; --n) in.push_back(value(values));
    ParamsRef params = op.params ? read_params(op, number) : ParamsRef();
    if (any_size && !op.any_size && !(is_control(op) && bodies_any_size(op, params))) {
      in_.malformed(op.name, " can't hold for any sizes");
    }
    std::vector<OutSpec> stored;
    for (size_t n = in_.length("outputs"); n > 0; --n) stored.push_back(in_.spec());
    std::vector<OutSpec> specs = checked_outputs(op, params, in, number);
    bool equal = specs.size() == stored.size() && !specs.empty();
    for (size_t i = 0; equal && i < specs.size(); ++i) {
      equal = specs[i].shape == stored[i].shape && specs[i].dtype == stored[i].dtype &&
              specs[i].shape.size() <= exported::kMaxRank;
    }
    if (!equal) {
      in_.malformed("op ", number, ", ", op.name, ", has other outputs than the file says");
    }
    if (specs.size() > 1) {
      for (array& a : make_nodes(op, params, in, std::move(specs))) {
        values.made.push_back(std::move(a));
      }
    } else {
      values.made.push_back(make_node(op, params, in, std::move(specs[0].shape), specs[0].dtype));
    }
  }

  ParamsRef read_params(const Op& op, size_t number) {
    try {
      return op.params->read(in_);
    } catch (const BodyError& e) {
      in_.malformed("op ", number, ", ", op.name, ": ", e.what());
    }
  }

  std::vector<OutSpec> checked_outputs(const Op& op, const ParamsRef& params, const Arrays& in,
                                       size_t number) {
    try {
      check_op(op, params, in);
      std::vector<OutSpec> specs = op.infer(params, in);
      for (const OutSpec& s : specs) {
        checked_mul(element_count(s.shape, op.name), int64_t(s.dtype.size()), op.name);
      }
      return specs;
    } catch (const std::exception& e) {
      in_.malformed("op ", number, ": ", e.what());
    }
  }

  const ByteSource& source_;
  Decoder in_;
  uint64_t data_;
  std::vector<const Op*> ops_;
  std::vector<Constant> constants_;
  Arrays arrays_;
};

// ---- Errors of calls

void describe(std::ostream& os, size_t positional, const std::vector<std::string>& names,
              const Arrays& inputs, const char* indent) {
  auto plural = [](size_t n, const char* what) { return message(n, " ", what, n == 1 ? "" : "s"); };
  os << plural(positional, "positional input") << ", " << plural(names.size(), "keyword input");
  for (size_t i = 0; i < inputs.size(); ++i) {
    os << "\n" << indent;
    if (i < positional) {
      os << i + 1;
    } else {
      os << '"' << names[i - positional] << '"';
    }
    os << ": " << inputs[i].shape() << " " << inputs[i].dtype();
  }
}

[[noreturn]] void no_match(const std::vector<std::unique_ptr<Imported>>& traces, size_t positional,
                           const std::vector<std::string>& names, const Arrays& inputs) {
  std::ostringstream os;
  os << "[import_function] expected inputs of a signature that the file has:";
  size_t number = 0;
  for (const auto& t : traces) {
    os << "\n " << ++number << ". ";
    describe(os, t->positional, t->names, t->graph->placeholders, "    ");
    if (t->any_size) os << "\n    (other sizes of these axes too)";
  }
  os << "\ngot ";
  describe(os, positional, names, inputs, "    ");
  throw std::invalid_argument(os.str());
}

// The graph of `t` for these inputs, kept for the next call.
std::shared_ptr<const TracedGraph> for_sizes(const Imported& t, const Arrays& inputs) {
  if (same_signature(*t.graph, inputs, false)) return t.graph;
  {
    std::lock_guard lock(process_lock(Lock::traces));
    for (const auto& g : t.other_sizes) {
      if (same_signature(*g, inputs, false)) return g;
    }
  }
  std::shared_ptr<const TracedGraph> g = resized(*t.graph, inputs);
  std::lock_guard lock(process_lock(Lock::traces));
  if (t.other_sizes.size() >= 16) t.other_sizes.erase(t.other_sizes.begin());
  t.other_sizes.push_back(g);
  return g;
}

}  // namespace

struct ImportedFunction::State {
  std::string metadata;
  std::vector<std::unique_ptr<Imported>> traces;
};

Arrays ImportedFunction::operator()(const Args& args, const Kwargs& kwargs) const {
  std::vector<std::string> names;
  for (auto& [name, a] : kwargs) names.push_back(name);
  std::sort(names.begin(), names.end());
  Arrays inputs = args;
  for (const std::string& name : names) inputs.push_back(kwargs.at(name));
  for (bool any_size : {false, true}) {
    for (const auto& t : state_->traces) {
      bool fits = t->positional == args.size() && t->names == names && (t->any_size || !any_size) &&
                  same_signature(*t->graph, inputs, any_size);
      if (!fits) continue;
      if (!t->any_size) {
        for (const array& a : inputs) note_size_read(a, "an imported function of fixed sizes");
      }
      return inline_graph(*for_sizes(*t, inputs), inputs);
    }
  }
  no_match(state_->traces, args.size(), names, inputs);
}

const std::string& ImportedFunction::metadata() const { return state_->metadata; }

std::vector<ImportedSignature> signatures(const ImportedFunction::State& f) {
  std::vector<ImportedSignature> all;
  for (const auto& t : f.traces) all.push_back({t->positional, t->names, t->any_size, t->graph});
  return all;
}

std::shared_ptr<const ImportedFunction::State> read_function(const ByteSource& source) {
  auto malformed = [&](const auto&... args) {
    fail_in_file("[import_function] ", source.name, ": ", args...);
  };
  char prefix[exported::kPrefix];
  if (source.size < sizeof(prefix))
    malformed("expected an exported function; got ", source.size, " bytes");
  source.read(0, prefix, sizeof(prefix));
  if (std::memcmp(prefix, exported::kMagic, 8) != 0) {
    malformed("expected an exported function; got another kind of file");
  }
  uint32_t version[2];
  uint64_t size;
  std::memcpy(version, prefix + 8, 8);
  std::memcpy(&size, prefix + 16, 8);
  if (version[0] != exported::kVersion || version[1] != 0) {
    malformed("expected version ", exported::kVersion, " of the format; got ", version[0]);
  }
  if (size > source.size - sizeof(prefix)) {
    malformed("expected a header of at most ", source.size - sizeof(prefix), " bytes; got ", size);
  }
  std::string header(size, '\0');
  source.read(sizeof(prefix), header.data(), size);
  Reader reader(source, header, exported::aligned(sizeof(prefix) + size));
  reader.read();
  auto state = std::make_shared<ImportedFunction::State>();
  state->metadata = std::move(reader.metadata);
  state->traces = std::move(reader.traces);
  return state;
}

ImportedFunction import_function(const ByteSource& source) {
  return ImportedFunction(read_function(source));
}

ImportedFunction import_function(const std::string& file) {
  return import_function(open_source(file));
}

}  // namespace olivine
