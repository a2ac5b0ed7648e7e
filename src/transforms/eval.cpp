// Evaluation: plan what is pending, run it, publish the results to the nodes.
//
// Planning and publishing hold the graph lock; running does not. The nodes of a plan are claimed by
// a ticket while it runs, so a second thread that needs one of them waits for the first. When a run
// fails, what it finished is published and the rest is pending again: nothing is lost.
#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <new>

#include "core/error.h"
#include "core/location.h"
#include "core/size.h"
#include "runtime/interrupt.h"
#include "runtime/process_locks.h"
#include "runtime/stream.h"
#include "transforms/graph.h"
#include "transforms/nonfinite.h"
#include "transforms/plan.h"
#include "transforms/profile_steps.h"

namespace olivine {
namespace {

// Evaluations under way, by ticket; guarded by the graph lock.
struct Tickets {
  std::vector<uint32_t> live;
  uint32_t next = 1;
  std::condition_variable changed;

  bool is_live(uint32_t t) const { return std::find(live.begin(), live.end(), t) != live.end(); }
};
alignas(Tickets) unsigned char ticket_storage[sizeof(Tickets)];

constinit Tickets* made_tickets = nullptr;  // under the graph lock

Tickets& tickets() {
  if (!made_tickets) made_tickets = new (ticket_storage) Tickets;
  return *made_tickets;
}

// Other threads' evaluations do not exist in the child of a fork.
[[maybe_unused]] const int fork_handlers = pthread_atfork(nullptr, nullptr, [] {
  if (!made_tickets) return;
  uint32_t next = made_tickets->next;
  (new (ticket_storage) Tickets)->next = next;
});

// Whether a node keeps its op and inputs when it is evaluated: those of a transformation do, and
// what a trace for any sizes made outside of its steps, since that is inferred anew for others.
bool keeps_inputs(const Node* n) {
  return keeps_graph(n) || (n->of_shapeless_trace && !n->in_step);
}

void end_ticket(uint32_t ticket) {
  {
    std::lock_guard lock(graph_lock());
    auto& live = tickets().live;
    live.erase(std::remove(live.begin(), live.end(), ticket), live.end());
  }
  tickets().changed.notify_all();
}

class Evaluation {
 public:
  explicit Evaluation(std::span<const array> roots) : roots_(roots) {}
  // Lets go of the roots as soon as they have their values.
  explicit Evaluation(Arrays& roots) : roots_(roots), owned_(&roots) {}

  void run() {
    try {
      if (!prepare()) return;
    } catch (const NoKernelError& e) {
      std::string where = describe_location(e.location);
      fail(e.what(), where.empty() ? "" : "\n  made at " + where);
    }
    if (builder_.plan.tasks.empty()) return publish(INT32_MAX);
    std::exception_ptr error;
    try {
      run_plan(builder_.plan, bind_leaves(), run_);
    } catch (...) {
      error = std::current_exception();
    }
    publish(error ? run_.done : INT32_MAX);
    if (error) std::rethrow_exception(error);
  }

 private:
  // Plans under the lock and claims the nodes. False: nothing is left to do.
  bool prepare() {
    profile::Scope planning(profile::Phase::planning);
    std::unique_lock lock(graph_lock());
    while (true) {
      builder_ = PlanBuilder();
      builder_.placeholder_index = [](Node*) { return -1; };
      builder_.keeps_inputs = keeps_inputs;
      builder_.checked = nonfinite_wanted();
      builder_.keeps_regions = builder_.checked || profile::is_running();
      builder_.is_held = [](Node* n, uint32_t uses) {
        return keeps_inputs(n) || n->refs.load(std::memory_order_acquire) > uses;
      };
      // Being computed, or just computed by who still refers to it.
      auto busy = [](Node* n) {
        return n->state.load(std::memory_order_relaxed) != NodeState::pending &&
               tickets().is_live(n->claim);
      };
      if (builder_.collect(roots_, busy)) break;
      profile::Scope waiting(profile::Phase::waiting);
      tickets().changed.wait_for(lock, std::chrono::milliseconds(20));
      lock.unlock();
      poll_interrupt();
      lock.lock();
    }
    bool pending = false;
    for (const PlanEntry& e : builder_.entries) pending |= e.kind != PlanEntry::Kind::leaf;
    if (!pending) return false;
    uses_.assign(builder_.entries.size(), 0);
    for (const PlanEntry& e : builder_.entries) {
      for (int32_t in : e.in) ++uses_[in];
    }
    builder_.build();
    ticket_ = tickets().next++;
    tickets().live.push_back(ticket_);
    for (PlanEntry& e : builder_.entries) {
      if (e.kind == PlanEntry::Kind::leaf) continue;
      e.node->claim = ticket_;
      e.node->state.store(NodeState::claimed, std::memory_order_relaxed);
    }
    return true;
  }

