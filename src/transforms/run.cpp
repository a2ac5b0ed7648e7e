// Running a plan: bind memory, call kernels in order, attach the user's line to errors.
#include <algorithm>

#include "core/error.h"
#include "core/location.h"
#include "olivine/debug.h"
#include "runtime/interrupt.h"
#include "transforms/control.h"
#include "transforms/nonfinite.h"
#include "transforms/origin.h"
#include "transforms/profile_steps.h"

namespace olivine {

void rethrow_with_location(const Task& t) {
  std::string where = describe_location(t.location);
  std::string suffix = where.empty() ? "" : "\n  made at " + where;
  if (t.node) suffix += describe_origin(t.node);
  std::string shapes;
  for (const Operand& o : t.in) shapes += (shapes.empty() ? "" : ", ") + message(o.view.shape);
  const std::string name = t.op >= 0 ? op_name(t.op) : "eval";
  try {
    throw;
  } catch (const Interrupted&) {
    throw;
  } catch (const NonFiniteError&) {
    throw;  // it names the op, which may be one of many in a region
  } catch (const TypeError& e) {
    throw TypeError(e.what() + suffix);
  } catch (const OutOfMemory& e) {
    throw OutOfMemory("[" + name + "] with inputs of shape " + shapes + ": " + e.what() + suffix);
  } catch (const std::bad_alloc&) {
    throw OutOfMemory("[" + name + "] with inputs of shape " + shapes + ": out of memory" + suffix);
  } catch (const std::out_of_range& e) {
    throw std::out_of_range(e.what() + suffix);
  } catch (const std::invalid_argument& e) {
    throw std::invalid_argument(e.what() + suffix);
  } catch (const std::exception& e) {
    throw std::runtime_error(e.what() + suffix);
  }
}

class Runner {
 public:
  // `again`: it will run many times, so that what operands look like is kept for the next time.
  Runner(const Plan& plan, std::span<const LeafBinding> leaves, PlanRun& run, bool again)
      : plan_(plan),
        leaves_(leaves),
        run_(run),
        base_(plan.slots.size(), nullptr),
        again_(again),
        operands_(again ? plan.tasks.size() : 1) {
    run_.buffers.resize(plan.slots.size());
    run_.byte_offset.resize(plan.slots.size(), 0);
    if (plan.arena_bytes) {
      MemoryScope temporaries(plan);
      arena_ = allocate_arena(plan.arena_bytes);
    }
  }

  void run() {
    profile::Scope running(profile::Phase::running, !again_);
    begin();
    int32_t count = static_cast<int32_t>(plan_.tasks.size());
    int32_t tail = std::min(plan_.tail, count);
    for (int32_t i = 0; i < tail; ++i) guarded_step(i);
    if (tail == count) return;
    poll_interrupt();
    for (int32_t i = tail; i < count; ++i) {
      MemoryScope of_the_task(plan_.tasks[i]);
      claim_outputs(plan_.tasks[i]);
    }
    Uninterruptible guard;
    for (int32_t i = tail; i < count; ++i) guarded_step(i);
  }

 private:
  // The operands of a task as its kernel sees them.
  struct Operands {
    std::vector<View> in, out;
  };

  static char* data(Buffer* b) { return static_cast<char*>(b->data); }

  void begin() {
    for (size_t i = 0; i < plan_.slots.size(); ++i) {
      const Slot& s = plan_.slots[i];
      base_[i] = nullptr;
      if (s.kind == Slot::Kind::leaf) {
        const LeafBinding& leaf = leaves_[s.leaf];
        base_[i] = leaf.buffer ? data(leaf.buffer) + leaf.byte_offset : nullptr;
      }
      if (s.kind == Slot::Kind::temp) {
        base_[i] = arena_ ? data(arena_.get()) + s.arena_offset : nullptr;
        run_.buffers[i] = arena_;
        run_.byte_offset[i] = static_cast<int64_t>(s.arena_offset);
      }
    }
  }

  void guarded_step(int32_t i) {
    const Task& t = plan_.tasks[i];
    try {
      StepScope noted(t);
      step(t, operands_[again_ ? i : 0]);
    } catch (...) {
      rethrow_with_location(t);
    }
    run_.done = i + 1;
    for (int32_t slot : t.releases) release(slot);
  }

