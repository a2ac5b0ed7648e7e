// Plans of traced graphs: made once for how the inputs lie, within the graph's memory limit.
#include "transforms/planned.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "runtime/counted_bytes.h"
#include "transforms/footprint.h"
#include "transforms/recompute.h"
#include "transforms/schedule.h"

namespace olivine {
namespace {

size_t counted(const array& a) { return counted_bytes(a.nbytes()); }

class GraphPlanner {
 public:
  GraphPlanner(const PlannedGraph& planned, std::span<const Layout> leaves, int checked,
               bool atomic)
      : planned_(planned), g_(*planned.traced), checked_(checked), atomic_(atomic) {
    for (size_t i = 0; i < g_.placeholders.size(); ++i) {
      Node* n = g_.placeholders[i].node();
      inputs_.emplace(n, static_cast<int>(i));
      n->strides = leaves[i].strides;
    }
    for (const array& a : g_.computed) roots_.insert(a.node());
  }

  Plan plan() {
    PlanBuilder collected = builder();
    collected.collect(g_.computed, nullptr);
    composites_ = std::move(collected.composites);
    originals_ = scheduled(std::move(collected.entries));
    // What is checked overwrites nothing and is for finding errors; it takes what it takes.
    if (planned_.memory_limit == 0 || checked_) return finish(restore(originals_));
    RecomputeSearch search{[this](const std::vector<PlanEntry>& entries) {
                             PlanBuilder b = restore(entries);
                             b.draft = true;
                             build(b);
                             return b;
                           },
                           [this](const PlanBuilder& b) { return peak_of(planned_, b.plan); },
                           planned_.memory_limit};
    return finish(restore(entries_within(originals_, search)));
  }

 private:
  PlanBuilder builder() const {
    PlanBuilder b;
    b.placeholder_index = [this](Node* n) {
      auto it = inputs_.find(n);
      return it == inputs_.end() ? -1 : it->second;
    };
    b.is_held = [this](Node* n, uint32_t) { return roots_.count(n) > 0; };
    b.checked = checked_;
    b.keeps_regions = true;
    b.atomic = atomic_;
    return b;
  }

  // A builder of these entries instead of what collect() finds.
  PlanBuilder restore(const std::vector<PlanEntry>& entries) const {
    PlanBuilder b = builder();
    b.entries = entries;
    for (const PlanEntry& e : originals_) e.node->index = UINT32_MAX;
    for (size_t i = 0; i < entries.size(); ++i) {
      if (!entries[i].again) entries[i].node->index = static_cast<uint32_t>(i);
    }
    return b;
  }
  void build(PlanBuilder& b) const {
    b.build(g_.computed);
    for (int32_t i : b.leaf_entries) {
      Node* n = b.entries[i].node;
      LeafSource& source = b.plan.sources.emplace_back();
      if (n->placeholder) {
        source.input = inputs_.at(n);
      } else {
        source.constant = n->buffer;
      }
    }
  }
  Plan finish(PlanBuilder b) {
    build(b);
    b.plan.recomputed = count_recomputed(b.entries);
    b.plan.composites = std::move(composites_);
    return std::move(b.plan);
  }

  const PlannedGraph& planned_;
  const TracedGraph& g_;
  const int checked_;
  const bool atomic_;
  std::unordered_map<Node*, int> inputs_;
  std::unordered_set<Node*> roots_;
  std::vector<Arrays> composites_;
  std::vector<PlanEntry> originals_;
};

}  // namespace

std::vector<LeafMemory> leaf_memory(const PlannedGraph& planned, const Plan& plan) {
  std::vector<LeafMemory> leaves;
  for (const LeafSource& s : plan.sources) {
    LeafMemory& l = leaves.emplace_back();
    if (s.input < 0) {
      l.bytes = counted_bytes(s.constant->bytes);
    } else {
      l.bytes = counted(planned.traced->placeholders[s.input]);
      l.donated = !planned.donated.empty() && planned.donated[s.input];
    }
  }
  return leaves;
}

size_t input_bytes(const PlannedGraph& planned) {
  size_t bytes = 0;
  for (const array& a : planned.traced->placeholders) bytes += counted(a);
  return bytes;
}
size_t constant_bytes(const Plan& plan) {
  std::unordered_map<const Buffer*, size_t> buffers;
  for (const LeafSource& s : plan.sources) {
    if (s.constant) buffers.emplace(s.constant.get(), counted_bytes(s.constant->bytes));
  }
  size_t bytes = 0;
  for (auto& [buffer, size] : buffers) bytes += size;
  return bytes;
}

size_t peak_of(const PlannedGraph& planned, const Plan& plan) {
  const Footprint f = footprint_of(plan, leaf_memory(planned, plan));
  return input_bytes(planned) + constant_bytes(plan) +
         static_cast<size_t>(std::max<int64_t>(f.peak, 0));
}

std::shared_ptr<const Plan> plan_for(PlannedGraph& planned, std::span<const Layout> leaves,
                                     int checked, bool atomic) {
  for (const auto& p : planned.plans) {
    if (p.checked == checked && std::ranges::equal(p.leaves, leaves)) return p.plan;
  }
  auto plan = std::make_shared<const Plan>(GraphPlanner(planned, leaves, checked, atomic).plan());
  if (planned.plans.size() >= 16) planned.plans.erase(planned.plans.begin());
  planned.plans.push_back({checked, {leaves.begin(), leaves.end()}, plan});
  return plan;
}

}  // namespace olivine
