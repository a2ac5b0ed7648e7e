// Emitting tasks: kernels, elementwise regions, copies, nested plans; views become layouts.
#include "core/error.h"
#include "transforms/plan.h"

namespace olivine {

using Kind = PlanEntry::Kind;

Task PlanBuilder::new_task(Task::Kind kind, Node* n) const {
  Task t;
  t.kind = kind;
  t.node = n;
  t.location = n->location;
  if (n->op) {
    t.op = n->op->id();
    t.params = n->params;
  }
  return t;
}

int32_t PlanBuilder::new_slot(Slot::Kind kind, size_t bytes) {
  Slot s;
  s.kind = kind;
  s.bytes = bytes;
  plan.slots.push_back(s);
  return static_cast<int32_t>(plan.slots.size()) - 1;
}

void PlanBuilder::give_value(int32_t entry, int32_t slot, Layout layout) {
  PlanEntry& e = entries[entry];
  e.slot = slot;
  e.base = entry;
  e.layout = std::move(layout);
  e.def_task = static_cast<int32_t>(plan.tasks.size());
}

static size_t byte_count(const Shape& shape, Dtype dtype) {
  return static_cast<size_t>(checked_mul(element_count(shape), int64_t(dtype.size()), "eval"));
}

static Operand make_operand(int32_t slot, const Layout& l, Dtype dtype) {
  return {
      slot, l.offset * static_cast<int64_t>(dtype.size()), {nullptr, dtype, l.shape, l.strides}};
}

Operand PlanBuilder::output_operand(int32_t slot, const Shape& shape, Dtype dtype) const {
  return {slot, 0, {nullptr, dtype, shape, row_major(shape)}};
}

// Notes that the task about to be emitted reads the entry.
void PlanBuilder::use(int32_t entry) {
  int32_t t = static_cast<int32_t>(plan.tasks.size());
  entries[entry].last_task = t;
  entries[entries[entry].base].last_task = t;
}

Operand PlanBuilder::operand(int32_t entry) {
  resolve(entry);
  const PlanEntry& e = entries[entry];
  return make_operand(e.slot, e.layout, e.node->dtype);
}

Operand PlanBuilder::operand(int32_t entry, const Shape& broadcast_to) {
  resolve(entry);
  const PlanEntry& e = entries[entry];
  const Layout& l = e.layout;
  Dtype dtype = e.node->dtype;
  return {e.slot,
          l.offset * static_cast<int64_t>(dtype.size()),
          {nullptr, dtype, broadcast_to, broadcast_strides(l.shape, l.strides, broadcast_to)}};
}

// A row-contiguous copy of a value, made once; returns its slot.
int32_t PlanBuilder::copy_contiguous(int32_t entry, const Layout& layout, int32_t slot,
                                     Dtype dtype) {
  auto [it, fresh] = contiguous_.try_emplace(entry);
  if (!fresh) return it->second.first;
  Task t = new_task(Task::Kind::copy, entries[entry].node);
  t.in.push_back(make_operand(slot, layout, dtype));
  int32_t out = new_slot(Slot::Kind::temp, byte_count(layout.shape, dtype));
  t.out.push_back(output_operand(out, layout.shape, dtype));
  use(entry);
  plan.tasks.push_back(std::move(t));
  it->second = {out, Layout{layout.shape, row_major(layout.shape), 0}};
  return out;
}

// Views may chain to any depth, so their bases are resolved first, without recursion.
void PlanBuilder::resolve(int32_t i) {
  if (entries[i].slot >= 0) return;
  std::vector<int32_t> chain{i};
  while (true) {
    const PlanEntry& e = entries[chain.back()];
    bool through = e.kind == Kind::view || e.kind == Kind::alias;
    int32_t next = through ? e.in[0] : -1;
    if (e.kind == Kind::tuple_output && entries[e.in[0]].kind == Kind::alias) {
      next = entries[e.in[0]].in[e.node->params.as<OutputParams>().index];
    }
    if (next < 0 || entries[next].slot >= 0) break;
    chain.push_back(next);
  }
  while (!chain.empty()) {
    resolve_one(chain.back());
    chain.pop_back();
  }
}

void PlanBuilder::resolve_one(int32_t i) {
  PlanEntry& e = entries[i];
  Node* n = e.node;
  if (e.kind == Kind::leaf) {
    int32_t slot =
        new_slot(Slot::Kind::leaf, n->buffer ? n->buffer->bytes : byte_count(n->shape, n->dtype));
    plan.slots[slot].leaf = static_cast<int32_t>(leaf_entries.size());
    leaf_entries.push_back(i);
    Layout l{n->shape, n->strides, n->offset};
    if (n->placeholder && l.strides.size() != l.shape.size()) l.strides = row_major(l.shape);
    give_value(i, slot, std::move(l));
    e.def_task = -1;
    return;
  }
  if (e.kind == Kind::tuple_output) {
    int32_t index = n->params.as<OutputParams>().index;
    const PlanEntry& tuple = entries[e.in[0]];
    if (tuple.kind != Kind::alias) {
      auto& [slot, layout] = tuples_.at(e.in[0])[index];
      give_value(i, slot, layout);
      e.def_task = tuple.def_task;
      return;
    }
    const PlanEntry& base = entries[tuple.in[index]];
    e.slot = base.slot, e.base = base.base, e.layout = base.layout, e.def_task = base.def_task;
    return;
  }
  const PlanEntry& in = entries[e.in[0]];
  if (e.kind == Kind::alias) {
    e.slot = in.slot, e.base = in.base, e.layout = in.layout, e.def_task = in.def_task;
    return;
  }
  OutSpec spec{n->shape, n->dtype};
  if (n->op->view(n->params, in.layout, spec, e.layout)) {
    e.slot = in.slot, e.base = in.base, e.def_task = in.def_task;
    return;
  }
  int32_t slot = copy_contiguous(e.in[0], in.layout, in.slot, in.node->dtype);
  Layout from{in.layout.shape, row_major(in.layout.shape), 0};
  if (!n->op->view(n->params, from, spec, e.layout)) {
    fail<std::logic_error>("[", n->op->name, "] has no layout for a contiguous input");
  }
  e.slot = slot;
  e.base = i;
  e.def_task = static_cast<int32_t>(plan.tasks.size()) - 1;
}

void PlanBuilder::emit_kernel(int32_t i) {
  Node* n = entries[i].node;
  Dtype key = kernel_key(n);
  const Kernel* kernel = cpu_backend().kernel(n->op->id(), key);
  std::vector<Operand> in;
  for (size_t k = 0; k < entries[i].in.size(); ++k) {
    int32_t from = entries[i].in[k];
    Operand o = operand(from);
    bool need = (kernel->contiguous >> std::min<size_t>(k, 31)) & 1;
    if (need && !is_row_contiguous(o.view.shape, o.view.strides)) {
      const PlanEntry& f = entries[from];
      int32_t slot = copy_contiguous(from, f.layout, f.slot, f.node->dtype);
      o = output_operand(slot, f.layout.shape, f.node->dtype);
    }
    in.push_back(std::move(o));
  }
  for (int32_t from : entries[i].in) use(from);
  Task t = new_task(Task::Kind::kernel, n);
  t.key = key;
  t.kernel = kernel;
  t.in = std::move(in);
  auto add_output = [&](const OutSpec& spec) {
    Slot::Kind kind = kernel->make ? Slot::Kind::bound : Slot::Kind::temp;
    int32_t slot = new_slot(kind, byte_count(spec.shape, spec.dtype));
    t.out.push_back(output_operand(slot, spec.shape, spec.dtype));
    return std::pair{slot, Layout{spec.shape, row_major(spec.shape), 0}};
  };
  if (n->tuple) {
    for (const TupleOutput& o : *n->tuple) tuples_[i].push_back(add_output(o.spec));
    entries[i].def_task = static_cast<int32_t>(plan.tasks.size());
    entries[i].slot = 0;
  } else {
    auto [slot, layout] = add_output({n->shape, n->dtype});
    give_value(i, slot, std::move(layout));
  }
  plan.tasks.push_back(std::move(t));
}

void PlanBuilder::emit_single(int32_t root) {
  Node* n = entries[root].node;
  Task t = new_task(Task::Kind::elementwise, n);
  t.key = n->inputs.back()->dtype;
  for (int32_t in : entries[root].in) t.in.push_back(operand(in, n->shape));
  for (int32_t in : entries[root].in) use(in);
  int32_t slot = new_slot(Slot::Kind::temp, byte_count(n->shape, n->dtype));
  t.out.push_back(output_operand(slot, n->shape, n->dtype));
  give_value(root, slot, {n->shape, row_major(n->shape), 0});
  plan.tasks.push_back(std::move(t));
}

bool PlanBuilder::is_inside(int32_t i, int32_t root) const {
  const auto& regions = entries[i].regions;
  return std::find(regions.begin(), regions.end(), root) != regions.end();
}

void PlanBuilder::emit_region(int32_t root) {
  std::vector<int32_t>& members = regions_[entries[root].region].members;
  if (members.size() == 1) return emit_single(root);
  std::sort(members.begin(), members.end());
  Node* n = entries[root].node;
  Task t = new_task(Task::Kind::fused, n);
  Program program;
  program.leaves.reserve(members.size() + 1);
  program.code.reserve(members.size());
  t.in.reserve(members.size() + 1);
  std::shared_ptr<RegionTrace> trace;
  if (keeps_regions && !draft) {
    trace = std::make_shared<RegionTrace>();
    trace->steps.reserve(members.size());
  }
  auto number = [&](int32_t i, size_t value) {
    entries[i].numbered_in = root;
    entries[i].number = static_cast<uint16_t>(value);
  };
  for (int32_t m : members) {
    for (int32_t in : entries[m].in) {
      if (entries[in].numbered_in == root || is_inside(in, root)) continue;
      number(in, program.leaves.size());
      program.leaves.push_back(entries[in].node->dtype);
      t.in.push_back(operand(in, n->shape));
    }
  }
  for (int32_t m : members) {
    Node* node = entries[m].node;
    Instr instr{node->op->id(),
                node->inputs.back()->dtype,
                node->dtype,
                static_cast<uint8_t>(entries[m].in.size()),
                {}};
    for (size_t k = 0; k < entries[m].in.size(); ++k) {
      PlanEntry& in = entries[entries[m].in[k]];
      instr.src[k] = in.number;
      if (in.number < program.leaves.size()) use(entries[m].in[k]);
    }
    number(m, program.leaves.size() + program.code.size());
    program.code.push_back(instr);
    if (trace) trace->steps.push_back({instr.op, node->location});
  }
  for (int32_t m : members) {
    if (!entries[m].stored && m != root) continue;
    program.outputs.push_back(entries[m].number);
    Node* node = entries[m].node;
    int32_t slot = new_slot(Slot::Kind::temp, byte_count(node->shape, node->dtype));
    t.out.push_back(output_operand(slot, node->shape, node->dtype));
    give_value(m, slot, {node->shape, row_major(node->shape), 0});
  }
  if (!draft) t.program = cpu_backend().prepare(program);
  if (trace && checked) trace->program = std::move(program);
  t.region = std::move(trace);
  plan.tasks.push_back(std::move(t));
}

void PlanBuilder::emit_compiled(int32_t i) {
  Node* n = entries[i].node;
  std::vector<Operand> in;
  std::vector<Layout> layouts;
  for (int32_t from : entries[i].in) {
    in.push_back(operand(from));
    layouts.push_back(entries[from].layout);
    layouts.back().offset = 0;  // the operand's byte offset has it
  }
  for (int32_t from : entries[i].in) use(from);
  Task t = new_task(Task::Kind::plan, n);
  t.in = std::move(in);
  t.plan = compiled_plan(n->params, layouts);
  for (const PlanResult& r : t.plan->results) {
    int32_t slot = new_slot(Slot::Kind::bound, 0);
    t.out.push_back(make_operand(slot, r.layout, r.dtype));
    tuples_[i].push_back({slot, r.layout});
  }
  entries[i].def_task = static_cast<int32_t>(plan.tasks.size());
  entries[i].slot = 0;
  plan.tasks.push_back(std::move(t));
}

void PlanBuilder::emit_tasks() {
  find_twins();
  for (size_t k = 0; k < entries.size(); ++k) {
    int32_t i = static_cast<int32_t>(k);
    switch (entries[i].kind) {
      case Kind::kernel:
        emit_kernel(i);
        break;
      case Kind::compiled:
        emit_compiled(i);
        break;
      case Kind::control:
        emit_control(i);
        break;
      case Kind::elementwise:
        if (is_inside(i, i)) emit_region(i);
        break;
      default:
        break;  // leaves and views are resolved when somebody reads them
    }
  }
  for (size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].held && !entries[i].node->tuple) resolve(static_cast<int32_t>(i));
  }
}

void PlanBuilder::emit_results(std::span<const array> results) {
  for (const array& r : results) {
    int32_t i = position(r.node());
    resolve(i);
    PlanEntry& e = entries[i];
    int32_t slot = e.slot;
    Layout layout = e.layout;
    Slot::Kind kind = plan.slots[slot].kind;
    if (kind == Slot::Kind::leaf || kind == Slot::Kind::bound) {
      slot = copy_contiguous(i, layout, slot, e.node->dtype);
      layout = {layout.shape, row_major(layout.shape), 0};
    }
    plan.slots[slot].kind = Slot::Kind::output;
    plan.results.push_back({slot, layout, e.node->dtype});
  }
}

}  // namespace olivine
