// Plan: a graph made ready to run. Which tasks, in which order, reading and writing which memory.
//
// A slot is a piece of memory: a leaf (given at run time), a temp (at a fixed offset of the plan's
// one arena), an output (a buffer of its own, as it outlives the run) or bound (memory that a
// nested plan or a kernel brings along). A value is a layout over a slot; views are values that
// share one. The builder
//   1. collects what is pending below the roots, in topological order,
//   2. groups elementwise nodes into regions (group_regions in regions.cpp),
//   3. emits tasks in that order, resolving views to layouts (emit.cpp),
//   4. lets dying inputs be overwritten and lays temps out in the arena (memory.cpp).
// The same plan serves eval (run once) and compile (kept, run again on other leaves).
#pragma once

#include <functional>
#include <memory>
#include <stdexcept>
#include <unordered_map>
#include <vector>

#include "backends/backend.h"
#include "core/node.h"

namespace olivine {

struct Plan;

// No kernel and no composite. Thrown under the graph lock, where the place must not be described
// yet (a binding may have to wait for its interpreter).
struct NoKernelError : std::invalid_argument {
  NoKernelError(const std::string& what, uint32_t location)
      : std::invalid_argument(what), location(location) {}
  uint32_t location;
};

struct Operand {
  int32_t slot;
  int64_t byte_offset;
  View view;  // data is filled in at run time
};

// What a fused region is made of, for who looks into it (nonfinite.cpp, profile_steps.cpp).
struct RegionTrace {
  struct Step {
    int op;
    uint32_t location;
  };
  std::vector<Step> steps;  // of the program's instructions
  Program program;          // if the plan is checked
};

struct Task {
  enum class Kind : uint8_t { kernel, elementwise, fused, copy, plan, loop, branch };
  Kind kind;
  Dtype key = bool_;
  int op = -1;
  const Kernel* kernel = nullptr;
  ParamsRef params;
  std::shared_ptr<const PreparedProgram> program;
  std::shared_ptr<const Plan> plan;                   // of a compiled function or a loop's body
  std::vector<std::shared_ptr<const Plan>> branches;  // of a branch
  std::shared_ptr<const RegionTrace> region;          // of a fused task, if the plan keeps them
  std::vector<Operand> in, out;
  std::vector<int32_t> releases;  // leaf and bound slots last used here
  const Node* node = nullptr;     // what it computes; lives while the plan does
  uint32_t location = 0;
  bool in_place = false;       // overwrites an input, so it must not stop halfway
  bool feeds_control = false;  // a loop or branch needs what it computes
};

struct Slot {
  enum class Kind : uint8_t { leaf, temp, output, bound };
  Kind kind = Kind::temp;
  size_t bytes = 0;
  bool kept = false;  // bound: its memory outlives the run
  int32_t leaf = -1;
  int32_t donor = -1;  // output: leaf slot whose buffer it takes over if that is allowed
  size_t arena_offset = 0;
  int32_t first = -1, last = -1;  // tasks
};

struct PlanResult {
  int32_t slot;
  Layout layout;
  Dtype dtype;
};

// A leaf of a compiled function: an input, or a constant that was captured.
struct LeafSource {
  int32_t input = -1;
  BufferRef constant;
};

struct Plan {
  std::vector<Slot> slots;
  std::vector<Task> tasks;
  std::vector<PlanResult> results;  // of the roots, in order (compiled functions)
  std::vector<LeafSource> sources;  // of the leaves (compiled functions)
  // Compiled functions: from this task on inputs are overwritten, so the rest runs without
  // stopping.
  int32_t tail = INT32_MAX;
  size_t arena_bytes = 0;
  int32_t recomputed = 0;          // tasks that compute a value again (recompute.h)
  int checked = 0;                 // what tasks' results are looked at for (nonfinite.h)
  std::vector<Arrays> composites;  // keep the nodes of its tasks (compiled functions)
};

// One node of the graph being planned.
struct PlanEntry {
  enum class Kind : uint8_t {
    leaf,
    view,
    tuple_output,
    alias,
    elementwise,
    compiled,
    control,
    kernel
  };
  Node* node = nullptr;
  SmallVector<int32_t, 3> in;
  Kind kind = Kind::kernel;
  bool held = false;                // its value must outlive the plan
  SmallVector<int32_t, 3> regions;  // roots of the regions that compute it (itself: a root)
  int32_t region = -1;              // of a root: its place among the builder's regions
  bool stored = false;              // inside a region, but also read from outside
  bool again = false;               // computes what another entry of its node does (recompute.h)
  int32_t need = INT32_MAX;         // earliest position at which a user runs
  int32_t numbered_in = -1;         // root of the region whose program knows it as `number`
  uint16_t number = 0;
  // Where its value is once emitted (slot < 0: not yet).
  int32_t slot = -1;
  int32_t base = -1;  // entry that owns the memory
  Layout layout;
  int32_t def_task = -1, last_task = -1;
};

class PlanBuilder {
 public:
  // Which nodes are leaves beyond computed ones: position of a placeholder among the inputs, or -1.
  std::function<int(Node*)> placeholder_index;
  // Whether an entry must keep its value (given its number of uses inside the graph).
  std::function<bool(Node*, uint32_t uses)> is_held;
  // Whether a node keeps its inputs once it is evaluated, so that what it reads must stay. Null in
  // a compiled function, whatever other threads trace meanwhile.
  bool (*keeps_inputs)(const Node*) = nullptr;
  // What results are looked at for: no task then overwrites its inputs.
  int checked = 0;
  bool keeps_regions = false;  // says what fused tasks are made of
  // Of a plan with results: tasks that overwrite inputs come last, and do not stop halfway.
  bool atomic = true;
  bool draft = false;  // only its memory is of interest: programs are not made ready
  std::vector<PlanEntry> entries;
  std::vector<Arrays> composites;     // graphs that replaced ops without a kernel
  std::vector<int32_t> leaf_entries;  // by leaf number
  Plan plan;

