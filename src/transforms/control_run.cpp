// Running loops and branches: a body's plan on buffers that one step hands to the next.
//
// Memory does not grow with the number of steps. A carry lives in a buffer of the loop's own, which
// the body may overwrite once the next carry needs no other part of it; the first carry belongs to
// somebody else and is only read. Slices of the xs are read where they lie, and ys are written, or
// copied where that is not possible, to their place in the stacked output.
#include <cstring>

#include "core/error.h"
#include "runtime/interrupt.h"
#include "transforms/control.h"

namespace olivine {
namespace {

using Source = TracedGraph::Source;

char* address(const LeafBinding& b) {
  return b.buffer ? static_cast<char*>(b.buffer->data) + b.byte_offset : nullptr;
}
size_t bytes_of(const View& v) { return static_cast<size_t>(v.size()) * v.dtype.size(); }

void copy(const View& from, const View& to) {
  if (to.size() == 0) return;
  if (is_row_contiguous(from.shape, from.strides)) {
    std::memcpy(to.data, from.data, bytes_of(to));
  } else {
    cpu_backend().copy(from, to);
  }
}

// One body: where its outputs are after a run, and which of them it can write to a given place.
class BodyRun {
 public:
  BodyRun(const PlannedGraph& body, const Plan& plan)
      : graph_(*body.traced),
        plan_(plan),
        leaves_(plan.sources.size()),
        repeated_(plan, leaves_, run_) {
    for (size_t i = 0; i < graph_.sources.size(); ++i) {
      const Source& s = graph_.sources[i];
      bool computed = s.kind == Source::Kind::computed;
      alone_.push_back(computed && is_alone(static_cast<size_t>(s.index)));
    }
  }

  const Source& source(size_t output) const { return graph_.sources[output]; }
  // Whether an output has memory of its own, and that in row-major order.
  bool alone(size_t output) const { return alone_[output]; }
  // Calls bind(leaf, input) for the inputs that the plan reads.
  template <class F>
  void bind_leaves(F&& bind) {
    for (size_t l = 0; l < leaves_.size(); ++l) {
      const LeafSource& s = plan_.sources[l];
      if (s.input >= 0) bind(leaves_[l], s.input);
      if (s.input < 0) leaves_[l] = {s.constant.get()};
    }
  }
  void start() {
    run_.buffers.assign(plan_.slots.size(), {});
    run_.byte_offset.assign(plan_.slots.size(), 0);
    run_.done = 0;
  }
  void place(size_t output, Buffer* buffer, int64_t byte_offset) {
    int32_t slot = result(output).slot;
    run_.buffers[slot] = BufferRef(buffer);
    run_.byte_offset[slot] = byte_offset;
  }
  void run() { repeated_(); }
  // Of a computed output.
  View value(size_t output) const {
    const PlanResult& r = result(output);
    char* begin = static_cast<char*>(run_.buffers[r.slot]->data) + run_.byte_offset[r.slot];
    return {begin + r.layout.offset * static_cast<int64_t>(r.dtype.size()), r.dtype, r.layout.shape,
            r.layout.strides};
  }
  BufferRef take(size_t output) { return std::move(run_.buffers[result(output).slot]); }

 private:
  const PlanResult& result(size_t output) const {
    return plan_.results[graph_.sources[output].index];
  }
  bool is_alone(size_t computed) const {
    const PlanResult& r = plan_.results[computed];
    size_t bytes = static_cast<size_t>(element_count(r.layout.shape)) * r.dtype.size();
    int users = 0;
    for (const Source& s : graph_.sources) {
      users += s.kind == Source::Kind::computed && plan_.results[s.index].slot == r.slot;
    }
    return users == 1 && r.layout.offset == 0 && plan_.slots[r.slot].bytes == bytes &&
           is_row_contiguous(r.layout.shape, r.layout.strides);
  }

