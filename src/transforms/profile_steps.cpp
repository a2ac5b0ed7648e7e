// Descriptions of steps, made once for all that are alike.
//
// A step's description is found by a hash of all it says: op, dtypes, shapes, and of a region its
// ops with their lines. 64 bits tell a million descriptions apart but for a chance of 3e-8.
#include "transforms/profile_steps.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <unordered_map>

#include "runtime/process_locks.h"

namespace olivine {
namespace {

constexpr size_t kMaxDescriptions = 1 << 20;  // a program of endless shapes gets no more

struct Table {
  std::unordered_map<uint64_t, uint32_t> numbers;
  std::vector<StepDescription> list{StepDescription{}};
};
Table& table = *new Table;  // under the profile's lock

// What a thread looked up last.
struct Known {
  uint64_t hash = 0;
  uint32_t number = 0;
};
thread_local constinit std::array<Known, 512> known{};

template <class F>
uint32_t number_of(uint64_t hash, F describe) {
  Known& k = known[hash % known.size()];
  if (k.hash == hash) return k.number;
  {
    std::lock_guard lock(process_lock(Lock::profile));
    auto it = table.numbers.find(hash);
    if (it != table.numbers.end()) {
      k = {hash, it->second};
      return k.number;
    }
  }
  StepDescription made = describe();
  std::lock_guard lock(process_lock(Lock::profile));
  if (table.list.size() >= kMaxDescriptions) return 0;
  auto [it, fresh] = table.numbers.emplace(hash, static_cast<uint32_t>(table.list.size()));
  if (fresh) table.list.push_back(std::move(made));
  k = {hash, it->second};
  return k.number;
}

class Hash {
 public:
  void add(uint64_t v) {
    value_ = (value_ ^ v) * 0x9E3779B97F4A7C15u;
    value_ ^= value_ >> 32;
  }
  void add(std::string_view text) { add(std::hash<std::string_view>()(text)); }
  void add(Dtype dtype, const Shape& shape, const Strides& strides) {
    uint64_t broadcast = 0;
    add(static_cast<uint64_t>(dtype.index()) << 8 | shape.size());
    for (size_t d = 0; d < shape.size(); ++d) {
      add(static_cast<uint64_t>(shape[d]));
      broadcast |= uint64_t{d < strides.size() && strides[d] == 0} << (d & 63);
    }
    add(broadcast);
  }
  uint64_t value() const { return value_ | 1; }

