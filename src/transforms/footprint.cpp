// Walks a plan's tasks as the runner does and adds up what it would allocate.
#include "transforms/footprint.h"

#include <algorithm>

#include "backends/workspace.h"
#include "runtime/counted_bytes.h"
#include "transforms/control.h"

namespace olivine {
namespace {

size_t bytes_of(const View& v) { return static_cast<size_t>(v.size()) * v.dtype.size(); }

class Walk {
 public:
  Walk(const Plan& plan, std::span<const LeafMemory> leaves, const std::vector<bool>& placed)
      : plan_(plan), leaves_(leaves), owned_(plan.slots.size(), -1) {
    for (size_t s = 0; s < placed.size(); ++s) {
      if (placed[s]) owned_[s] = 0;
    }
    for (const LeafMemory& l : leaves) given_up_.push_back(l.donated);
  }

  Footprint run() {
    const int64_t arena = plan_.arena_bytes ? int64_t(counted_bytes(plan_.arena_bytes)) : 0;
    live_ = arena;
    const int32_t count = static_cast<int32_t>(plan_.tasks.size());
    for (int32_t i = 0; i < count; ++i) {
      if (i == plan_.tail) {
        for (int32_t k = i; k < count; ++k) claim(plan_.tasks[k]);
      }
      step(plan_.tasks[i]);
      for (int32_t slot : plan_.tasks[i].releases) release(slot, i + 1);
    }
    found_.left = live_ - arena;
    return std::move(found_);
  }

 private:
  void step(const Task& t) {
    claim(t);
    int64_t most = live_;
    size_t workspace = 0;
    if (t.kind == Task::Kind::plan) {
      most += nested(t);
    } else if (t.kind == Task::Kind::loop) {
      workspace = static_cast<size_t>(loop(t));
    } else if (t.kind == Task::Kind::branch) {
      workspace = static_cast<size_t>(branches(t));
    } else if (t.kind == Task::Kind::kernel) {
      if (t.kernel->make) bring(t);
      workspace = workspace_of(t);
      most = live_;
    }
    most += static_cast<int64_t>(workspace);
    if (found_.peak_task < 0 || most > found_.peak) {
      found_.peak = most;
      found_.peak_task = static_cast<int32_t>(found_.held.size());
    }
    found_.held.push_back(most);
    found_.workspace.push_back(workspace);
  }

  static size_t workspace_of(const Task& t) {
    std::vector<View> in, out;
    for (const Operand& o : t.in) in.push_back(o.view);
    for (const Operand& o : t.out) out.push_back(o.view);
    return kernel_workspace(t.op, {in, out, t.params.raw()});
  }

  void claim(const Task& t) {
    for (const Operand& o : t.out) {
      const Slot& s = plan_.slots[o.slot];
      if (s.kind == Slot::Kind::output && owned_[o.slot] < 0) claim(o.slot, s);
    }
  }
  void claim(int32_t slot, const Slot& s) {
    if (s.donor >= 0) {
      const int32_t leaf = plan_.slots[s.donor].leaf;
      if (given_up_[leaf] && leaf_bytes(leaf) == counted_bytes(s.bytes)) {
        given_up_[leaf] = false;  // it lives on as the output
        owned_[slot] = 0;
        return;
      }
    }
    hold(slot, counted_bytes(s.bytes));
  }
  size_t leaf_bytes(int32_t leaf) const { return leaves_[leaf].bytes; }
  void hold(int32_t slot, size_t bytes) {
    owned_[slot] = static_cast<int64_t>(bytes);
    live_ += owned_[slot];
  }
  void bring(const Task& t) {
    for (const Operand& o : t.out) hold(o.slot, counted_bytes(bytes_of(o.view)));
  }

  void release(int32_t slot, int32_t done) {
    const Slot& s = plan_.slots[slot];
    const bool may_retry = plan_.tail != INT32_MAX && done <= plan_.tail;
    if (s.kind == Slot::Kind::bound && !s.kept) live_ -= std::max<int64_t>(owned_[slot], 0);
    if (s.kind != Slot::Kind::leaf || may_retry || !given_up_[s.leaf]) return;
    given_up_[s.leaf] = false;
    live_ -= static_cast<int64_t>(leaf_bytes(s.leaf));
  }