  const TracedGraph& graph_;
  const Plan& plan_;
  std::vector<LeafBinding> leaves_;
  std::vector<bool> alone_;
  PlanRun run_;
  RepeatedRun repeated_;
};

class Loop {
 public:
  Loop(const Task& t, std::span<const LeafBinding> in, std::span<const LeafBinding> out)
      : t_(t), p_(t.params.as<LoopParams>()), in_(in), out_(out), body_(*p_.body, *t.plan) {
    ys_ = p_.ys();
    first_carry_ = p_.constants + p_.counts + p_.xs;
    for (int32_t j = 0; j < p_.carry; ++j) {
      const Operand& o = t.in[p_.constants + p_.xs + j];
      carries_.push_back({in[p_.constants + p_.xs + j], {}, o.view});
      carries_.back().view.data = address(carries_.back().at);
    }
    handed_on_.resize(p_.carry, false);
    for (int32_t k = 0; k < ys_ + p_.carry; ++k) {
      const Source& s = body_.source(k);
      bool carried = s.kind == Source::Kind::input && s.index >= first_carry_;
      if (carried) handed_on_[s.index - first_carry_] = true;
    }
    if (p_.counts) index_ = allocate(sizeof(int64_t));
  }

  void run() {
    int64_t most = p_.until && p_.length == 0 ? INT64_MAX : p_.length;
    for (int64_t step = 0; step < most; ++step) {
      if (p_.until && !*static_cast<const bool*>(carries_[0].view.data)) break;
      poll_interrupt();
      one_step(p_.reverse ? p_.length - 1 - step : step);
    }
    for (int32_t j = 0; j < p_.carry; ++j) copy(carries_[j].view, output(ys_ + j));
  }

 private:
  struct Carry {
    LeafBinding at;
    BufferRef own;  // null: somebody else's
    View view;      // row-major
  };

  void one_step(int64_t position) {
    if (p_.counts) write_index(position);
    for (int32_t j = 0; p_.stacks && j < p_.carry; ++j) {
      copy(carries_[j].view, slice(ys_ + p_.carry + j, position));
    }
    body_.start();
    body_.bind_leaves([&](LeafBinding& leaf, int32_t input) { leaf = binding(input, position); });
    for (int32_t k = 0; k < ys_; ++k) {
      if (placed(k)) body_.place(k, out_[k].buffer, slice_offset(k, position));
    }
    body_.run();
    for (int32_t k = 0; k < ys_; ++k) {
      if (!placed(k)) copy(value(k, position), slice(k, position));
    }
    next_carries(position);
  }

  void write_index(int64_t position) {
    int64_t i = p_.first + position;
    bool wide = p_.body->traced->placeholders[p_.constants].dtype() == int64;
    if (wide) {
      std::memcpy(index_->data, &i, sizeof(i));
    } else {
      int32_t narrow = static_cast<int32_t>(i);
      std::memcpy(index_->data, &narrow, sizeof(narrow));
    }
  }

  LeafBinding binding(int32_t input, int64_t position) {
    if (input < p_.constants) return in_[input];
    if (p_.counts && input == p_.constants) return {index_.get()};
    if (input < first_carry_) {
      int32_t x = input - p_.counts;
      const View& v = t_.in[x].view;
      LeafBinding b = in_[x];
      b.byte_offset += position * v.strides[0] * static_cast<int64_t>(v.dtype.size());
      return b;
    }
    Carry& c = carries_[input - first_carry_];
    LeafBinding b = c.at;
    if (c.own && c.own->unique() && !handed_on_[input - first_carry_]) {
      b.donatable = true;
      b.owner = &c.own;
    }
    return b;
  }

  // What output k of the body is after a step.
  View value(int32_t k, int64_t position) {
    const Source& s = body_.source(k);
    if (s.kind == Source::Kind::computed) return body_.value(k);
    if (s.index >= first_carry_) return carries_[s.index - first_carry_].view;
    LeafBinding at = binding(s.index, position);
    if (p_.counts && s.index == p_.constants) {
      return {address(at), p_.body->traced->placeholders[s.index].dtype(), {}, {}};
    }
    bool constant = s.index < p_.constants;
    View v = t_.in[constant ? s.index : s.index - p_.counts].view;
    if (!constant) v.shape.erase(v.shape.begin()), v.strides.erase(v.strides.begin());
    v.data = address(at);
    return v;
  }

