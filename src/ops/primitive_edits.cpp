// Graphs that programs edit, as MLX's may: array::inputs(), siblings() and primitive_ptr() give
// references, and what was written through them is put into the nodes before anything reads the
// graph. The few arrays that were asked have a record beside their node.
#include <mutex>
#include <unordered_map>
#include <unordered_set>

#include "core/error.h"
#include "ops/primitive_graph.h"
#include "runtime/process_locks.h"

namespace olivine {
namespace {

// What the program sees of a node, and may have written to since.
struct Edits {
  std::shared_ptr<Primitive> primitive;
  Arrays inputs, siblings;
  std::vector<std::uintptr_t> given_siblings;  // their ids when they were given
  bool pending = true;  // counted in nodes_with_edits: the node is not computed yet
};

// Under the lock of records; never destroyed. References into it stay until the node is gone.
std::unordered_map<const Node*, Edits>& records() {
  static auto* all = new std::unordered_map<const Node*, Edits>;
  return *all;
}

std::unique_lock<std::mutex> lock_graph() { return std::unique_lock(process_lock(Lock::graph)); }

std::vector<std::uintptr_t> ids_of(const Arrays& arrays) {
  std::vector<std::uintptr_t> ids;
  for (const array& a : arrays) ids.push_back(a.id());
  return ids;
}

// The node's own view of itself: what a record holds if nothing was written.
Edits read(const array& a) {
  Edits e;
  e.primitive = graph_primitive(a);
  e.inputs = graph_inputs(a);
  e.siblings = graph_siblings(a);
  e.given_siblings = ids_of(e.siblings);
  return e;
}

// The record of an array, made at its first use. One is current unless it was written to, so that
// a reference given before stays what it was.
Edits& edits_of(const array& a) {
  apply_edits();
  Node* n = a.node();
  {
    std::lock_guard lock(process_lock(Lock::records));
    if (n->has_edits) return records()[n];
  }
  Edits made = read(a);
  std::lock_guard lock(process_lock(Lock::records));
  if (!n->has_edits) nodes_with_edits.fetch_add(1, std::memory_order_relaxed);
  n->has_edits = true;
  return records().try_emplace(n, std::move(made)).first->second;
}

// Whether `to` is among what `from` is computed from. Under the graph lock.
bool depends_on(const Arrays& from, const Node* to) {
  std::vector<Node*> stack;
  std::unordered_set<const Node*> seen;
  for (const array& a : from) stack.push_back(a.node());
  while (!stack.empty()) {
    Node* n = stack.back();
    stack.pop_back();
    if (n == to) return true;
    if (!seen.insert(n).second) continue;
    for (Node* in : n->inputs) stack.push_back(in);
  }
  return false;
}

// The op, parameters and inputs that a node gets; those it had die with it, outside of locks.
struct Change {
  const Op* op;
  ParamsRef params;
  Arrays inputs;

