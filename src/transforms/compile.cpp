// Compiled functions: traced once per shapes and dtypes, simplified, planned once per layouts.
//
// A call makes one lazy tuple node, `compiled`, which the evaluator runs from its plan; since the
// call itself computes nothing, inputs that the caller drops afterwards can be overwritten. Under
// another transformation the traced graph is inlined on the call's inputs instead.
#include "olivine/compile.h"

#include <cstdlib>
#include <cstring>
#include <mutex>
#include <unordered_map>
#include <unordered_set>

#include "core/error.h"
#include "transforms/graph.h"
#include "transforms/plan.h"

namespace olivine {
namespace {

std::atomic<bool>& disabled() {
  static std::atomic<bool> flag = [] {
    const char* v = std::getenv("OLIVINE_DISABLE_COMPILE");
    return v && *v && std::strcmp(v, "0") != 0;
  }();
  return flag;
}

// A function as a graph from placeholders to outputs.
struct TracedGraph {
  Arrays placeholders;
  Arrays outputs;  // all that the function returned
  // Where an output comes from: number `index` of `computed` or of the inputs, or a constant.
  struct Source {
    enum class Kind : uint8_t { computed, input, constant } kind;
    int index;
  };
  std::vector<Source> sources;
  Arrays computed;                // outputs that need work, without repeats
  std::vector<OutSpec> specs;     // of `computed`
  std::vector<WalkEntry> walk;    // inputs before users
  std::vector<std::pair<std::vector<Layout>, std::shared_ptr<const Plan>>> plans;  // graph lock
};

struct CompiledParams {
  std::shared_ptr<TracedGraph> graph;
  auto fields() const { return std::tie(graph); }
};

// Re-makes the nodes of a walk with some of them replaced; equal nodes become one when `merge`.
class Rebuild {
 public:
  Rebuild(const std::vector<WalkEntry>& walk, bool merge) : walk_(walk), merge_(merge) {
    made_.resize(walk.size());
  }
  void set(size_t i, const array& a) { made_[i] = a; }
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
      in.push_back(from >= 0 ? *made_[from] : share(n->inputs[k]));
      hash = hash * 1000003 + in.back().id();
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
    made_[i] = n->tuple ? remake_tuple(n, in) : make_node(*n->op, n->params, in, n->shape, n->dtype);
    made_[i]->node()->location = n->location;
    if (merge_ && !n->op->opaque) seen_.emplace(hash, *made_[i]);
  }

  static bool same(Node* a, Node* b, const Arrays& in) {
    if (a->op != b->op || a->dtype != b->dtype || !(a->shape == b->shape)) return false;
    if (a->inputs.size() != in.size() || !(a->params == b->params)) return false;
    for (size_t k = 0; k < in.size(); ++k) {
      if (a->inputs[k] != in[k].node()) return false;
    }
    return true;
  }

  static array remake_tuple(Node* n, const Arrays& in) {
    std::vector<OutSpec> specs;
    for (const TupleOutput& o : *n->tuple) specs.push_back(o.spec);
    Arrays out = make_nodes(*n->op, n->params, in, std::move(specs));
    return share(out[0].node()->inputs[0]);
  }

