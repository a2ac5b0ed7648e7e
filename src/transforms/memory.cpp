// Memory of a plan: who dies where, whose memory an output may take over, where temps lie.
#include <algorithm>
#include <iterator>
#include <map>

#include "transforms/plan.h"

namespace olivine {
namespace {

constexpr size_t kAlign = 128;  // two cache lines: neighbours never share one

size_t aligned(size_t n) { return (n + kAlign - 1) / kAlign * kAlign; }

// Free gaps of the arena by offset; takes the smallest that fits, else grows the arena.
class Gaps {
 public:
  size_t take(size_t bytes) {
    auto best = gaps_.end();
    for (auto it = gaps_.begin(); it != gaps_.end(); ++it) {
      if (it->second >= bytes && (best == gaps_.end() || it->second < best->second)) best = it;
    }
    if (best == gaps_.end()) return grow(bytes);
    auto [offset, size] = *best;
    gaps_.erase(best);
    if (size > bytes) gaps_[offset + bytes] = size - bytes;
    return offset;
  }
  void give(size_t offset, size_t bytes) {
    auto it = gaps_.emplace(offset, bytes).first;
    if (auto next = std::next(it); next != gaps_.end() && offset + bytes == next->first) {
      it->second += next->second;
      gaps_.erase(next);
    }
    if (it != gaps_.begin()) {
      auto prev = std::prev(it);
      if (prev->first + prev->second == it->first) {
        prev->second += it->second;
        gaps_.erase(it);
      }
    }
  }
  size_t end() const { return end_; }

