// Compiled functions: traced once per shapes and dtypes, simplified, planned once per layouts.
//
// A call makes one lazy tuple node, `compiled`, which the evaluator runs from its plan; since the
// call itself computes nothing, inputs that the caller drops afterwards can be overwritten. Under
// another transformation the traced graph is inlined on the call's inputs instead.
#include "olivine/compile.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <unordered_map>

#include "core/error.h"
#include "runtime/process_locks.h"
#include "runtime/profile.h"
#include "transforms/memory_report.h"
#include "transforms/nonfinite.h"

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

struct __attribute__((visibility("hidden"))) CompiledFunction::State {
  ArrayFn fn;
  bool shapeless;
  MemoryBudget budget;
  // Under the traces' lock: most recent last, by signature_hash, and the one of the last call.
  std::vector<std::shared_ptr<PlannedGraph>> graphs;
  std::unordered_multimap<size_t, std::shared_ptr<PlannedGraph>> by_signature;
  std::shared_ptr<PlannedGraph> latest;

  bool switch_to(const Arrays& inputs, int checked);
  std::shared_ptr<PlannedGraph> find(const Arrays& inputs);
  std::shared_ptr<PlannedGraph> find_or_trace(const Arrays& inputs, const ArrayFn& fn);
  std::shared_ptr<PlannedGraph> keep(std::shared_ptr<TracedGraph> traced, const Arrays& inputs);
};

CompiledFunction::CompiledFunction(ArrayFn fn, bool shapeless)
    : CompiledFunction(std::move(fn), shapeless, MemoryBudget()) {}
CompiledFunction::CompiledFunction(ArrayFn fn, bool shapeless, MemoryBudget budget)
    : state_(std::make_unique<State>()) {
  state_->fn = std::move(fn);
  state_->shapeless = shapeless;
  state_->budget = std::move(budget);
}
CompiledFunction::~CompiledFunction() = default;

Arrays CompiledFunction::operator()(const Arrays& inputs) { return call(inputs, state_->fn); }

// The plan for inputs that lie as these do; those without a value lie in row-major order.
static std::shared_ptr<const Plan> plan_as_given(PlannedGraph& planned, const Arrays& inputs) {
  std::lock_guard lock(graph_lock());
  std::vector<Layout> layouts;
  for (const array& a : inputs) {
    const Node* n = a.node();
    bool known = n->done() && n->strides.size() == n->shape.size();
    layouts.push_back({n->shape, known ? n->strides : row_major(n->shape), 0});
  }
  try {
    return plan_for(planned, layouts, 0, true);
  } catch (const NoKernelError& e) {
    fail(e.what());
  }
}

static bool traced_for(const TracedGraph& g, const Arrays& inputs, int checked) {
  return g.checked == checked && same_signature(g, inputs, false);
}

// Makes a graph that was traced for these inputs the latest; false if there is none.
bool CompiledFunction::State::switch_to(const Arrays& inputs, int checked) {
  auto [begin, end] = by_signature.equal_range(signature_hash(inputs));
  auto it = std::find_if(begin, end, [&](const auto& entry) {
    return traced_for(*entry.second->traced, inputs, checked);
  });
  if (it != end) latest = it->second;
  return it != end;
}

// The graph of these inputs: one that was traced for them, or one for other sizes that can be had
// for these; else null.
std::shared_ptr<PlannedGraph> CompiledFunction::State::find(const Arrays& inputs) {
  std::vector<std::shared_ptr<PlannedGraph>> others;
  const int checked = nonfinite_wanted();
  {
    std::lock_guard lock(process_lock(Lock::traces));
    if (latest && traced_for(*latest->traced, inputs, checked)) return latest;
    if (switch_to(inputs, checked)) return latest;
    if (shapeless) others = graphs;
  }
  for (auto it = others.rbegin(); it != others.rend(); ++it) {
    const TracedGraph& g = *(*it)->traced;
    if (g.checked != checked || !g.fixed_by.empty() || !same_signature(g, inputs, true)) continue;
    if (!g.recording && !alike(g, inputs)) continue;
    try {
      return keep(resized(g, inputs), inputs);
    } catch (const std::logic_error&) {
      // The function itself may know better, or has the better error.
    }
  }
  return nullptr;
}

std::shared_ptr<PlannedGraph> CompiledFunction::State::keep(std::shared_ptr<TracedGraph> traced,
                                                            const Arrays& inputs) {
  auto planned = std::make_shared<PlannedGraph>();
  planned->memory_limit = budget.limit;
  if (!budget.donated.empty()) planned->donated.resize(traced->placeholders.size(), false);
  for (int i : budget.donated) {
    if (i < 0 || static_cast<size_t>(i) >= planned->donated.size()) {
      fail("[compile] expected donated inputs among the ", planned->donated.size(), "; got ", i);
    }
    planned->donated[i] = true;
  }
  planned->traced = std::move(traced);
  // A limit that cannot be kept is an error of the call, not of a later evaluation.
  if (planned->memory_limit > 0) plan_as_given(*planned, inputs);
  std::lock_guard lock(process_lock(Lock::traces));
  graphs.push_back(planned);
  by_signature.emplace(signature_hash(inputs), planned);
  return latest = planned;
}

std::shared_ptr<PlannedGraph> CompiledFunction::State::find_or_trace(const Arrays& inputs,
                                                                     const ArrayFn& fn) {
  std::shared_ptr<PlannedGraph> planned = find(inputs);
  if (planned) return planned;
  profile::Scope tracing(profile::Phase::tracing);
  return keep(trace(fn, inputs, shapeless ? Sizes::recorded : Sizes::given), inputs);
}

bool CompiledFunction::has_trace(const Arrays& inputs) { return state_->find(inputs) != nullptr; }

Arrays CompiledFunction::call(const Arrays& inputs, const ArrayFn& fn) {
  // A trace for any sizes has to see all of the function.
  if (disabled() || ShapelessTrace::running()) return fn(inputs);
  std::shared_ptr<PlannedGraph> planned = state_->find_or_trace(inputs, fn);
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

MemoryPlan CompiledFunction::memory(const Arrays& inputs) { return memory(inputs, state_->fn); }

MemoryPlan CompiledFunction::memory(const Arrays& inputs, const ArrayFn& fn) {
  std::shared_ptr<PlannedGraph> planned = state_->find_or_trace(inputs, fn);
  std::shared_ptr<const Plan> plan = plan_as_given(*planned, inputs);
  return describe_memory(*planned, *plan);
}

namespace {
// What compile() returns, so that memory_plan() finds the function inside.
struct CompiledCall {
  std::shared_ptr<CompiledFunction> compiled;
  Arrays operator()(const Arrays& inputs) const { return (*compiled)(inputs); }
};
}  // namespace

ArrayFn compile(ArrayFn fn, bool shapeless) { return compile(std::move(fn), shapeless, {}); }
ArrayFn compile(ArrayFn fn, bool shapeless, MemoryBudget budget) {
  return CompiledCall{
      std::make_shared<CompiledFunction>(std::move(fn), shapeless, std::move(budget))};
}

MemoryPlan memory_plan(const ArrayFn& fn, const Arrays& inputs) {
  if (const auto* call = fn.target<CompiledCall>()) return call->compiled->memory(inputs);
  return CompiledFunction(fn).memory(inputs);
}

void disable_compile() { compiling.store(Compiling::off); }
void enable_compile() { compiling.store(Compiling::on); }

}  // namespace olivine