 private:
  uint64_t value_ = 0x51ED270B;
};

StepDescription::Operand operand(Dtype dtype, const Shape& shape, const Strides& strides) {
  int64_t elements = 1;
  for (size_t d = 0; d < shape.size(); ++d) {
    bool broadcast = d < strides.size() && strides[d] == 0 && shape[d] > 0;
    elements *= broadcast ? 1 : shape[d];
  }
  return {dtype, shape, elements * static_cast<int64_t>(dtype.size())};
}
StepDescription::Operand operand(const Operand& o) {
  return operand(o.view.dtype, o.view.shape, o.view.strides);
}

const char* kind_name(Task::Kind k) {
  constexpr const char* kNames[] = {"kernel", "elementwise", "fused", "copy",
                                    "plan",   "loop",        "branch"};
  return kNames[static_cast<int>(k)];
}

const char* label_of(const Task& t) {
  const Op* op = t.node ? t.node->op : nullptr;
  return op && op->label ? op->label(t.params) : "";
}

uint64_t hash_of(const Task& t) {
  Hash h;
  h.add(static_cast<uint64_t>(t.kind) << 40 | static_cast<uint64_t>(t.key.index()) << 32 |
        static_cast<uint32_t>(t.op));
  h.add(label_of(t));
  for (auto* list : {&t.in, &t.out}) {
    h.add(list->size());
    for (const Operand& o : *list) h.add(o.view.dtype, o.view.shape, o.view.strides);
  }
  if (t.kind == Task::Kind::fused && t.region) {
    for (const auto& step : t.region->steps) {
      h.add(static_cast<uint64_t>(step.op) << 32 | step.location);
    }
  }
  return h.value();
}

StepDescription describe_task(const Task& t) {
  StepDescription d;
  d.kind = kind_name(t.kind);
  d.op = t.op;
  d.label = label_of(t);
  d.key = t.key;
  for (const Operand& o : t.in) d.in.push_back(operand(o));
  for (const Operand& o : t.out) d.out.push_back(operand(o));
  if (t.kind == Task::Kind::fused && t.region) {
    for (const auto& step : t.region->steps) d.parts.push_back({step.op, step.location});
  }
  return d;
}

uint64_t hash_of(const Node* n, Dtype key) {
  Hash h;
  h.add(uint64_t{9} << 40 | static_cast<uint64_t>(key.index()) << 32 |
        static_cast<uint32_t>(n->op->id()));
  h.add(std::string_view(n->op->label ? n->op->label(n->params) : ""));
  for (const Node* i : n->inputs) h.add(i->dtype, i->shape, i->strides);
  h.add(n->dtype, n->shape, {});
  return h.value();
}

StepDescription describe_node(const Node* n, Dtype key) {
  StepDescription d;
  d.kind = n->op->kind == OpKind::elementwise ? "elementwise" : "kernel";
  d.op = n->op->id();
  d.label = n->op->label ? n->op->label(n->params) : "";
  d.key = key;
  for (const Node* i : n->inputs) d.in.push_back(operand(i->dtype, i->shape, i->strides));
  d.out.push_back(operand(n->dtype, n->shape, {}));
  return d;
}

// The temporaries that live while the most bytes of them do, each with the task that makes it.
StepDescription describe_arena(const Plan& plan) {
  std::vector<int64_t> change(plan.tasks.size() + 1, 0);
  auto lives = [](const Slot& s) { return s.kind == Slot::Kind::temp && s.first >= 0; };
  for (const Slot& s : plan.slots) {
    if (!lives(s)) continue;
    change[s.first] += static_cast<int64_t>(s.bytes);
    change[s.last + 1] -= static_cast<int64_t>(s.bytes);
  }
  int64_t now = 0, most = -1;
  int32_t fullest = 0;
  for (size_t t = 0; t < plan.tasks.size(); ++t) {
    now += change[t];
    if (now > most) most = now, fullest = static_cast<int32_t>(t);
  }
  StepDescription d;
  d.kind = "arena";
  for (const Slot& s : plan.slots) {
    if (!lives(s) || s.first > fullest || s.last < fullest) continue;
    const Task& maker = plan.tasks[s.first];
    d.parts.push_back({maker.op, maker.location, static_cast<int64_t>(s.bytes)});
  }
  return d;
}

uint64_t hash_of(const Plan& plan) {
  Hash h;
  h.add(plan.arena_bytes);
  for (const Task& t : plan.tasks) h.add(static_cast<uint64_t>(t.op) << 32 | t.location);
  for (const Slot& s : plan.slots) {
    h.add(s.bytes << 3 | static_cast<uint64_t>(s.kind));
    h.add(static_cast<uint64_t>(s.first) << 32 | static_cast<uint32_t>(s.last));
  }
  return h.value();
}

}  // namespace

void StepScope::describe(const Task& t) {
  uint32_t what = number_of(hash_of(t), [&] { return describe_task(t); });
  scope_.describe(what, t.location, t.node ? t.node->stream : 0);
}

void StepScope::describe(const Node* n, Dtype key) {
  uint32_t what = number_of(hash_of(n, key), [&] { return describe_node(n, key); });
  scope_.describe(what, n->location, n->stream);
}

void MemoryScope::describe(const Plan& plan) {
  // Small ones are not told apart by line (allocator.cpp notes large blocks alone).
  if (plan.arena_bytes < (64 << 10)) return;
  scope_.describe(number_of(hash_of(plan), [&] { return describe_arena(plan); }), 0, 0);
}

std::vector<StepDescription> step_descriptions() {
  std::lock_guard lock(process_lock(Lock::profile));
  return table.list;
}

}  // namespace olivine