  void next_carries(int64_t position) {
    for (int32_t j = 0; j < p_.carry; ++j) {
      const Source& s = body_.source(ys_ + j);
      if (s.kind == Source::Kind::input && s.index >= first_carry_) {
        next_.push_back(carries_[s.index - first_carry_]);
        continue;
      }
      Carry c{{}, {}, carries_[j].view};
      View now = value(ys_ + j, position);
      if (body_.alone(ys_ + j)) {
        c.own = body_.take(ys_ + j);
      } else {
        c.own = allocate(bytes_of(c.view));
        c.view.data = c.own->data;
        copy(now, c.view);
      }
      c.at = {c.own.get()};
      c.view.data = c.own->data;
      next_.push_back(std::move(c));
    }
    std::swap(carries_, next_);
    next_.clear();  // lets go of buffers, so that they may be overwritten
  }

  bool placed(int32_t k) const {
    return body_.alone(k) && slice_bytes(k) > 0 && slice_bytes(k) % 64 == 0;
  }
  size_t slice_bytes(int32_t k) const {
    return p_.length == 0 ? 0 : bytes_of(t_.out[k].view) / static_cast<size_t>(p_.length);
  }
  int64_t slice_offset(int32_t k, int64_t position) const {
    return out_[k].byte_offset + position * static_cast<int64_t>(slice_bytes(k));
  }
  View output(int32_t k) const {
    View v = t_.out[k].view;
    v.data = address(out_[k]);
    return v;
  }
  View slice(int32_t k, int64_t position) const {
    View v = t_.out[k].view;
    v.shape.erase(v.shape.begin()), v.strides.erase(v.strides.begin());
    v.data = address(out_[k]) + position * static_cast<int64_t>(slice_bytes(k));
    return v;
  }

  const Task& t_;
  const LoopParams& p_;
  std::span<const LeafBinding> in_, out_;
  BodyRun body_;
  int32_t ys_, first_carry_;
  std::vector<Carry> carries_, next_;
  std::vector<bool> handed_on_;  // carries that an output of the body is, so that they must stay
  BufferRef index_;
};

}  // namespace

void run_loop(const Task& t, std::span<const LeafBinding> in, std::span<const LeafBinding> out) {
  Loop(t, in, out).run();
}

void run_branch(const Task& t, std::span<const LeafBinding> in, std::span<const LeafBinding> out) {
  const auto& branches = t.params.as<BranchParams>().branches;
  int32_t index;
  std::memcpy(&index, address(in[0]), sizeof(index));
  size_t taken =
      static_cast<size_t>(std::clamp<int64_t>(index, 0, static_cast<int64_t>(branches.size()) - 1));
  BodyRun body(*branches[taken], *t.branches[taken]);
  body.start();
  body.bind_leaves([&](LeafBinding& leaf, int32_t input) { leaf = in[input + 1]; });
  auto placed = [&](size_t k) { return body.alone(k) && bytes_of(t.out[k].view) > 0; };
  for (size_t k = 0; k < out.size(); ++k) {
    if (placed(k)) body.place(k, out[k].buffer, out[k].byte_offset);
  }
  body.run();
  for (size_t k = 0; k < out.size(); ++k) {
    if (placed(k)) continue;
    const Source& s = body.source(k);
    View from;
    if (s.kind == Source::Kind::computed) {
      from = body.value(k);
    } else {
      from = t.in[s.index + 1].view;
      from.data = address(in[s.index + 1]);
    }
    View to = t.out[k].view;
    to.data = address(out[k]);
    copy(from, to);
  }
}

}  // namespace olivine