  void put_into(Node* n, const char* by) {
    Node::Detached dying;
    auto lock = lock_graph();
    if (n->state.load(std::memory_order_relaxed) != NodeState::pending || !n->op) {
      fail<std::runtime_error>("[", by, "] expected an array that nothing is computing");
    }
    if (depends_on(inputs, n)) fail("[", by, "] expected arrays that do not depend on this one");
    bool tracer = n->tracer;
    for (const array& a : inputs) tracer |= a.node()->tracer.load(std::memory_order_relaxed);
    dying = n->detach();
    n->op = op;
    n->params = std::move(params);
    for (const array& a : inputs) {
      a.node()->retain();
      n->inputs.push_back(a.node());
    }
    n->tracer = tracer;
  }
};

// Gives the op of `a` what was written into its record.
void change_op(const array& a, const Edits& e, const char* by) {
  array maker_array = graph_maker(a);
  Node* maker = maker_array.node();
  std::vector<OutSpec> out;
  if (maker->tuple) {
    for (const TupleOutput& o : *maker->tuple) out.push_back(o.spec);
  } else {
    out.push_back({maker->shape, maker->dtype});
  }
  Change change{maker->op, maker->params, e.inputs};
  if (e.primitive != graph_primitive(a)) {
    if (!e.primitive || is_stand_in(*e.primitive)) {
      fail("[", by, "] expected a primitive of the program's own; got ",
           e.primitive ? e.primitive->name() : "none");
    }
    change.op = &primitive_record();
    change.params = primitive_params(e.primitive, e.inputs, out);
  }
  std::vector<OutSpec> made = change.op->infer(change.params, change.inputs);
  bool same = made.size() == out.size();
  for (size_t i = 0; same && i < out.size(); ++i) {
    same = made[i].shape == out[i].shape && made[i].dtype == out[i].dtype;
  }
  if (!same) {
    fail("[", by, "] expected what gives shape ", a.shape(), " and dtype ", a.dtype(), " again");
  }
  change.put_into(maker, by);
}

// Whether `all` are the outputs of one op already, each at its place.
bool are_outputs(const Arrays& all) {
  auto lock = lock_graph();
  for (size_t i = 0; i < all.size(); ++i) {
    const Node* n = all[i].node();
    if (n->op != &output_op || n->params.as<OutputParams>().index != static_cast<int>(i) ||
        n->inputs[0] != all[0].node()->inputs[0]) {
      return false;
    }
  }
  return all[0].node()->inputs[0]->tuple->size() == all.size();
}

void join_outputs(const array& a, const Arrays& siblings, size_t position, const char* by) {
  if (position > siblings.size()) {
    fail("[", by, "] expected a position among ", siblings.size() + 1, " outputs; got ", position);
  }
  Arrays all = siblings;
  all.insert(all.begin() + static_cast<std::ptrdiff_t>(position), a);
  if (all.size() == 1 || are_outputs(all)) return;
  const array& first = all[0];
  std::shared_ptr<Primitive> p = graph_primitive(first);
  Arrays inputs = graph_inputs(first);
  std::vector<OutSpec> out;
  for (const array& each : all) {
    if (!p || is_stand_in(*p) || graph_primitive(each) != p ||
        ids_of(graph_inputs(each)) != ids_of(inputs)) {
      fail("[", by, "] expected arrays that one primitive of the program's own computes from the ",
           "same inputs");
    }
    out.push_back({each.shape(), each.dtype()});
  }
  Arrays made =
      make_nodes(primitive_record(), primitive_params(p, inputs, out), inputs, out, p->stream());
  array tuple = share(made[0].node()->inputs[0]);
  for (size_t i = 0; i < all.size(); ++i) {
    Change change{&output_op, make_params(OutputParams{static_cast<int>(i)}), {tuple}};
    change.put_into(all[i].node(), by);
  }
}

// Puts what was written into the node; afterwards, or if it cannot be, the record is what it is.
void apply(const array& a, Edits& e) {
  if (!graph_primitive(a)) {  // computed: nothing of its graph is left
    if (e.pending) nodes_with_edits.fetch_sub(1, std::memory_order_relaxed);
    e = {};
    e.pending = false;
    return;
  }
  try {
    if (ids_of(e.siblings) != e.given_siblings) {
      join_outputs(a, e.siblings, static_cast<size_t>(graph_position(a)), "siblings");
    }
    if (ids_of(e.inputs) != ids_of(graph_inputs(a)) || e.primitive != graph_primitive(a)) {
      change_op(a, e, "inputs");
    }
  } catch (...) {
    e = read(a);
    throw;
  }
}

// Another reference to a node that may be dying.
MaybeArray revive(const Node* node) {
  auto* n = const_cast<Node*>(node);
  uint32_t refs = n->refs.load(std::memory_order_relaxed);
  while (refs != 0) {
    if (n->refs.compare_exchange_weak(refs, refs + 1, std::memory_order_acquire)) {
      return array(array::Adopt{}, n);
    }
  }
  return std::nullopt;
}

}  // namespace

void apply_all_edits() {
  thread_local constinit bool running = false;  // rules of the program's ops may read graphs
  if (running) return;
  std::vector<std::pair<array, Edits*>> all;
  {
    std::lock_guard lock(process_lock(Lock::records));
    for (auto& [node, edits] : records()) {
      if (!edits.pending) continue;
      if (MaybeArray a = revive(node)) all.emplace_back(std::move(*a), &edits);
    }
  }
  running = true;
  auto finally = std::unique_ptr<bool, void (*)(bool*)>(&running, [](bool* r) { *r = false; });
  for (auto& [a, edits] : all) apply(a, *edits);
}

void forget_edits(Node* n) {
  Edits dying;  // after the lock
  std::lock_guard lock(process_lock(Lock::records));
  auto it = records().find(n);
  if (it == records().end()) return;
  dying = std::move(it->second);
  records().erase(it);
  if (dying.pending) nodes_with_edits.fetch_sub(1, std::memory_order_relaxed);
}

std::shared_ptr<Primitive>& array::primitive_ptr() const { return edits_of(*this).primitive; }
std::vector<array>& array::inputs() { return edits_of(*this).inputs; }
std::vector<array>& array::siblings() { return edits_of(*this).siblings; }

void array::set_siblings(std::vector<array> siblings, uint16_t position) {
  apply_edits();
  join_outputs(*this, siblings, position, "set_siblings");
}

}  // namespace olivine
