// Tracing functions, and putting other inputs into what was traced.
#include "transforms/traced.h"

#include <unordered_map>
#include <unordered_set>

#include "backends/backend.h"
#include "core/checks.h"
#include "core/error.h"
#include "transforms/control.h"
#include "transforms/nonfinite.h"
#include "transforms/replay.h"

namespace olivine {
namespace {

array remake_tuple(Node* n, const ParamsRef& params, const Arrays& in, std::vector<OutSpec> specs) {
  Arrays out = make_nodes(*n->op, params, in, std::move(specs));
  return share(out[0].node()->inputs[0]);
}
std::vector<OutSpec> specs_of(Node* tuple) {
  std::vector<OutSpec> specs;
  for (const TupleOutput& o : *tuple->tuple) specs.push_back(o.spec);
  return specs;
}

// Mixes the fields of parameters into a number.
class FieldHash final : public FieldWriter {
 public:
  void boolean(bool v) override { mix(v); }
  void integer(int64_t v) override { mix(static_cast<size_t>(v)); }
  void number(double v) override { mix(std::hash<double>()(v)); }
  void dtype(Dtype v) override { mix(static_cast<size_t>(v.index())); }
  void text(const std::string& v) override { mix(std::hash<std::string>()(v)); }
  void list(size_t length) override { mix(length); }
  size_t value = 0;

 private:
  void mix(size_t v) { value = value * 1000003 + v; }
};

// Re-makes the nodes of a walk with some of them replaced; equal nodes become one when `merge`.
class Rebuild {
 public:
  Rebuild(const std::vector<WalkEntry>& walk, bool merge) : walk_(walk), merge_(merge) {
    made_.resize(walk.size());
  }
  void set(size_t i, const array& a) { made_[i] = a; }
  // Stands for a node outside of the walk.
  void replace(Node* n, const array& a) { outside_.emplace(n, a); }
  const array& at(size_t i) const { return *made_[i]; }

  void run() {
    for (size_t i = 0; i < walk_.size(); ++i) {
      if (!made_[i]) make(i);
    }
  }

 private:
  void make(size_t i) {
    Node* n = walk_[i].node;
    if (n->done() || !n->op) {  // a constant, or a placeholder of somebody else
      made_[i] = share(n);
      return;
    }
    Arrays in;
    size_t hash = std::hash<const void*>()(n->op);
    for (size_t k = 0; k < n->inputs.size(); ++k) {
      int32_t from = walk_[i].inputs[k];
      in.push_back(from >= 0 ? *made_[from] : outside(n->inputs[k]));
      hash = hash * 1000003 + in.back().id();
    }
    if (merge_ && n->op == &identity_op) {  // a mark of a transformation that is over
      made_[i] = in[0];
      return;
    }
    // Many slices of one array differ in their parameters alone.
    const bool has_fields = n->op->params && n->params && n->params.is_of(n->op->params->type);
    if (merge_ && has_fields && !is_control(*n->op)) {
      FieldHash fields;
      n->op->params->write(n->params, fields);
      hash += fields.value;
    }
    if (merge_ && !n->op->opaque) {
      auto [begin, end] = seen_.equal_range(hash);
      for (auto it = begin; it != end; ++it) {
        if (same(it->second.node(), n, in)) {
          made_[i] = it->second;
          return;
        }
      }
    }
    made_[i] = n->tuple ? remake_tuple(n, n->params, in, specs_of(n))
                        : make_node(*n->op, n->params, in, n->shape, n->dtype);
    // What comes from a file has no place of its own: it belongs to the line that calls it.
    if (n->location) made_[i]->node()->location = n->location;
    if (in.empty()) made_[i]->node()->tracer = true;  // to be run in outer traces as well
    if (merge_ && !n->op->opaque) seen_.emplace(hash, *made_[i]);
  }

  array outside(Node* n) const {
    auto it = outside_.find(n);
    return it == outside_.end() ? share(n) : it->second;
  }

  static bool same(Node* a, Node* b, const Arrays& in) {
    if (a->op != b->op || a->dtype != b->dtype || !(a->shape == b->shape)) return false;
    if (a->inputs.size() != in.size() || !(a->params == b->params)) return false;
    for (size_t k = 0; k < in.size(); ++k) {
      if (a->inputs[k] != in[k].node()) return false;
    }
    return true;
  }