  const std::vector<WalkEntry>& walk_;
  bool merge_;
  std::vector<MaybeArray> made_;
  std::unordered_multimap<size_t, array> seen_;
};

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

std::shared_ptr<TracedGraph> trace(const ArrayFn& fn, const Arrays& inputs) {
  Tracing tracing;
  auto g = std::make_shared<TracedGraph>();
  for (const array& a : inputs) g->placeholders.push_back(make_placeholder(a.shape(), a.dtype()));
  Arrays outputs = fn(g->placeholders);

  auto walk = walk_tracers(outputs, g->placeholders);
  auto at = positions(walk, g->placeholders);
  auto depends = depends_on(walk, at, true);
  compute_constants(walk, depends);
  Rebuild rebuild(walk, true);
  for (size_t i = 0; i < walk.size(); ++i) {
    if (!depends[i]) rebuild.set(i, share(walk[i].node));
  }
  for (size_t i = 0; i < g->placeholders.size(); ++i) rebuild.set(at[i], g->placeholders[i]);
  rebuild.run();

  auto out_at = positions(walk, outputs);
  std::unordered_map<Node*, int> computed;
  for (size_t i = 0; i < outputs.size(); ++i) {
    using Kind = TracedGraph::Source::Kind;
    bool inside = out_at[i] >= 0 && depends[out_at[i]];
    array out = inside ? rebuild.at(out_at[i]) : outputs[i];
    g->outputs.push_back(out);
    int input = -1;
    for (size_t p = 0; p < at.size(); ++p) {
      if (out.node() == g->placeholders[p].node()) input = static_cast<int>(p);
    }
    if (!inside || input >= 0) {
      g->sources.push_back({inside ? Kind::input : Kind::constant, input});
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

bool same_signature(const TracedGraph& g, const Arrays& inputs) {
  if (g.placeholders.size() != inputs.size()) return false;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (g.placeholders[i].dtype() != inputs[i].dtype()) return false;
    if (!(g.placeholders[i].shape() == inputs[i].shape())) return false;
  }
  return true;
}

}  // namespace

const Op compiled_op{.name = "compiled", .opaque = true};

// Under the graph lock, which the evaluator holds while it plans.
std::shared_ptr<const Plan> compiled_plan(const ParamsRef& params,
                                          std::span<const Layout> leaves) {
  TracedGraph& g = *params.as<CompiledParams>().graph;
  for (auto& [key, plan] : g.plans) {
    if (std::equal(key.begin(), key.end(), leaves.begin(), leaves.end())) return plan;
  }
  std::unordered_map<Node*, int> inputs;
  for (size_t i = 0; i < g.placeholders.size(); ++i) {
    Node* n = g.placeholders[i].node();
    inputs.emplace(n, static_cast<int>(i));
    n->strides = leaves[i].strides;
  }
  PlanBuilder builder;
  builder.placeholder_index = [&](Node* n) {
    auto it = inputs.find(n);
    return it == inputs.end() ? -1 : it->second;
  };
  std::unordered_set<Node*> roots;
  for (const array& a : g.computed) roots.insert(a.node());
  builder.is_held = [&](Node* n, uint32_t) { return roots.count(n) > 0; };
  builder.collect(g.computed, nullptr);
  builder.build(g.computed);
  for (int32_t i : builder.leaf_entries) {
    Node* n = builder.entries[i].node;
    LeafSource source;
    if (n->placeholder) {
      source.input = inputs.at(n);
    } else {
      source.constant = n->buffer;
    }
    builder.plan.sources.push_back(source);
  }
  auto plan = std::make_shared<const Plan>(std::move(builder.plan));
  if (g.plans.size() >= 16) g.plans.erase(g.plans.begin());
  g.plans.emplace_back(std::vector<Layout>(leaves.begin(), leaves.end()), plan);
  return plan;
}

struct CompiledFunction::State {
  ArrayFn fn;
  std::mutex mutex;
  std::vector<std::shared_ptr<TracedGraph>> graphs;  // most recent last
};

CompiledFunction::CompiledFunction(ArrayFn fn) : state_(std::make_unique<State>()) {
  state_->fn = std::move(fn);
}
CompiledFunction::~CompiledFunction() = default;

Arrays CompiledFunction::operator()(const Arrays& inputs) { return call(inputs, state_->fn); }

Arrays CompiledFunction::call(const Arrays& inputs, const ArrayFn& fn) {
  if (disabled().load(std::memory_order_relaxed)) return fn(inputs);
  std::shared_ptr<TracedGraph> g;
  {
    std::lock_guard lock(state_->mutex);
    for (auto it = state_->graphs.rbegin(); !g && it != state_->graphs.rend(); ++it) {
      if (same_signature(**it, inputs)) g = *it;
    }
  }
  if (!g) {
    g = trace(fn, inputs);  // outside the lock: the function may call anything, itself included
    std::lock_guard lock(state_->mutex);
    state_->graphs.push_back(g);
  }
  bool tracer = false;
  for (const array& a : inputs) tracer |= a.node()->tracer;
  if (tracer && active_tracings().load(std::memory_order_relaxed) > 0) {
    return inline_graph(*g, inputs);
  }
  Arrays computed;
  if (g->computed.size() > 0) {
    computed = make_nodes(compiled_op, make_params(CompiledParams{g}), inputs, g->specs);
  }
  return collect_outputs(*g, inputs, computed);
}

ArrayFn compile(ArrayFn fn, bool) {
  auto compiled = std::make_shared<CompiledFunction>(std::move(fn));
  return [compiled](const Arrays& inputs) { return (*compiled)(inputs); };
}

void disable_compile() { disabled().store(true); }
void enable_compile() { disabled().store(false); }

}  // namespace olivine