  std::vector<LeafBinding> bind_leaves() {
    std::vector<LeafBinding> leaves;
    for (int32_t i : builder_.leaf_entries) {
      const PlanEntry& e = builder_.entries[i];
      Node* n = e.node;
      LeafBinding b{n->buffer.get()};
      b.donatable = !e.held && n->refs.load(std::memory_order_acquire) == uses_[i] &&
                    n->buffer->unique() && !n->buffer->release_external;
      if (b.donatable) b.owner = &n->buffer;
      leaves.push_back(b);
    }
    // A view that outlives the run keeps the leaf it lies in.
    for (const PlanEntry& e : builder_.entries) {
      if (!e.held || e.kind == PlanEntry::Kind::leaf || e.node->tuple || e.slot < 0) continue;
      const Slot& s = builder_.plan.slots[builder_.find_slot(e.slot)];
      if (s.kind == Slot::Kind::leaf) leaves[s.leaf] = {leaves[s.leaf].buffer};
    }
    return leaves;
  }

  // Gives nodes what tasks before `done` computed, where anybody still needs it. Operands of what
  // failed keep their graph, so that the next try can tell as well how they came to be. The ticket
  // lives until graph, plan and roots are gone: who plans with the results finds that nobody else
  // refers to them, as to a cache that the next step overwrites.
  void publish(int32_t done) {
    profile::Scope publishing(profile::Phase::publishing);
    {
      std::vector<Node::Detached> dying;  // freed after the lock
      std::lock_guard lock(graph_lock());
      bool all = done == INT32_MAX;
      for (size_t i = 0; i < builder_.entries.size(); ++i) {
        PlanEntry& e = builder_.entries[i];
        if (e.kind == PlanEntry::Kind::leaf) continue;
        bool ready = e.node->tuple ? tuple_ready(e, done) : e.slot >= 0 && e.def_task < done;
        bool wanted = e.held || (!all && e.last_task >= done && e.base == int32_t(i));
        if (!ready || !wanted) continue;
        publish_one(static_cast<int32_t>(i));
        const bool explains = !all && !e.held;
        if (!explains && !keeps_inputs(e.node)) dying.push_back(e.node->detach());
      }
      for (PlanEntry& e : builder_.entries) {
        if (e.node->state.load(std::memory_order_relaxed) == NodeState::claimed) {
          e.node->state.store(NodeState::pending, std::memory_order_relaxed);
        }
      }
    }
    builder_ = PlanBuilder();
    run_ = PlanRun();
    if (owned_) owned_->clear();
    end_ticket(ticket_);
  }

  bool tuple_ready(const PlanEntry& e, int32_t done) const {
    return e.kind != PlanEntry::Kind::alias && e.def_task >= 0 && e.def_task < done;
  }

  void publish_one(int32_t i) {
    PlanEntry& e = builder_.entries[i];
    if (e.node->tuple) {
      auto& outputs = builder_.tuple_values(i);
      for (size_t k = 0; k < outputs.size(); ++k) {
        TupleOutput& o = (*e.node->tuple)[k];
        place(outputs[k].first, outputs[k].second, o.spec.dtype, o.buffer, o.strides, o.offset);
      }
    } else {
      place(e.slot, e.layout, e.node->dtype, e.node->buffer, e.node->strides, e.node->offset);
    }
    e.node->state.store(NodeState::done, std::memory_order_release);
  }

  void place(int32_t planned, const Layout& layout, Dtype dtype, BufferRef& buffer,
             Strides& strides, int64_t& offset) {
    int32_t slot = builder_.find_slot(planned);
    const Slot& s = builder_.plan.slots[slot];
    buffer = s.kind == Slot::Kind::leaf
                 ? builder_.entries[builder_.leaf_entries[s.leaf]].node->buffer
                 : run_.buffers[slot];
    strides = layout.strides;
    offset = layout.offset;
    if (s.kind == Slot::Kind::temp) offset += run_.byte_offset[slot] / int64_t(dtype.size());
  }

