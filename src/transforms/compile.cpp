// Compiled functions: traced once per shapes and dtypes, simplified, planned once per layouts.
//
// A call makes one lazy tuple node, `compiled`, which the evaluator runs from its plan; since the
// call itself computes nothing, inputs that the caller drops afterwards can be overwritten. Under
// another transformation the traced graph is inlined on the call's inputs instead.
#include "olivine/compile.h"

#include <cstdlib>
#include <cstring>
#include <unordered_map>
#include <unordered_set>

#include "core/error.h"
#include "runtime/process_locks.h"
#include "transforms/nonfinite.h"
#include "transforms/planned.h"

namespace olivine {
namespace {

enum class Compiling { unknown, on, off };
constinit std::atomic<Compiling> compiling{Compiling::unknown};

bool disabled() {
  Compiling c = compiling.load(std::memory_order_relaxed);
  if (c == Compiling::unknown) {
    const char* v = std::getenv("OLIVINE_DISABLE_COMPILE");
    Compiling said = v && *v && std::strcmp(v, "0") != 0 ? Compiling::off : Compiling::on;
    if (compiling.compare_exchange_strong(c, said)) c = said;
  }
  return c == Compiling::off;
}

struct CompiledParams {
  std::shared_ptr<PlannedGraph> graph;
  auto fields() const { return std::tie(graph); }
};

}  // namespace

const Op compiled_op{.name = "compiled", .opaque = true};

std::shared_ptr<const Plan> compiled_plan(const ParamsRef& params, std::span<const Layout> leaves) {
  PlannedGraph& planned = *params.as<CompiledParams>().graph;
  return plan_for(planned, leaves, planned.traced->checked, true);
}

std::shared_ptr<const Plan> plan_for(PlannedGraph& planned, std::span<const Layout> leaves,
                                     int checked, bool atomic) {
  const TracedGraph& g = *planned.traced;
  for (const auto& p : planned.plans) {
    if (p.checked == checked && std::ranges::equal(p.leaves, leaves)) return p.plan;
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
  builder.checked = checked;
  builder.atomic = atomic;
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
  builder.plan.composites = std::move(builder.composites);
  auto plan = std::make_shared<const Plan>(std::move(builder.plan));
  if (planned.plans.size() >= 16) planned.plans.erase(planned.plans.begin());
  planned.plans.push_back({checked, {leaves.begin(), leaves.end()}, plan});
  return plan;
}

struct CompiledFunction::State {
  ArrayFn fn;
  bool shapeless;
  std::vector<std::shared_ptr<PlannedGraph>> graphs;  // most recent last; under the traces' lock

  std::shared_ptr<PlannedGraph> find(const Arrays& inputs);
  std::shared_ptr<PlannedGraph> keep(PlannedGraph g);
};

CompiledFunction::CompiledFunction(ArrayFn fn, bool shapeless) : state_(std::make_unique<State>()) {
  state_->fn = std::move(fn);
  state_->shapeless = shapeless;
}
CompiledFunction::~CompiledFunction() = default;

Arrays CompiledFunction::operator()(const Arrays& inputs) { return call(inputs, state_->fn); }

namespace {

// Sizes of which ops and rules may make a difference, 0 and 1, are so in both.
bool alike(const TracedGraph& g, const Arrays& inputs) {
  auto kind = [](int64_t d) { return std::min<int64_t>(d, 2); };
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!std::ranges::equal(g.placeholders[i].shape(), inputs[i].shape(), {}, kind, kind)) {
      return false;
    }
  }
  return true;
}

}  // namespace

// The graph of these inputs: one that was traced for them, or one for other sizes that can be had
// for these; else null.
std::shared_ptr<PlannedGraph> CompiledFunction::State::find(const Arrays& inputs) {
  std::vector<std::shared_ptr<PlannedGraph>> others;
  const int checked = nonfinite_wanted();
  {
    std::lock_guard lock(process_lock(Lock::traces));
    for (auto it = graphs.rbegin(); it != graphs.rend(); ++it) {
      const TracedGraph& g = *(*it)->traced;
      if (g.checked == checked && same_signature(g, inputs, false)) return *it;
    }
    if (shapeless) others = graphs;
  }
  for (auto it = others.rbegin(); it != others.rend(); ++it) {
    const TracedGraph& g = *(*it)->traced;
    if (g.checked != checked || !g.fixed_by.empty() || !same_signature(g, inputs, true) ||
        !alike(g, inputs))
      continue;
    try {
      return keep({resized(g, inputs), {}});
    } catch (const std::invalid_argument&) {
      // The function itself may know better, or has the better error.
    }
  }
  return nullptr;
}

std::shared_ptr<PlannedGraph> CompiledFunction::State::keep(PlannedGraph g) {
  auto planned = std::make_shared<PlannedGraph>(std::move(g));
  std::lock_guard lock(process_lock(Lock::traces));
  return graphs.emplace_back(std::move(planned));
}

bool CompiledFunction::has_trace(const Arrays& inputs) { return state_->find(inputs) != nullptr; }

Arrays CompiledFunction::call(const Arrays& inputs, const ArrayFn& fn) {
  // A trace for any sizes has to see all of the function.
  if (disabled() || ShapelessTrace::running()) return fn(inputs);
  std::shared_ptr<PlannedGraph> planned = state_->find(inputs);
  if (!planned) planned = state_->keep({trace(fn, inputs, state_->shapeless), {}});
  const TracedGraph& g = *planned->traced;
  bool tracer = false;
  for (const array& a : inputs) tracer |= a.node()->tracer;
  if (tracer && active_tracings().load(std::memory_order_relaxed) > 0) {
    return inline_graph(g, inputs);
  }
  Arrays computed;
  if (g.computed.size() > 0) {
    computed = make_nodes(compiled_op, make_params(CompiledParams{planned}), inputs, g.specs);
  }
  return collect_outputs(g, inputs, computed);
}

ArrayFn compile(ArrayFn fn, bool shapeless) {
  auto compiled = std::make_shared<CompiledFunction>(std::move(fn), shapeless);
  return [compiled](const Arrays& inputs) { return (*compiled)(inputs); };
}

void disable_compile() { compiling.store(Compiling::off); }
void enable_compile() { compiling.store(Compiling::on); }

}  // namespace olivine
