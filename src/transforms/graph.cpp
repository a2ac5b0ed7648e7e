// Iterative depth-first walks over tracer nodes.
#include "transforms/graph.h"

#include <unordered_map>

namespace olivine {
std::vector<WalkEntry> walk_tracers(std::span<const array> outputs, std::span<const array> stops) {
  apply_edits();
  std::vector<WalkEntry> order;
  std::unordered_map<Node*, int32_t> index;  // -1 while on the stack
  for (const array& s : stops) {
    if (index.emplace(s.node(), static_cast<int32_t>(order.size())).second) {
      order.push_back({s.node(), {}});
    }
  }
  struct Frame {
    Node* node;
    uint32_t next;
  };
  std::vector<Frame> stack;
  auto visit = [&](Node* n) {
    if (n->tracer && index.emplace(n, -1).second) stack.push_back({n, 0});
  };
  for (const array& o : outputs) {
    visit(o.node());
    while (!stack.empty()) {
      Frame& f = stack.back();
      if (f.next < f.node->inputs.size()) {
        visit(f.node->inputs[f.next++]);
        continue;
      }
      WalkEntry e{f.node, {}};
      for (Node* in : f.node->inputs) {
        auto it = index.find(in);
        e.inputs.push_back(it == index.end() ? -1 : it->second);
      }
      index[f.node] = static_cast<int32_t>(order.size());
      stack.pop_back();
      order.push_back(std::move(e));
    }
  }
  return order;
}

std::vector<bool> depends_on(const std::vector<WalkEntry>& walk, std::span<const int32_t> sources,
                             bool through_stop_gradient) {
  std::vector<bool> depends(walk.size(), false);
  for (int32_t s : sources) {
    if (s >= 0) depends[s] = true;
  }
  for (size_t i = 0; i < walk.size(); ++i) {
    const Op* op = walk[i].node->op;
    if (depends[i] || (op && op->stops_gradient && !through_stop_gradient)) continue;
    for (int32_t in : walk[i].inputs) {
      if (in >= 0 && depends[in]) depends[i] = true;
    }
  }
  return depends;
}

std::vector<int32_t> positions(const std::vector<WalkEntry>& walk, std::span<const array> arrays) {
  std::unordered_map<Node*, int32_t> index;
  for (size_t i = 0; i < walk.size(); ++i) index.emplace(walk[i].node, static_cast<int32_t>(i));
  std::vector<int32_t> out;
  for (const array& a : arrays) {
    auto it = index.find(a.node());
    out.push_back(it == index.end() ? -1 : it->second);
  }
  return out;
}

}  // namespace olivine