  const std::vector<WalkEntry>& walk_;
  bool merge_;
  std::vector<MaybeArray> made_;
  std::unordered_map<Node*, array> outside_;
  std::unordered_multimap<size_t, array> seen_;
};

// The positions of what was marked to be run in every call though it has no input (recv).
void add_sources(const std::vector<WalkEntry>& walk, std::vector<int32_t>& sources) {
  for (size_t i = 0; i < walk.size(); ++i) {
    const Node* n = walk[i].node;
    if (n->op && n->inputs.empty()) sources.push_back(static_cast<int32_t>(i));
  }
}

// Nodes outside the trace become constants: computed now, read from memory in every call.
void compute_constants(const std::vector<WalkEntry>& walk, const std::vector<bool>& depends) {
  Arrays constants;
  for (size_t i = 0; i < walk.size(); ++i) {
    if (!depends[i]) continue;
    for (size_t k = 0; k < walk[i].inputs.size(); ++k) {
      int32_t from = walk[i].inputs[k];
      Node* in = walk[i].node->inputs[k];
      if ((from < 0 || !depends[from]) && !in->done() && !in->tuple) constants.push_back(share(in));
    }
  }
  eval(constants);
}

// Whether a constant of the graph was made inside the function, other than as a scalar or from
// arrays that are there for all sizes.
bool is_made_inside(Node* constant) {
  std::vector<Node*> stack{constant};
  std::unordered_set<Node*> seen;
  while (!stack.empty()) {
    Node* n = stack.back();
    stack.pop_back();
    if (!n->of_shapeless_trace || !seen.insert(n).second) continue;
    if (n->inputs.empty() && !n->shape.empty()) return true;
    stack.insert(stack.end(), n->inputs.begin(), n->inputs.end());
  }
  return false;
}

// Why what was traced holds for the sizes of its inputs only; empty: it holds for any.
std::string fixed_by(const ShapelessTrace& running, const std::vector<WalkEntry>& walk,
                     const std::vector<bool>& depends, const Arrays& outputs,
                     const std::vector<int32_t>& out_at) {
  const char* constant = "it makes an array whose shape may follow from its inputs' shapes";
  if (running.sizes_read) return message("it uses ", running.sizes_read);
  for (size_t i = 0; i < walk.size(); ++i) {
    const Op* op = walk[i].node->op;
    if (!depends[i] || !op) continue;
    bool any_size = op->any_size || op == &output_op ||
                    (is_control(*op) && bodies_any_size(*op, walk[i].node->params));
    if (!any_size) {
      return message("sizes are parameters of its op ", shown_name(*op, walk[i].node->params));
    }
    for (size_t k = 0; k < walk[i].inputs.size(); ++k) {
      int32_t from = walk[i].inputs[k];
      bool outside = from < 0 || !depends[from];
      if (outside && is_made_inside(walk[i].node->inputs[k])) return constant;
    }
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    bool outside = out_at[i] < 0 || !depends[out_at[i]];
    if (outside && is_made_inside(outputs[i].node())) return constant;
  }
  return {};
}

// The recorded function on other inputs.
std::shared_ptr<TracedGraph> replayed(const TracedGraph& g, const Arrays& inputs) {
  ArrayFn again = [&](const Arrays& now) {
    Replay replay;
    for (size_t i = 0; i < now.size(); ++i) replay.set(g.placeholders[i], now[i]);
    replay.run(g.recording->steps());
    Arrays outputs = replay.at(g.results);
    if (replay.inferred() && !alike(g, inputs)) throw OtherOutcome("sizes 0 and 1 are others");
    return outputs;
  };
  return trace(again, inputs, Sizes::given);
}

}  // namespace

array remake(Node* n, const Arrays& in) {
  const Op& op = *n->op;
  if (&op == &output_op) {
    const OutSpec& spec = (*in[0].node()->tuple)[n->params.as<OutputParams>().index].spec;
    return make_node(op, n->params, in, spec.shape, spec.dtype);
  }
  const ParamsRef params = is_control(op) ? resized_bodies(op, n->params, in) : n->params;
  check_op(op, params, in);
  std::vector<OutSpec> specs = op.infer(params, in);
  if (n->tuple) return remake_tuple(n, params, in, std::move(specs));
  return make_node(op, params, in, std::move(specs[0].shape), specs[0].dtype);
}

void check_op(const Op& op, const ParamsRef& params, std::span<const array> in) {
  CheckCall c{op, params, in};
  if (op.check) return op.check(c);
  if (op.kind != OpKind::elementwise || in.empty()) {
    reject(c, "expected inputs; got none that could be checked");
  }
  int arity = cpu_backend().arity(op.id(), in.back().dtype());
  if (arity == 0) reject(c, "expected a dtype that it is available for; got ", in.back().dtype());
  expect_inputs(c, static_cast<size_t>(arity));
  expect_one_dtype(c, 0, in.size());
}

void check_exportable(const Node* n) {
  const Op& op = *n->op;
  bool declared = n->params ? op.params && n->params.is_of(op.params->type) : !op.params;
  if (!can_be_exported(op) || !declared) {
    fail("[export_function] expected ops that can be written to a file; got ",
         shown_name(op, n->params),
         op.opaque || op.label ? ", which calls functions of yours" : "");
  }
}

void finish_graph(TracedGraph& g) {
  using Kind = TracedGraph::Source::Kind;
  std::unordered_map<Node*, int> inputs, computed;
  for (size_t i = 0; i < g.placeholders.size(); ++i) {
    inputs.emplace(g.placeholders[i].node(), static_cast<int>(i));
  }
  for (const array& out : g.outputs) {
    Node* n = out.node();
    if (auto it = inputs.find(n); it != inputs.end()) {
      g.sources.push_back({Kind::input, it->second});
    } else if (n->done() || !n->tracer) {
      g.sources.push_back({Kind::constant, -1});
    } else {
      auto [it2, fresh] = computed.try_emplace(n, static_cast<int>(g.computed.size()));
      if (fresh) {
        g.computed.push_back(out);
        g.specs.push_back({out.shape(), out.dtype()});
      }
      g.sources.push_back({Kind::computed, it2->second});
    }
  }
  g.walk = walk_tracers(g.computed, g.placeholders);
}

std::shared_ptr<TracedGraph> trace(const ArrayFn& fn, const Arrays& inputs, Sizes sizes) {
  Tracing tracing;
  auto g = std::make_shared<TracedGraph>();
  if (sizes == Sizes::recorded) g->recording = std::make_shared<Recording>();
  std::optional<ShapelessTrace> running;
  if (sizes != Sizes::given) running.emplace(g->recording.get());
  g->checked = nonfinite_wanted();
  for (const array& a : inputs) g->placeholders.push_back(make_placeholder(a.shape(), a.dtype()));
  Arrays outputs = fn(g->placeholders);
  if (g->recording) g->recording->finish();
  if (g->recording && g->recording->steps().empty()) g->recording.reset();

  auto walk = walk_tracers(outputs, g->placeholders);
  auto at = positions(walk, g->placeholders);
  auto out_at = positions(walk, outputs);
  auto sources = at;
  add_sources(walk, sources);
  auto depends = depends_on(walk, sources, true);
  if (g->recording) {
    g->results = outputs;
    g->fixed_by = g->recording->fixed_by();
    if (running->sizes_read) g->fixed_by = message("it uses ", running->sizes_read);
  } else if (running) {
    g->fixed_by = fixed_by(*running, walk, depends, outputs, out_at);
  }
  running.reset();
  compute_constants(walk, depends);
  Rebuild rebuild(walk, true);
  for (size_t i = 0; i < walk.size(); ++i) {
    if (!depends[i]) rebuild.set(i, share(walk[i].node));
  }
  for (size_t i = 0; i < g->placeholders.size(); ++i) rebuild.set(at[i], g->placeholders[i]);
  rebuild.run();

  using Kind = TracedGraph::Source::Kind;
  std::unordered_map<Node*, int> computed, placeholders;
  for (size_t p = 0; p < at.size(); ++p) {
    placeholders.emplace(g->placeholders[p].node(), static_cast<int>(p));
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    bool inside = out_at[i] >= 0 && depends[out_at[i]];
    array out = inside ? rebuild.at(out_at[i]) : outputs[i];
    g->outputs.push_back(out);
    auto input = placeholders.find(out.node());
    if (!inside || input != placeholders.end()) {
      g->sources.push_back({inside ? Kind::input : Kind::constant, inside ? input->second : -1});
      continue;
    }
    auto [it, fresh] = computed.try_emplace(out.node(), static_cast<int>(g->computed.size()));
    if (fresh) {
      g->computed.push_back(out);
      g->specs.push_back({out.shape(), out.dtype()});
    }
    g->sources.push_back({Kind::computed, it->second});
  }
  g->walk = walk_tracers(g->computed, g->placeholders);
  return g;
}

std::shared_ptr<TracedGraph> close_graph(const Arrays& inputs, const Arrays& outputs,
                                         Arrays& captured) {
  auto walk = walk_tracers(outputs, inputs);
  auto at = positions(walk, inputs), out_at = positions(walk, outputs);
  auto sources = at;
  add_sources(walk, sources);
  auto depends = depends_on(walk, sources, true);
  std::unordered_map<Node*, array> stand_ins;
  auto g = std::make_shared<TracedGraph>();
  auto capture = [&](Node* n) {
    auto it = stand_ins.find(n);
    if (it != stand_ins.end()) return it->second;
    captured.push_back(share(n));
    g->placeholders.push_back(make_placeholder(n->shape, n->dtype));
    return stand_ins.emplace(n, g->placeholders.back()).first->second;
  };
  Rebuild rebuild(walk, true);
  for (size_t i = 0; i < walk.size(); ++i) {
    if (!depends[i]) rebuild.set(i, share(walk[i].node));
  }
  for (size_t i = 0; i < walk.size(); ++i) {
    if (!depends[i]) continue;
    for (size_t k = 0; k < walk[i].inputs.size(); ++k) {
      int32_t from = walk[i].inputs[k];
      Node* in = walk[i].node->inputs[k];
      if (from < 0) {
        rebuild.replace(in, capture(in));
      } else if (!depends[from]) {
        rebuild.set(from, capture(in));
      }
    }
  }
  for (size_t i = 0; i < inputs.size(); ++i) rebuild.set(at[i], inputs[i]);
  rebuild.run();
  for (size_t i = 0; i < outputs.size(); ++i) {
    bool inside = out_at[i] >= 0 && depends[out_at[i]];
    g->outputs.push_back(inside ? rebuild.at(out_at[i]) : capture(outputs[i].node()));
  }
  g->placeholders.insert(g->placeholders.end(), inputs.begin(), inputs.end());
  finish_graph(*g);
  return g;
}

std::shared_ptr<TracedGraph> resized(const TracedGraph& g, const Arrays& inputs) {
  if (g.recording) return replayed(g, inputs);
  auto out = std::make_shared<TracedGraph>();
  std::vector<MaybeArray> made(g.walk.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    made[i] = make_placeholder(inputs[i].shape(), inputs[i].dtype());
    out->placeholders.push_back(*made[i]);
  }
  for (size_t i = inputs.size(); i < g.walk.size(); ++i) {
    Node* n = g.walk[i].node;
    if (n->done() || !n->op) {
      made[i] = share(n);
      continue;
    }
    Arrays in;
    for (size_t k = 0; k < n->inputs.size(); ++k) {
      int32_t from = g.walk[i].inputs[k];
      in.push_back(from >= 0 ? *made[from] : share(n->inputs[k]));
    }
    made[i] = remake(n, in);
    made[i]->node()->location = n->location;
  }
  Arrays computed;
  for (int32_t p : positions(g.walk, g.computed)) computed.push_back(*made[p]);
  out->outputs = collect_outputs(g, out->placeholders, computed);
  out->sources = g.sources;
  for (const array& a : computed) out->specs.push_back({a.shape(), a.dtype()});
  out->computed = std::move(computed);
  out->walk = walk_tracers(out->computed, out->placeholders);
  out->fixed_by = g.fixed_by;
  out->checked = g.checked;
  return out;
}

bool same_signature(const TracedGraph& g, const Arrays& inputs, bool any_size) {
  if (g.placeholders.size() != inputs.size()) return false;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const array& p = g.placeholders[i];
    if (p.dtype() != inputs[i].dtype() || p.ndim() != inputs[i].ndim()) return false;
    if (!any_size && !(p.shape() == inputs[i].shape())) return false;
  }
  return true;
}