  // Collects below `roots`. Returns false if it met a node that another evaluation is computing.
  bool collect(std::span<const array> roots, std::function<bool(Node*)> is_busy);
  // Plans what was collected. `results`: roots whose values the plan itself hands out, in memory
  // of their own and never that of a leaf.
  void build(std::span<const array> results = {});
  // Position of a root among the entries.
  int32_t position(Node* n) const { return static_cast<int32_t>(n->index); }
  // Resolves the value of an entry (emitting a copy if a view needs one).
  void resolve(int32_t i);
  // The slot that holds what was planned as slot `s` (outputs may share their input's).
  int32_t find_slot(int32_t s) const;
  // The values of a tuple entry that was emitted.
  std::vector<std::pair<int32_t, Layout>>& tuple_values(int32_t i) { return tuples_.at(i); }

 private:
  struct Region {
    std::vector<int32_t> members;
    int32_t leaves = 0;
  };
  std::vector<Region> regions_;
  std::unordered_map<int32_t, std::pair<int32_t, Layout>> contiguous_;  // copies made
  std::unordered_map<int32_t, std::vector<std::pair<int32_t, Layout>>> tuples_;
  std::vector<int32_t> slot_alias_;
  std::unordered_map<int32_t, std::vector<int32_t>> twins_;  // loops emitted with another

  PlanEntry& add_entry(Node* n, PlanEntry::Kind kind);
  PlanEntry::Kind classify(Node* n);
  void mark_held();
  void group_regions();
  std::vector<int32_t> chain_lengths() const;
  int32_t runs_at(int32_t i) const;
  bool fits(int32_t root, int32_t inputs) const;
  void join_regions(int32_t i, const SmallVector<int32_t, 4>& users, bool is_short);
  bool is_stored_by(int32_t i, int32_t root, const SmallVector<int32_t, 4>& users) const;
  bool is_inside(int32_t i, int32_t root) const;
  void emit_tasks();
  void emit_results(std::span<const array> results);
  void move_donors_last();
  int32_t donor_of(const Task& t, const Operand& out, int32_t index) const;
  void emit_kernel(int32_t i);
  void emit_region(int32_t root);
  void emit_single(int32_t root);
  void emit_compiled(int32_t i);
  void find_twins();
  void emit_control(int32_t i);
  void add_plans(Task& t, const std::vector<Layout>& layouts) const;
  void note_control();
  void resolve_one(int32_t i);
  int32_t new_slot(Slot::Kind kind, size_t bytes);
  int32_t copy_contiguous(int32_t entry, const Layout& layout, int32_t slot, Dtype dtype);
  void give_value(int32_t entry, int32_t slot, Layout layout);
  Operand operand(int32_t entry);
  Operand operand(int32_t entry, const Shape& broadcast_to);
  Operand output_operand(int32_t slot, const Shape& shape, Dtype dtype) const;
  void use(int32_t entry);
  Task new_task(Task::Kind kind, Node* n) const;
  void assign_memory();
  void measure_lifetimes();
  void donate(int32_t t);
  void layout_arena();
};

// ---- Running a plan.
struct LeafBinding {
  Buffer* buffer = nullptr;
  int64_t byte_offset = 0;     // where the leaf's layout begins
  BufferRef* owner = nullptr;  // emptied when the leaf dies early; null: the caller keeps it
  bool donatable = false;      // nobody else can see the buffer after its last use
};
struct PlanRun {
  // By slot: outputs, bound results, and the arena for temps. Outputs that are set before the run
  // are written there.
  std::vector<BufferRef> buffers;
  std::vector<int64_t> byte_offset;  // by slot: where in its buffer the slot begins
  int32_t done = 0;                  // tasks finished
};
// Runs all tasks. When one throws, `run` tells what was finished; leaves that were overwritten or
// emptied had no unfinished user.
void run_plan(const Plan& plan, std::span<const LeafBinding> leaves, PlanRun& run);

// A plan that runs many times on leaves that change. What can be found out once is.
class RepeatedRun {
 public:
  RepeatedRun(const Plan& plan, std::span<const LeafBinding> leaves, PlanRun& run);
  ~RepeatedRun();
  // Lets go of what the last time left in `run`; to be called before each time.
  void drop_outputs();
  void operator()();
  // Lets go of all memory. It may run again.
  void drop_memory();

  // Where the caller has memory for all leaves and outputs: it writes their addresses into bases(),
  // by slot, and nothing is allocated but temporaries. Not for every plan.
  bool can_be_placed() const;
  char** bases() const;
  void run_placed();

 private:
  std::unique_ptr<class Runner> runner_;
};

// Rethrows the current exception with the place where the user made the task's op.
[[noreturn]] void rethrow_with_location(const Task& t);
// The dtype that selects the kernel of a node's op.
Dtype kernel_key(const Node* n);

// ---- Compiled functions as ops: see compile.cpp.
extern const Op compiled_op;
std::shared_ptr<const Plan> compiled_plan(const ParamsRef& params, std::span<const Layout> leaves);

}  // namespace olivine