  // ---- Plans inside. Return what they take at most beyond what is there.
  bool dies_in(const Task& t, int32_t slot) const {
    const auto uses = std::ranges::count(t.in, slot, &Operand::slot);
    return uses == 1 && std::ranges::find(t.releases, slot) != t.releases.end();
  }
  int64_t nested(const Task& t) {
    std::vector<LeafMemory> leaves;
    for (const LeafSource& source : t.plan->sources) {
      LeafMemory& l = leaves.emplace_back();
      if (source.input < 0) continue;
      const Slot& s = plan_.slots[t.in[source.input].slot];
      if (s.kind != Slot::Kind::leaf) continue;
      l.bytes = leaf_bytes(s.leaf);
      l.donated = given_up_[s.leaf] && dies_in(t, t.in[source.input].slot);
      if (l.donated) given_up_[s.leaf] = false;
    }
    const Footprint inside = footprint_of(*t.plan, leaves);
    for (size_t k = 0; k < t.out.size(); ++k) {
      if (owned_[t.out[k].slot] < 0) owned_[t.out[k].slot] = 0;
      const Slot& s = t.plan->slots[t.plan->results[k].slot];
      owned_[t.out[k].slot] += static_cast<int64_t>(counted_bytes(s.bytes));
    }
    live_ += inside.left;
    return inside.peak;
  }

  int64_t branches(const Task& t) {
    int64_t most = 0;
    const auto& bodies = t.params.as<BranchParams>().branches;
    for (size_t b = 0; b < bodies.size(); ++b) {
      const Plan& plan = *t.branches[b];
      const std::vector<LeafMemory> leaves(plan.sources.size());
      most = std::max(most, footprint_of(plan, leaves, all_results(plan)).peak);
    }
    return most;
  }
  static std::vector<bool> all_results(const Plan& plan) {
    std::vector<bool> placed(plan.slots.size(), false);
    for (const PlanResult& r : plan.results) placed[r.slot] = true;
    return placed;
  }

  // A step of a loop that has its carries in memory of its own, as all have but the first.
  int64_t loop(const Task& t) {
    using Source = TracedGraph::Source;
    const auto& p = t.params.as<LoopParams>();
    const TracedGraph& g = *p.body->traced;
    if (const int64_t own = make_control_run(t)->placed_bytes(); own >= 0) {
      const int64_t index = p.counts ? int64_t(counted_bytes(sizeof(int64_t))) : 0;
      std::vector<bool> placed;
      for (const Slot& s : t.plan->slots) placed.push_back(s.kind == Slot::Kind::output);
      const std::vector<LeafMemory> others(t.plan->sources.size());
      return index + int64_t(counted_bytes(size_t(own))) +
             footprint_of(*t.plan, others, placed).peak;
    }
    const int32_t first = p.constants + p.counts + p.xs, ys = p.ys();
    std::vector<bool> handed_on(static_cast<size_t>(p.carry), false);
    for (const Source& s : g.sources) {
      if (s.kind == Source::Kind::input && s.index >= first) handed_on[s.index - first] = true;
    }
    int64_t carries = p.counts ? int64_t(counted_bytes(sizeof(int64_t))) : 0;
    std::vector<LeafMemory> inputs(g.placeholders.size());
    for (int32_t j = 0; j < p.carry; ++j) {
      if (handed_on[j] && g.sources[ys + j].kind == Source::Kind::input) continue;
      const size_t bytes = counted_bytes(bytes_of(t.in[p.constants + p.xs + j].view));
      inputs[first + j] = {bytes, !handed_on[j]};
      carries += static_cast<int64_t>(bytes);
    }
    std::vector<LeafMemory> leaves;
    for (const LeafSource& s : t.plan->sources) {
      leaves.push_back(s.input < 0 ? LeafMemory() : inputs[s.input]);
    }
    std::vector<bool> placed(t.plan->slots.size(), false);
    for (int32_t k = 0; k < ys; ++k) {
      if (g.sources[k].kind != Source::Kind::computed) continue;
      placed[t.plan->results[g.sources[k].index].slot] = true;
    }
    return carries + footprint_of(*t.plan, leaves, placed).peak;
  }

  const Plan& plan_;
  std::span<const LeafMemory> leaves_;
  std::vector<bool> given_up_;  // by leaf: donated, and neither freed nor overwritten yet
  std::vector<int64_t> owned_;  // by slot: what it counts, -1 until it is there
  int64_t live_ = 0;
  Footprint found_;
};

}  // namespace

Footprint footprint_of(const Plan& plan, std::span<const LeafMemory> leaves,
                       const std::vector<bool>& placed) {
  return Walk(plan, leaves, placed).run();
}

}  // namespace olivine