  std::span<const array> roots_;
  Arrays* owned_ = nullptr;
  PlanBuilder builder_;
  PlanRun run_;
  std::vector<uint32_t> uses_;
  uint32_t ticket_ = 0;
};

// One small elementwise node on computed inputs: runs at once under the lock, without a plan.
// False: not such a case, or (`wait` false) the lock is taken.
bool eval_small(Node* n, bool wait) {
  constexpr int64_t kMaxElements = 1024;
  Node::Detached dying;  // freed after the lock
  std::unique_lock lock(graph_lock(), std::defer_lock);
  if (wait) {
    lock.lock();
  } else if (!lock.try_lock()) {
    return false;
  }
  if (n->state.load(std::memory_order_relaxed) != NodeState::pending || !n->op ||
      n->op->kind != OpKind::elementwise || n->inputs.size() > 3) {
    return false;
  }
  int64_t size = n->size();
  Dtype key = n->inputs.back()->dtype;
  if (size == 0 || size > kMaxElements || !cpu_backend().fuses(n->op->id(), key)) return false;
  View in[3];
  for (size_t k = 0; k < n->inputs.size(); ++k) {
    Node* i = n->inputs[k];
    if (!i->done()) return false;
    in[k] = {i->data(), i->dtype, n->shape, broadcast_strides(i->shape, i->strides, n->shape)};
  }
  StepScope noted(n, key);
  BufferRef buffer = allocate(static_cast<size_t>(size) * n->dtype.size());
  View out{buffer->data, n->dtype, n->shape, row_major(n->shape)};
  cpu_backend().run_elementwise(n->op->id(), key, {in, n->inputs.size()}, out);
  n->buffer = std::move(buffer);
  n->strides = std::move(out.strides);
  n->offset = 0;
  n->state.store(NodeState::done, std::memory_order_release);
  if (!keeps_inputs(n)) dying = n->detach();
  return true;
}

// The operands of a node's kernel, if all are computed and as the kernel wants them.
bool bind_operands(const Node* n, const Kernel& kernel, std::vector<View>& in) {
  for (size_t k = 0; k < n->inputs.size(); ++k) {
    const Node* i = n->inputs[k];
    bool contiguous = (kernel.contiguous >> std::min<size_t>(k, 31)) & 1;
    if (!i->done() || i->tuple || (contiguous && !is_row_contiguous(i->shape, i->strides))) {
      return false;
    }
    in.push_back({i->data(), i->dtype, i->shape, i->strides});
  }
  return true;
}

// One op with a kernel on computed inputs, none of which could be overwritten: runs without a plan.
// False: not such a case.
bool eval_single(Node* n) {
  const Kernel* kernel;
  std::vector<View> in;
  uint32_t ticket;
  {
    std::lock_guard lock(graph_lock());
    if (n->state.load(std::memory_order_relaxed) != NodeState::pending || !n->op || n->tuple ||
        n->op->view || n->op->kind == OpKind::elementwise || n->op == &output_op ||
        n->op == &compiled_op || n->inputs.empty()) {
      return false;
    }
    kernel = cpu_backend().kernel(n->op->id(), kernel_key(n));
    if (!kernel || kernel->make || kernel->donates || !bind_operands(n, *kernel, in)) return false;
    ticket = tickets().next++;
    tickets().live.push_back(ticket);
    n->claim = ticket;
    n->state.store(NodeState::claimed, std::memory_order_relaxed);
  }
  BufferRef buffer;
  Strides strides = row_major(n->shape);
  std::exception_ptr error;
  try {
    StepScope noted(n, kernel_key(n));
    poll_interrupt();
    int64_t size = element_count(n->shape);
    buffer = allocate(static_cast<size_t>(checked_mul(size, int64_t(n->dtype.size()), "eval")));
    View out{buffer->data, n->dtype, n->shape, strides};
    if (size > 0) kernel->run({in, {&out, 1}, n->params.raw()});
  } catch (...) {
    error = std::current_exception();
  }
  {
    Node::Detached dying;  // freed after the lock, and before the ticket ends as in publish()
    std::lock_guard lock(graph_lock());
    if (!error) {
      n->buffer = std::move(buffer);
      n->strides = std::move(strides);
      n->offset = 0;
      if (!keeps_inputs(n)) dying = n->detach();
    }
    n->state.store(error ? NodeState::pending : NodeState::done, std::memory_order_release);
  }
  end_ticket(ticket);
  if (!error) return true;
  Task t{Task::Kind::kernel};
  t.op = n->op->id();
  t.location = n->location;
  t.node = n;
  for (View& v : in) t.in.push_back({0, 0, std::move(v)});
  try {
    std::rethrow_exception(error);
  } catch (...) {
    rethrow_with_location(t);
  }
}

// False: it takes a plan.
bool eval_simple(std::span<const array> arrays) {
  bool all_done = true;
  for (const array& a : arrays) all_done &= a.node()->done();
  if (all_done) return true;
  if (arrays.size() != 1 || debugs_nonfinite()) return false;
  return eval_small(arrays[0].node(), true) || eval_single(arrays[0].node());
}

}  // namespace

bool try_eval_small(const array& a) {
  return a.node()->done() || (!debugs_nonfinite() && eval_small(a.node(), false));
}

void eval(std::span<const array> arrays) {
  apply_edits();
  if (!eval_simple(arrays)) Evaluation(arrays).run();
}

void async_eval(std::span<const array> arrays) {
  apply_edits();
  Arrays pending;
  for (const array& a : arrays) {
    if (!a.node()->done()) pending.push_back(a);
  }
  if (pending.empty()) return;
  int stream = pending[0].node()->stream;
  enqueue(stream, [pending = std::move(pending)]() mutable {
    try {
      if (!eval_simple(pending)) Evaluation(pending).run();
    } catch (...) {
      // Whoever reads the value evaluates it again and gets the error.
    }
  });
}

}  // namespace olivine