  void step(const Task& t, Operands& o) {
    poll_interrupt();
    claim_outputs(t);
    if (t.kind == Task::Kind::plan) return run_nested(t);
    if (t.kind == Task::Kind::loop) return run_loop(t, places(t.in), places(t.out));
    if (t.kind == Task::Kind::branch) return run_branch(t, places(t.in), places(t.out));
    bind(t.in, o.in);
    bind(t.out, o.out);
    if (t.kernel && t.kernel->make) {
      make(t, o);
    } else if (t.in_place) {
      Uninterruptible guard;
      call(t, o);
    } else {
      call(t, o);
    }
    if (plan_.checked) [[unlikely]]
      check(t, o);
  }

  void check(const Task& t, Operands& o) {
    for (size_t i = 0; i < t.out.size(); ++i) o.out[i].data = base_[t.out[i].slot];
    check_finite(t, o.in, o.out, plan_.checked);
  }

  void claim_outputs(const Task& t) {
    for (const Operand& o : t.out) {
      const Slot& s = plan_.slots[o.slot];
      if (s.kind == Slot::Kind::output && !base_[o.slot]) claim_output(o.slot);
    }
  }

  // Memory for an output: that of the leaf it may overwrite, else new.
  void claim_output(int32_t slot) {
    const Slot& s = plan_.slots[slot];
    if (s.donor >= 0 && !run_.buffers[slot]) {
      const LeafBinding& leaf = leaves_[plan_.slots[s.donor].leaf];
      if (leaf.donatable && leaf.buffer->bytes == s.bytes) {
        leaf.buffer->retain();
        run_.buffers[slot] = BufferRef::adopt(leaf.buffer);
      }
    }
    if (!run_.buffers[slot]) run_.buffers[slot] = allocate(s.bytes);
    base_[slot] = data(run_.buffers[slot].get()) + run_.byte_offset[slot];
  }

  // Where operands begin, for those who run plans on them.
  std::vector<LeafBinding> places(const std::vector<Operand>& operands) {
    std::vector<LeafBinding> found;
    for (const Operand& o : operands) {
      const Slot& s = plan_.slots[o.slot];
      Buffer* b = s.kind == Slot::Kind::leaf ? leaves_[s.leaf].buffer : run_.buffers[o.slot].get();
      found.push_back({b, b ? base_[o.slot] + o.byte_offset - data(b) : 0});
    }
    return found;
  }

  void bind(const std::vector<Operand>& operands, std::vector<View>& views) {
    bool known = again_ && views.size() == operands.size();
    views.resize(operands.size());
    for (size_t i = 0; i < operands.size(); ++i) {
      if (!known) views[i] = operands[i].view;
      views[i].data = base_[operands[i].slot] + operands[i].byte_offset;
    }
  }

  void call(const Task& t, const Operands& o) {
    bool empty = true;
    for (const View& v : o.out) empty &= v.size() == 0;
    if (empty) return;
    switch (t.kind) {
      case Task::Kind::kernel:
        t.kernel->run({o.in, o.out, t.params.raw()});
        break;
      case Task::Kind::elementwise:
        cpu_backend().run_elementwise(t.op, t.key, o.in, o.out[0]);
        break;
      case Task::Kind::fused:
        t.program->run(o.in, o.out);
        break;
      case Task::Kind::copy:
        cpu_backend().copy(o.in[0], o.out[0]);
        break;
      case Task::Kind::plan:
      case Task::Kind::loop:
      case Task::Kind::branch:
        break;
    }
  }

  // A kernel that brings the memory of its outputs along; it may take that of inputs that die here.
  void make(const Task& t, const Operands& o) {
    std::vector<BufferRef> in, out(t.out.size());
    bool empty = true;
    for (const View& v : o.out) empty &= v.size() == 0;
    if (empty) {
      for (BufferRef& b : out) b = allocate(0);
    } else {
      for (size_t i = 0; i < t.in.size(); ++i) in.push_back(lend(t, t.in[i].slot));
      try {
        t.kernel->make({o.in, o.out, t.params.raw()}, in, out);
      } catch (...) {
        for (size_t i = 0; i < in.size(); ++i) give_back(t.in[i].slot, std::move(in[i]));
        throw;
      }
    }
    for (size_t i = 0; i < out.size(); ++i) {
      int32_t slot = t.out[i].slot;
      base_[slot] = data(out[i].get());
      run_.buffers[slot] = std::move(out[i]);
    }
  }

