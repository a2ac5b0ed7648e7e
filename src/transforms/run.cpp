// Running a plan: bind memory, call kernels in order, attach the user's line to errors.
#include <algorithm>

#include "backends/bound_program.h"
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

namespace {

// Elements of element-wise work, times ops, after which interrupts are asked for again.
constexpr int64_t kPollWork = 1 << 17;
// Times that a plan runs before it is worth binding programs to operands.
constexpr int64_t kRunsBeforeBinding = 2;

bool is_half(Dtype t) { return t == float16 || t == bfloat16; }

std::unique_ptr<PreparedProgram> program_of(const Task& t) {
  Program program;
  Instr instr{t.op, t.key, t.out[0].view.dtype, static_cast<uint8_t>(t.in.size()), {}};
  for (size_t k = 0; k < t.in.size(); ++k) {
    program.leaves.push_back(t.in[k].view.dtype);
    instr.src[k] = static_cast<uint16_t>(k);
  }
  program.code.push_back(instr);
  program.outputs.push_back(static_cast<uint16_t>(t.in.size()));
  return cpu_backend().prepare(program);
}

// About how much a task does, at least; kPollWork where that is not known.
int64_t work_of(const Task& t) {
  constexpr int64_t kTask = 256;
  const int64_t elements = t.out.empty() ? 0 : t.out[0].view.size();
  if (t.kind == Task::Kind::elementwise || t.kind == Task::Kind::copy) return kTask + elements;
  if (t.kind == Task::Kind::kernel && t.node && t.node->op && t.in.size() == 1 &&
      t.node->op->kind == OpKind::reduction) {
    return kTask + t.in[0].view.size();
  }
  if (t.kind != Task::Kind::fused || !t.region) return kPollWork;
  return kTask + elements * static_cast<int64_t>(t.region->steps.size());
}

}  // namespace