size_t signature_hash(const Arrays& inputs) {
  size_t hash = inputs.size();
  auto mix = [&](size_t v) { hash = (hash ^ v) * 0x9E3779B97F4A7C15u; };
  for (const array& a : inputs) {
    mix(static_cast<size_t>(a.dtype().index()) << 8 | a.ndim());
    for (int64_t d : a.shape()) mix(static_cast<size_t>(d));
  }
  return hash ^ hash >> 32;
}

bool alike(const TracedGraph& g, const Arrays& inputs) {
  auto kind = [](int64_t d) { return std::min<int64_t>(d, 2); };
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!std::ranges::equal(g.placeholders[i].shape(), inputs[i].shape(), {}, kind, kind)) {
      return false;
    }
  }
  return true;
}

Arrays collect_outputs(const TracedGraph& g, const Arrays& inputs, const Arrays& computed) {
  Arrays out;
  for (size_t i = 0; i < g.sources.size(); ++i) {
    using Kind = TracedGraph::Source::Kind;
    const auto& s = g.sources[i];
    out.push_back(s.kind == Kind::computed ? computed[s.index]
                  : s.kind == Kind::input  ? inputs[s.index]
                                           : g.outputs[i]);
  }
  return out;
}

// The graph on other inputs, for calls under a transformation.
Arrays inline_graph(const TracedGraph& g, const Arrays& inputs) {
  Rebuild rebuild(g.walk, false);
  auto at = positions(g.walk, g.placeholders);
  for (size_t i = 0; i < inputs.size(); ++i) rebuild.set(at[i], inputs[i]);
  rebuild.run();
  Arrays computed;
  for (int32_t p : positions(g.walk, g.computed)) computed.push_back(rebuild.at(p));
  return collect_outputs(g, inputs, computed);
}

}  // namespace olivine
