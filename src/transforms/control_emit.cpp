// Emitting loops and branches: one task each, with the plans of its bodies.
#include <algorithm>

#include "transforms/control.h"

namespace olivine {
namespace {

const LoopParams* loop_of(const PlanEntry& e) {
  bool loop = e.kind == PlanEntry::Kind::control && e.node->op == &scan_op;
  return loop ? &e.node->params.as<LoopParams>() : nullptr;
}

bool same_loop(const PlanEntry& a, const PlanEntry& b) {
  LoopParams p = *loop_of(a);
  p.stacks = loop_of(b)->stacks;
  return p.fields() == loop_of(b)->fields() && std::ranges::equal(a.in, b.in);
}

// How the slices across the first axis lie.
Layout slice_layout(const Layout& l) {
  return {Shape(l.shape.begin() + 1, l.shape.end()),
          Strides(l.strides.begin() + 1, l.strides.end()), 0};
}

}  // namespace

// A loop and the same one that also gives its carries (which its gradient asks for) are one task,
// where the first of them stands.
void PlanBuilder::find_twins() {
  std::unordered_multimap<const void*, int32_t> seen;  // by body
  for (size_t i = 0; i < entries.size(); ++i) {
    const LoopParams* p = loop_of(entries[i]);
    if (!p) continue;
    auto [begin, end] = seen.equal_range(p->body.get());
    auto twin = std::find_if(begin, end, [&](const auto& other) {
      return same_loop(entries[i], entries[other.second]);
    });
    if (twin == end) {
      seen.emplace(p->body.get(), static_cast<int32_t>(i));
    } else {
      twins_[twin->second].push_back(static_cast<int32_t>(i));
    }
  }
}

void PlanBuilder::emit_control(int32_t i) {
  Node* n = entries[i].node;
  if (entries[i].slot >= 0) return;  // emitted with its twin
  bool loop = is_loop(*n->op);
  int32_t first = loop ? n->params.as<LoopParams>().constants : 1;
  int32_t carry = loop ? first + n->params.as<LoopParams>().xs : INT32_MAX;
  std::vector<Layout> layouts;
  std::vector<Operand> in;
  for (int32_t k = 0; k < static_cast<int32_t>(entries[i].in.size()); ++k) {
    int32_t from = entries[i].in[k];
    Operand o = operand(from);
    bool whole = loop ? k >= carry : k == 0;  // carries, and a branch's index
    if (whole && !is_row_contiguous(o.view.shape, o.view.strides)) {
      const PlanEntry& f = entries[from];
      int32_t slot = copy_contiguous(from, f.layout, f.slot, f.node->dtype);
      o = output_operand(slot, f.node->shape, f.node->dtype);
    }
    Layout l{o.view.shape, whole ? row_major(o.view.shape) : o.view.strides, 0};
    layouts.push_back(loop && k >= first && k < carry ? slice_layout(l) : std::move(l));
    in.push_back(std::move(o));
  }
  for (int32_t from : entries[i].in) use(from);
  Task t = new_task(loop ? Task::Kind::loop : Task::Kind::branch, n);
  t.in = std::move(in);
  std::vector<int32_t> places{i};
  if (auto it = twins_.find(i); it != twins_.end()) {
    places.insert(places.end(), it->second.begin(), it->second.end());
  }
  for (int32_t p : places) {  // the twin that gives most
    Node* other = entries[p].node;
    if (loop && other->params.as<LoopParams>().stacks) t.params = other->params, n = other;
  }
  add_plans(t, layouts);
  std::vector<std::pair<int32_t, Layout>> values;
  auto add_output = [&](const OutSpec& spec) {
    size_t bytes = static_cast<size_t>(element_count(spec.shape)) * spec.dtype.size();
    int32_t slot = new_slot(Slot::Kind::temp, bytes);
    t.out.push_back(output_operand(slot, spec.shape, spec.dtype));
    values.emplace_back(slot, Layout{spec.shape, row_major(spec.shape), 0});
  };
  if (n->tuple) {
    for (const TupleOutput& o : *n->tuple) add_output(o.spec);
  } else {
    add_output({n->shape, n->dtype});
  }
  for (int32_t p : places) {
    entries[p].def_task = static_cast<int32_t>(plan.tasks.size());
    if (!entries[p].node->tuple) {
      give_value(p, values[0].first, values[0].second);
      continue;
    }
    entries[p].slot = 0;
    size_t count = entries[p].node->tuple->size();
    tuples_[p].assign(values.begin(), values.begin() + static_cast<int64_t>(count));
  }
  plan.tasks.push_back(std::move(t));
}

// The plans of a task's bodies, given how its operands lie.
void PlanBuilder::add_plans(Task& t, const std::vector<Layout>& layouts) const {
  if (t.kind == Task::Kind::branch) {
    for (const auto& branch : t.params.as<BranchParams>().branches) {
      t.branches.push_back(plan_for(*branch, std::span(layouts).subspan(1), checked, false));
    }
    return;
  }
  const auto& p = t.params.as<LoopParams>();
  std::vector<Layout> leaves = layouts;
  if (p.counts) leaves.insert(leaves.begin() + p.constants, Layout{});
  t.plan = plan_for(*p.body, leaves, checked, false);
}

}  // namespace olivine