 private:
  size_t grow(size_t bytes) {
    size_t offset = end_;
    if (!gaps_.empty()) {  // extend a gap at the end rather than waste it
      auto last = std::prev(gaps_.end());
      if (last->first + last->second == end_) {
        offset = last->first;
        gaps_.erase(last);
      }
    }
    end_ = offset + bytes;
    return offset;
  }
  std::map<size_t, size_t> gaps_;
  size_t end_ = 0;
};

bool same_view(const Operand& a, const Operand& b) {
  return a.byte_offset == b.byte_offset && a.view.dtype == b.view.dtype &&
         a.view.shape == b.view.shape && a.view.strides == b.view.strides;
}

}  // namespace

int32_t PlanBuilder::find_slot(int32_t s) const {
  while (slot_alias_[s] != s) s = slot_alias_[s];
  return s;
}

void PlanBuilder::measure_lifetimes() {
  for (size_t t = 0; t < plan.tasks.size(); ++t) {
    for (auto* list : {&plan.tasks[t].in, &plan.tasks[t].out}) {
      for (Operand& o : *list) {
        Slot& s = plan.slots[o.slot];
        if (s.first < 0) s.first = static_cast<int32_t>(t);
        s.last = static_cast<int32_t>(t);
      }
    }
  }
  if (!plan.results.empty()) return;
  // When an evaluation fails, values are published up to their last readers, who may read copies.
  int32_t end = static_cast<int32_t>(plan.tasks.size()) - 1;
  for (const PlanEntry& e : entries) {
    if (e.slot < 0 || e.node->tuple) continue;
    Slot& s = plan.slots[e.slot];
    s.last = std::max(s.last, std::min(e.last_task, end));
  }
}

// The input slot whose memory output `out` of task `index` may take over, or -1: it dies there, has
// the same layout, and the loops (or the kernel) write each element after its last read.
int32_t PlanBuilder::donor_of(const Task& t, const Operand& out, int32_t index) const {
  bool loops = t.kind == Task::Kind::elementwise || t.kind == Task::Kind::fused;
  uint32_t allowed = loops ? ~0u : t.kind == Task::Kind::kernel ? t.kernel->donates : 0u;
  const Slot& target = plan.slots[out.slot];
  for (size_t k = 0; k < t.in.size() && k < 32; ++k) {
    const Operand& in = t.in[k];
    if (!((allowed >> k) & 1) || in.byte_offset != 0) continue;
    int32_t from = find_slot(in.slot);
    const Slot& source = plan.slots[from];
    bool fits = source.last == index && source.bytes == target.bytes && target.bytes != 0 &&
                in.view.dtype.size() == out.view.dtype.size() && in.view.shape == out.view.shape &&
                is_row_contiguous(in.view.shape, in.view.strides);
    bool leaf =
        source.kind == Slot::Kind::leaf && target.kind == Slot::Kind::output && !t.feeds_control;
    if (!fits || !(leaf || source.kind == Slot::Kind::temp)) continue;
    bool taken = false;
    for (size_t j = 0; j < t.in.size(); ++j) {
      if (j != k && find_slot(t.in[j].slot) == from) taken |= !loops || !same_view(in, t.in[j]);
    }
    for (const Operand& o : t.out) {
      taken |= find_slot(o.slot) == from || plan.slots[o.slot].donor == from;
    }
    if (!taken) return from;
  }
  return -1;
}

void PlanBuilder::donate(int32_t index) {
  Task& t = plan.tasks[index];
  for (Operand& out : t.out) {
    int32_t from = donor_of(t, out, index);
    if (from < 0) continue;
    Slot& target = plan.slots[out.slot];
    Slot& source = plan.slots[from];
    t.in_place = true;
    if (source.kind == Slot::Kind::leaf) {
      target.donor = from;
    } else {
      slot_alias_[out.slot] = from;
      source.last = target.last;
      source.kind = target.kind;
    }
  }
}

// A loop may be long, so it must not come after a task that overwrites an input of the plan.
void PlanBuilder::note_control() {
  std::vector<bool> read(plan.slots.size(), false);
  for (auto t = plan.tasks.rbegin(); t != plan.tasks.rend(); ++t) {
    for (const Operand& o : t->out) t->feeds_control |= read[o.slot];
    bool control = t->kind == Task::Kind::loop || t->kind == Task::Kind::branch;
    if (!t->feeds_control && !control) continue;
    for (const Operand& o : t->in) read[o.slot] = true;
  }
}

// In a compiled function the tasks that overwrite inputs, and what depends on them, come last: an
// interrupt or a failure before them leaves the inputs whole.
void PlanBuilder::move_donors_last() {
  std::vector<bool> late(plan.tasks.size(), false);
  std::vector<bool> late_slot(plan.slots.size(), false);
  for (size_t t = 0; t < plan.tasks.size(); ++t) {
    const Task& task = plan.tasks[t];
    for (const Operand& in : task.in) late[t] = late[t] || late_slot[in.slot];
    for (const Operand& out : task.out) {
      int32_t from = donor_of(task, out, static_cast<int32_t>(t));
      late[t] = late[t] || (from >= 0 && plan.slots[from].kind == Slot::Kind::leaf);
    }
    for (const Operand& out : task.out) late_slot[out.slot] = late_slot[out.slot] || late[t];
  }
  std::vector<Task> early, tail;
  for (size_t t = 0; t < plan.tasks.size(); ++t) {
    (late[t] ? tail : early).push_back(std::move(plan.tasks[t]));
  }
  plan.tail = static_cast<int32_t>(early.size());
  std::move(tail.begin(), tail.end(), std::back_inserter(early));
  plan.tasks = std::move(early);
  for (Slot& s : plan.slots) s.first = s.last = -1;
  measure_lifetimes();
}

void PlanBuilder::layout_arena() {
  Gaps gaps;
  std::vector<std::vector<int32_t>> ending(plan.tasks.size());
  for (size_t i = 0; i < plan.slots.size(); ++i) {
    int32_t slot = static_cast<int32_t>(i);
    if (plan.slots[i].last >= 0 && find_slot(slot) == slot) {
      ending[plan.slots[i].last].push_back(slot);
    }
  }
  for (size_t t = 0; t < plan.tasks.size(); ++t) {
    int32_t at = static_cast<int32_t>(t);
    Task& task = plan.tasks[t];
    for (Operand& o : task.out) {
      Slot& s = plan.slots[o.slot];
      if (s.kind == Slot::Kind::temp && s.first == at) s.arena_offset = gaps.take(aligned(s.bytes));
    }
    for (int32_t slot : ending[t]) {
      const Slot& s = plan.slots[slot];
      if (s.kind == Slot::Kind::temp && s.bytes) gaps.give(s.arena_offset, aligned(s.bytes));
      if (s.kind == Slot::Kind::leaf || s.kind == Slot::Kind::bound) task.releases.push_back(slot);
    }
  }
  plan.arena_bytes = gaps.end();
}

void PlanBuilder::assign_memory() {
  for (PlanEntry& e : entries) {
    if (!e.held || e.node->tuple || e.slot < 0) continue;
    Slot& s = plan.slots[e.slot];
    if (s.kind == Slot::Kind::temp) s.kind = Slot::Kind::output;
    s.kept = true;
  }
  // A tuple that is held keeps all its outputs.
  for (auto& [i, outputs] : tuples_) {
    for (auto& [slot, layout] : outputs) {
      Slot& s = plan.slots[slot];
      if (!entries[i].held) continue;
      if (s.kind == Slot::Kind::temp) s.kind = Slot::Kind::output;
      s.kept = true;
    }
  }
  slot_alias_.resize(plan.slots.size());
  for (size_t s = 0; s < slot_alias_.size(); ++s) slot_alias_[s] = static_cast<int32_t>(s);
  measure_lifetimes();
  plan.checked = checked;
  if (!checked) {
    if (!plan.results.empty() && atomic) {
      note_control();
      move_donors_last();
    }
    for (size_t t = 0; t < plan.tasks.size(); ++t) donate(static_cast<int32_t>(t));
  }
  for (Task& t : plan.tasks) {
    for (auto* list : {&t.in, &t.out}) {
      for (Operand& o : *list) o.slot = find_slot(o.slot);
    }
  }
  layout_arena();
}

}  // namespace olivine