class Runner {
 public:
  // `again`: it will run many times, so that what is found out about tasks is kept.
  Runner(const Plan& plan, std::span<const LeafBinding> leaves, PlanRun& run, bool again)
      : plan_(plan),
        leaves_(leaves),
        run_(run),
        base_(plan.slots.size(), nullptr),
        again_(again),
        kept_(again ? plan.tasks.size() : 1) {
    run_.buffers.resize(plan.slots.size());
    run_.byte_offset.resize(plan.slots.size(), 0);
    for (size_t i = 0; i < plan.slots.size(); ++i) {
      const bool temp = plan.slots[i].kind == Slot::Kind::temp;
      (temp ? temps_ : moving_).push_back(static_cast<int32_t>(i));
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

  // A run whose slots lie where the caller says, in bases(); nothing is claimed or released.
  bool can_be_placed() const {
    return !plan_.checked && std::ranges::all_of(plan_.tasks, [](const Task& t) {
      const bool nested =
          t.kind == Task::Kind::plan || t.kind == Task::Kind::loop || t.kind == Task::Kind::branch;
      return !nested && !(t.kernel && t.kernel->make);
    });
  }
  char** bases() { return base_.data(); }
  void run_placed() {
    profile::Scope running(profile::Phase::running, false);
    if (!arena_ && plan_.arena_bytes) place_temps();
    count_run();
    size_t i = 0;
    try {
      for (; i < kept_.size(); ++i) {
        const Task& t = plan_.tasks[i];
        StepScope noted(t);
        begin_task(t, kept_[i]);
        bind(t.in, kept_[i].in);
        bind(t.out, kept_[i].out);
        call(t, kept_[i]);
      }
    } catch (...) {
      rethrow_with_location(plan_.tasks[i]);
    }
  }

  // Lets go of what the last run left in outputs.
  void drop_outputs() {
    for (int32_t i : moving_) {
      run_.buffers[i] = {};
      run_.byte_offset[i] = 0;
    }
  }
  // Lets go of all memory, until it runs again.
  void drop_memory() {
    drop_outputs();
    for (int32_t i : temps_) run_.buffers[i] = {};
    arena_ = {};
  }

 private:
  // What is known of a task.
  struct Kept {
    bool looked_at = false, empty = false;
    int64_t work = kPollWork;
    std::vector<View> in, out;
    std::unique_ptr<PreparedProgram> program;  // of a single op
    std::unique_ptr<BoundProgram> bound;
    std::unique_ptr<ControlRun> control;
    std::vector<LeafBinding> places_in, places_out;
  };

  static char* data(Buffer* b) { return static_cast<char*>(b->data); }

  void begin() {
    if (!arena_ && plan_.arena_bytes) place_temps();
    for (int32_t i : moving_) {
      const Slot& s = plan_.slots[i];
      base_[i] = nullptr;
      if (s.kind != Slot::Kind::leaf) continue;
      const LeafBinding& leaf = leaves_[s.leaf];
      base_[i] = leaf.buffer ? data(leaf.buffer) + leaf.byte_offset : nullptr;
    }
    run_.done = 0;
    if (again_) count_run();
  }
  void count_run() {
    if (runs_ < kRunsBeforeBinding && ++runs_ == kRunsBeforeBinding) bind_programs();
  }

  void place_temps() {
    MemoryScope temporaries(plan_);
    arena_ = allocate_arena(plan_.arena_bytes);
    for (int32_t i : temps_) {
      const size_t offset = plan_.slots[i].arena_offset;
      base_[i] = data(arena_.get()) + offset;
      run_.buffers[i] = arena_;
      run_.byte_offset[i] = static_cast<int64_t>(offset);
    }
  }

  void bind_programs() {
    for (size_t i = 0; i < kept_.size(); ++i) {
      const Task& t = plan_.tasks[i];
      Kept& k = kept_[i];
      const PreparedProgram* program = t.program.get();
      if (t.kind == Task::Kind::elementwise && !is_half(t.key)) {
        program = (k.program = program_of(t)).get();
      }
      if (const auto* p = dynamic_cast<const BindableProgram*>(program)) k.bound = p->bind();
    }
  }

  void guarded_step(int32_t i) {
    const Task& t = plan_.tasks[i];
    try {
      StepScope noted(t);
      step(t, kept_[again_ ? i : 0]);
    } catch (...) {
      rethrow_with_location(t);
    }
    run_.done = i + 1;
    for (int32_t slot : t.releases) release(slot);
  }

  void step(const Task& t, Kept& k) {
    begin_task(t, k);
    claim_outputs(t);
    if (t.kind == Task::Kind::plan) return run_nested(t);
    if (t.kind == Task::Kind::loop || t.kind == Task::Kind::branch) return run_control(t, k);
    bind(t.in, k.in);
    bind(t.out, k.out);
    if (t.kernel && t.kernel->make) {
      make(t, k);
    } else if (t.in_place) {
      Uninterruptible guard;
      call(t, k);
    } else {
      call(t, k);
    }
    if (plan_.checked) [[unlikely]]
      check(t, k);
  }

  void begin_task(const Task& t, Kept& k) {
    if (!again_ || !k.looked_at) look_at(t, k);
    if ((since_poll_ += k.work) >= kPollWork) {
      since_poll_ = 0;
      poll_interrupt();
    }
  }

  void look_at(const Task& t, Kept& k) {
    k.looked_at = true;
    k.in.resize(t.in.size());
    k.out.resize(t.out.size());
    for (size_t i = 0; i < t.in.size(); ++i) k.in[i] = t.in[i].view;
    for (size_t i = 0; i < t.out.size(); ++i) k.out[i] = t.out[i].view;
    k.empty = std::ranges::all_of(k.out, [](const View& v) { return v.size() == 0; });
    if (again_) k.work = work_of(t);
  }

  void check(const Task& t, Kept& k) {
    for (size_t i = 0; i < t.out.size(); ++i) k.out[i].data = base_[t.out[i].slot];
    check_finite(t, k.in, k.out, plan_.checked);
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

  void run_control(const Task& t, Kept& k) {
    if (!k.control) k.control = make_control_run(t);
    find_places(t.in, k.places_in);
    find_places(t.out, k.places_out);
    k.control->run(k.places_in, k.places_out);
    if (!again_) k.control.reset();
  }

  // Where operands begin, for those who run plans on them.
  void find_places(const std::vector<Operand>& operands, std::vector<LeafBinding>& places) {
    places.clear();
    for (const Operand& o : operands) {
      const Slot& s = plan_.slots[o.slot];
      Buffer* b = s.kind == Slot::Kind::leaf ? leaves_[s.leaf].buffer : run_.buffers[o.slot].get();
      places.push_back({b, b ? base_[o.slot] + o.byte_offset - data(b) : 0});
    }
  }

  void bind(const std::vector<Operand>& operands, std::vector<View>& views) {
    for (size_t i = 0; i < operands.size(); ++i) {
      views[i].data = base_[operands[i].slot] + operands[i].byte_offset;
    }
  }

  void call(const Task& t, const Kept& k) {
    if (k.empty) return;
    if (k.bound) return k.bound->run(k.in, k.out);
    switch (t.kind) {
      case Task::Kind::kernel:
        t.kernel->run({k.in, k.out, t.params.raw()});
        break;
      case Task::Kind::elementwise:
        cpu_backend().run_elementwise(t.op, t.key, k.in, k.out[0]);
        break;
      case Task::Kind::fused:
        t.program->run(k.in, k.out);
        break;
      case Task::Kind::copy:
        cpu_backend().copy(k.in[0], k.out[0]);
        break;
      case Task::Kind::plan:
      case Task::Kind::loop:
      case Task::Kind::branch:
        break;
    }
  }

  // A kernel that brings the memory of its outputs along; it may take that of inputs that die here.
  void make(const Task& t, const Kept& k) {
    std::vector<BufferRef> in, out(t.out.size());
    if (k.empty) {
      for (BufferRef& b : out) b = allocate(0);
    } else {
      for (size_t i = 0; i < t.in.size(); ++i) in.push_back(lend(t, t.in[i].slot));
      try {
        t.kernel->make({k.in, k.out, t.params.raw()}, in, out);
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
  std::vector<int32_t> temps_, moving_;  // slots of the arena, and others
  bool again_;
  int64_t runs_ = 0, since_poll_ = 0;
  std::vector<Kept> kept_;  // by task if it runs again
};

void run_plan(const Plan& plan, std::span<const LeafBinding> leaves, PlanRun& run) {
  Runner(plan, leaves, run, false).run();
}

RepeatedRun::RepeatedRun(const Plan& plan, std::span<const LeafBinding> leaves, PlanRun& run)
    : runner_(std::make_unique<Runner>(plan, leaves, run, true)) {}
RepeatedRun::~RepeatedRun() = default;
void RepeatedRun::drop_outputs() { runner_->drop_outputs(); }
void RepeatedRun::drop_memory() { runner_->drop_memory(); }
void RepeatedRun::operator()() { runner_->run(); }
bool RepeatedRun::can_be_placed() const { return runner_->can_be_placed(); }
char** RepeatedRun::bases() const { return runner_->bases(); }
void RepeatedRun::run_placed() { runner_->run_placed(); }

}  // namespace olivine
