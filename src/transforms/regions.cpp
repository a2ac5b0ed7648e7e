// Grouping elementwise nodes into regions that run as one fused program.
//
// A region runs at the position of its root. Walking from users to inputs, a node whose users are
// all elementwise and of its shape lives inside their regions and is never stored. With users in
// several regions (an activation's parts, read again by its gradient) it is computed in each of
// them if it is a short chain from stored values: arithmetic in registers is cheaper than memory. A
// longer chain, or a value that somebody else reads too (an optimizer's moments), is stored in
// passing by the earliest region, provided that everybody else runs later.
#include <algorithm>

#include "transforms/plan.h"

namespace olivine {
namespace {

// Bounds that keep a program's tiles in cache and its operands addressable.
constexpr size_t kMaxMembers = 128;
constexpr int32_t kMaxLeaves = 96;
// Longest chain of ops that is computed again rather than stored.
constexpr int32_t kMaxRecompute = 16;

using Kind = PlanEntry::Kind;

}  // namespace

// Ops from stored values to each elementwise node.
std::vector<int32_t> PlanBuilder::chain_lengths() const {
  std::vector<int32_t> length(entries.size(), 0);
  for (size_t i = 0; i < entries.size(); ++i) {
    const PlanEntry& e = entries[i];
    if (e.kind != Kind::elementwise) continue;
    int32_t sum = 1;
    for (int32_t in : e.in) {
      bool inside = !entries[in].held && entries[in].node->shape == e.node->shape;
      if (inside) sum += length[in];
    }
    length[i] = std::min(sum, kMaxRecompute + 1);
  }
  return length;
}

void PlanBuilder::group_regions() {
  std::vector<SmallVector<int32_t, 4>> users(entries.size());
  bool any = false;
  for (size_t i = 0; i < entries.size(); ++i) {
    any |= entries[i].kind == Kind::elementwise;
    for (int32_t in : entries[i].in) users[in].push_back(static_cast<int32_t>(i));
  }
  if (!any) return;
  std::vector<int32_t> length = chain_lengths();
  for (int32_t i = static_cast<int32_t>(entries.size()) - 1; i >= 0; --i) {
    PlanEntry& e = entries[i];
    if (e.kind == Kind::elementwise) join_regions(i, users[i], length[i] <= kMaxRecompute);
    int32_t at = runs_at(i);
    for (int32_t in : e.in) entries[in].need = std::min(entries[in].need, at);
  }
}

// The position at which an entry first reads its inputs.
int32_t PlanBuilder::runs_at(int32_t i) const {
  const PlanEntry& e = entries[i];
  if (e.kind == Kind::elementwise) return *std::min_element(e.regions.begin(), e.regions.end());
  bool runs = e.kind == Kind::kernel || e.kind == Kind::compiled || e.kind == Kind::control;
  return runs ? i : e.need;
}

bool PlanBuilder::fits(int32_t root, int32_t inputs) const {
  const Region& r = regions_[entries[root].region];
  return r.members.size() < kMaxMembers && r.leaves + inputs - 1 <= kMaxLeaves;
}

void PlanBuilder::join_regions(int32_t i, const SmallVector<int32_t, 4>& users, bool is_short) {
  PlanEntry& e = entries[i];
  int32_t inputs = static_cast<int32_t>(e.in.size());
  SmallVector<int32_t, 4> roots;  // of the users' regions
  bool only_inside = !e.held;     // nobody reads it but regions of its shape
  for (int32_t u : users) {
    if (entries[u].kind != Kind::elementwise) {
      only_inside = false;
      continue;
    }
    for (int32_t root : entries[u].regions) {
      only_inside &= entries[root].node->shape == e.node->shape;
      if (std::find(roots.begin(), roots.end(), root) == roots.end()) roots.push_back(root);
    }
  }
  auto join = [&](int32_t root) {
    Region& r = regions_[entries[root].region];
    r.members.push_back(i);
    r.leaves += inputs - 1;
    e.regions.push_back(root);
  };
  bool all_fit = true;
  for (int32_t root : roots) all_fit &= fits(root, inputs);
  if (!roots.empty() && only_inside && all_fit && (roots.size() == 1 || is_short)) {
    for (int32_t root : roots) join(root);
    return;
  }
  int32_t first = roots.empty() ? -1 : *std::min_element(roots.begin(), roots.end());
  if (first >= 0 && is_stored_by(i, first, users) && fits(first, inputs)) {
    join(first);
    e.stored = true;
    return;
  }
  e.regions.push_back(i);
  e.region = static_cast<int32_t>(regions_.size());
  regions_.push_back({{i}, inputs});
}

// Whether region `root` can store node i in passing: it has i's shape and reads it itself, and
// every other reader runs later.
bool PlanBuilder::is_stored_by(int32_t i, int32_t root,
                               const SmallVector<int32_t, 4>& users) const {
  if (!(entries[root].node->shape == entries[i].node->shape)) return false;
  for (int32_t u : users) {
    if (entries[u].kind != Kind::elementwise) {
      if (runs_at(u) <= root) return false;
      continue;
    }
    for (int32_t r : entries[u].regions) {
      if (r < root) return false;
    }
  }
  return true;
}

}  // namespace olivine
