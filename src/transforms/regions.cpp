// Grouping elementwise nodes into regions that run as one fused program.
//
// A region runs at the position of its root. Walking from users to inputs, a node joins the region
// of its earliest user if it has the region's shape and every other user runs later: the region then
// stores it in passing, so that a value with several users (an optimizer's moments, an activation
// kept for the backward pass) is still computed in one sweep over memory.
#include "transforms/plan.h"

namespace olivine {
namespace {

// Bounds that keep a program's tiles in cache and its operands addressable.
constexpr size_t kMaxMembers = 48;
constexpr int32_t kMaxLeaves = 24;

}  // namespace

void PlanBuilder::group_regions() {
  std::vector<SmallVector<int32_t, 4>> users(entries.size());
  bool any = false;
  for (size_t i = 0; i < entries.size(); ++i) {
    any |= entries[i].kind == PlanEntry::Kind::elementwise;
    for (int32_t in : entries[i].in) users[in].push_back(static_cast<int32_t>(i));
  }
  if (!any) return;
  for (int32_t i = static_cast<int32_t>(entries.size()) - 1; i >= 0; --i) {
    PlanEntry& e = entries[i];
    if (e.kind == PlanEntry::Kind::elementwise) join_region(i, users);
    // The position at which this node's value is first read through it.
    int32_t at = e.kind == PlanEntry::Kind::elementwise ? e.region
                 : e.kind == PlanEntry::Kind::kernel || e.kind == PlanEntry::Kind::compiled
                     ? i
                     : e.need;
    for (int32_t in : e.in) entries[in].need = std::min(entries[in].need, at);
  }
}

void PlanBuilder::join_region(int32_t i, const std::vector<SmallVector<int32_t, 4>>& users) {
  PlanEntry& e = entries[i];
  int32_t root = INT32_MAX;
  for (int32_t u : users[i]) {
    if (entries[u].kind == PlanEntry::Kind::elementwise) root = std::min(root, entries[u].region);
  }
  bool joins = root != INT32_MAX && entries[root].node->shape == e.node->shape;
  bool outside = false;
  for (int32_t u : users[i]) {
    if (!joins) break;
    const PlanEntry& user = entries[u];
    bool inside = user.kind == PlanEntry::Kind::elementwise && user.region == root;
    if (inside) continue;
    int32_t at = user.kind == PlanEntry::Kind::elementwise ? user.region
                 : user.kind == PlanEntry::Kind::kernel || user.kind == PlanEntry::Kind::compiled
                     ? u
                     : user.need;
    joins = at > root;
    outside = true;
  }
  int32_t inputs = static_cast<int32_t>(e.in.size());
  if (joins) {
    const Region& r = regions_[root];
    joins = r.members.size() < kMaxMembers && r.leaves + inputs - 1 <= kMaxLeaves;
  }
  e.region = joins ? root : i;
  e.stored = joins && outside;
  Region& r = regions_[e.region];
  r.members.push_back(i);
  r.leaves += joins ? inputs - 1 : inputs;
}

}  // namespace olivine