  // The memory of an input: a reference that nobody shares if this is its last use.
  BufferRef lend(const Task& t, int32_t slot) {
    const Slot& s = plan_.slots[slot];
    int uses = 0;
    for (const Operand& o : t.in) uses += o.slot == slot;
    bool dies = std::find(t.releases.begin(), t.releases.end(), slot) != t.releases.end();
    bool last = uses == 1 && dies && plan_.tail == INT32_MAX;
    if (s.kind == Slot::Kind::leaf) {
      const LeafBinding& leaf = leaves_[s.leaf];
      if (last && leaf.donatable && leaf.owner && *leaf.owner) return std::move(*leaf.owner);
      return BufferRef(leaf.buffer);
    }
    if (s.kind == Slot::Kind::bound && last && !s.kept) return std::move(run_.buffers[slot]);
    return run_.buffers[slot];
  }
  void give_back(int32_t slot, BufferRef buffer) {
    const Slot& s = plan_.slots[slot];
    BufferRef* from = s.kind == Slot::Kind::leaf ? leaves_[s.leaf].owner : &run_.buffers[slot];
    if (from && !*from) *from = std::move(buffer);
  }

  // A compiled function: its leaves are our operands and its captured constants.
  void run_nested(const Task& t) {
    std::vector<LeafBinding> leaves(t.plan->sources.size());
    for (size_t i = 0; i < leaves.size(); ++i) {
      const LeafSource& source = t.plan->sources[i];
      leaves[i] =
          source.input < 0 ? LeafBinding{source.constant.get()} : operand_leaf(t, source.input);
    }
    PlanRun nested;
    run_plan(*t.plan, leaves, nested);
    for (size_t k = 0; k < t.out.size(); ++k) {
      int32_t slot = t.out[k].slot;
      run_.buffers[slot] = nested.buffers[t.plan->results[k].slot];
      base_[slot] = data(run_.buffers[slot].get());
    }
  }

  LeafBinding operand_leaf(const Task& t, int32_t i) {
    int32_t slot = t.in[i].slot;
    const Slot& s = plan_.slots[slot];
    char* begin = base_[slot] + t.in[i].byte_offset;
    if (s.kind != Slot::Kind::leaf) {
      Buffer* b = run_.buffers[slot].get();
      return {b, begin - data(b)};
    }
    LeafBinding leaf = leaves_[s.leaf];
    int uses = 0;
    for (const Operand& o : t.in) uses += o.slot == slot;
    bool dies = std::find(t.releases.begin(), t.releases.end(), slot) != t.releases.end();
    leaf.byte_offset = begin - data(leaf.buffer);
    leaf.donatable = leaf.donatable && dies && uses == 1 && leaf.byte_offset == 0;
    if (!leaf.donatable) leaf.owner = nullptr;
    return leaf;
  }

  // Drops what nobody reads any more, before the run ends.
  void release(int32_t slot) {
    const Slot& s = plan_.slots[slot];
    bool may_retry = plan_.tail != INT32_MAX && run_.done <= plan_.tail;
    if (s.kind == Slot::Kind::bound && !s.kept) run_.buffers[slot] = {};
    if (s.kind != Slot::Kind::leaf || may_retry) return;
    const LeafBinding& leaf = leaves_[s.leaf];
    if (leaf.donatable && leaf.owner) *leaf.owner = {};
  }

  const Plan& plan_;
  std::span<const LeafBinding> leaves_;
  PlanRun& run_;
  BufferRef arena_;
  std::vector<char*> base_;
  bool again_;
  std::vector<Operands> operands_;  // by task if it runs again
};

void run_plan(const Plan& plan, std::span<const LeafBinding> leaves, PlanRun& run) {
  Runner(plan, leaves, run, false).run();
}

RepeatedRun::RepeatedRun(const Plan& plan, std::span<const LeafBinding> leaves, PlanRun& run)
    : runner_(std::make_unique<Runner>(plan, leaves, run, true)) {}
RepeatedRun::~RepeatedRun() = default;
void RepeatedRun::operator()() { runner_->run(); }

}  // namespace olivine
