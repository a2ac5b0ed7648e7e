// Collecting the graph to plan: what is pending below the roots, inputs before users.
#include "transforms/plan.h"

#include "core/error.h"
#include "core/location.h"
#include "transforms/control.h"

namespace olivine {
namespace {

uint32_t next_stamp() {  // under the graph lock
  static uint32_t stamp = 0;
  return ++stamp;
}

// Graphs of up to so many nodes are collected without growing a list.
constexpr size_t kLikelyEntries = 64;

[[noreturn]] void no_kernel(const Node* n, Dtype key) {
  throw NoKernelError(
      message("[", shown_name(*n->op, n->params), "] is not available for ", key, " on the cpu"),
      n->location);
}

}  // namespace

Dtype kernel_key(const Node* n) {
  switch (n->op->key) {
    case KernelKey::first_input:
      return n->inputs[0]->dtype;
    case KernelKey::last_input:
      return n->inputs.back()->dtype;
    case KernelKey::output:
      return n->dtype;
  }
  __builtin_unreachable();
}

namespace {
// Gives an output node its part of a tuple that an earlier evaluation computed.
void take_output(Node* n) {
  const TupleOutput& o = (*n->inputs[0]->tuple)[n->params.as<OutputParams>().index];
  n->strides = o.strides;
  n->offset = o.offset;
  n->buffer = o.buffer;
  n->state.store(NodeState::done, std::memory_order_release);
  n->detach();
}
}  // namespace

// Decides how an entry runs; an op without a kernel is replaced by its composite.
PlanEntry::Kind PlanBuilder::classify(Node* n) {
  using Kind = PlanEntry::Kind;
  const Op& op = *n->op;
  if (&op == &output_op) return Kind::tuple_output;
  if (&op == &compiled_op) return Kind::compiled;
  if (is_control(op)) return Kind::control;
  if (op.view) return Kind::view;
  Dtype key = kernel_key(n);
  if (op.kind == OpKind::elementwise && cpu_backend().fuses(op.id(), key)) return Kind::elementwise;
  if (cpu_backend().kernel(op.id(), key)) return Kind::kernel;
  if (!op.composite) no_kernel(n, key);
  Arrays in;
  for (Node* i : n->inputs) in.push_back(share(i));
  LocationScope of_the_op(n->location ? n->location : kNowhere);
  composites.push_back(op.composite(n->params, in));
  return Kind::alias;
}

PlanEntry& PlanBuilder::add_entry(Node* n, PlanEntry::Kind kind) {
  n->index = static_cast<uint32_t>(entries.size());
  PlanEntry& e = entries.emplace_back();
  e.node = n;
  e.kind = kind;
  return e;
}

bool PlanBuilder::collect(std::span<const array> roots, std::function<bool(Node*)> is_busy) {
  struct Frame {
    Node* node;
    uint32_t next;
    int32_t composite;  // index into composites, -1: the node's own inputs
    PlanEntry::Kind kind;
  };
  uint32_t stamp = next_stamp();
  std::vector<Frame> stack;
  stack.reserve(kLikelyEntries);
  entries.reserve(kLikelyEntries);
  bool busy = false;
  auto visit = [&](Node* n) {
    if (n->mark == stamp) return;
    n->mark = stamp;
    n->index = UINT32_MAX;
    if (!n->done() && n->op == &output_op && n->inputs[0]->done()) take_output(n);
    if (!n->placeholder && is_busy && is_busy(n)) busy = true;
    if (n->done() || n->placeholder) {
      if (n->placeholder && placeholder_index(n) < 0) {
        fail(
            "[eval] expected an array with a value; got one that a function being compiled or "
            "vmapped is tracing");
      }
      add_entry(n, PlanEntry::Kind::leaf);
      return;
    }
    int32_t before = static_cast<int32_t>(composites.size());
    PlanEntry::Kind kind = classify(n);
    stack.push_back({n, 0, kind == PlanEntry::Kind::alias ? before : -1, kind});
  };
  for (const array& root : roots) {
    visit(root.node());
    while (!stack.empty() && !busy) {
      Frame& f = stack.back();
      size_t count = f.composite >= 0 ? composites[f.composite].size() : f.node->inputs.size();
      if (f.next < count) {
        uint32_t k = f.next++;
        visit(f.composite >= 0 ? composites[f.composite][k].node() : f.node->inputs[k]);
        continue;
      }
      PlanEntry& e = add_entry(f.node, f.kind);
      for (size_t k = 0; k < count; ++k) {
        Node* in = f.composite >= 0 ? composites[f.composite][k].node() : f.node->inputs[k];
        e.in.push_back(static_cast<int32_t>(in->index));
      }
      stack.pop_back();
    }
    if (busy) return false;
  }
  return true;
}

// Held: the roots, what the user can still see, and the inputs of nodes that keep their graph.
void PlanBuilder::mark_held() {
  std::vector<uint32_t> uses(entries.size(), 0);
  for (const PlanEntry& e : entries) {
    if (e.kind == PlanEntry::Kind::alias) {
      for (Node* in : e.node->inputs) {
        if (in->mark == e.node->mark && in->index < entries.size()) ++uses[in->index];
      }
    }
    for (int32_t in : e.in) ++uses[in];
  }
  auto hold_inputs = [&](const PlanEntry& e) {
    for (int32_t in : e.in) entries[in].held = true;
    for (Node* in : e.node->inputs) {
      if (in->mark == e.node->mark && in->index < entries.size()) entries[in->index].held = true;
    }
  };
  for (size_t i = 0; i < entries.size(); ++i) {
    PlanEntry& e = entries[i];
    if (e.kind == PlanEntry::Kind::leaf) continue;
    if (is_held(e.node, uses[i])) {
      e.held = true;
      if (e.node->tuple && e.kind == PlanEntry::Kind::alias) hold_inputs(e);
    }
    if (keeps_inputs && keeps_inputs(e.node)) hold_inputs(e);
  }
}

void PlanBuilder::build(std::span<const array> results) {
  mark_held();
  group_regions();
  emit_tasks();
  emit_results(results);
  assign_memory();
  for (PlanResult& r : plan.results) r.slot = find_slot(r.slot);
}

}  // namespace olivine
