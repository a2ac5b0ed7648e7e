// One body of a loop or branch: where its outputs are after a run, and which of them it can write
// to a given place.
#pragma once

#include <cstring>

#include "transforms/control.h"

namespace olivine {

using Places = std::span<const LeafBinding>;

inline char* address(const LeafBinding& b) {
  return b.buffer ? static_cast<char*>(b.buffer->data) + b.byte_offset : nullptr;
}
inline size_t bytes_of(const View& v) { return static_cast<size_t>(v.size()) * v.dtype.size(); }

// To row-major memory.
inline void copy(const View& from, const View& to) {
  if (to.size() == 0) return;
  if (is_row_contiguous(from.shape, from.strides)) {
    std::memcpy(to.data, from.data, bytes_of(to));
  } else {
    cpu_backend().copy(from, to);
  }
}

// The slices across the first axis.
inline View slice_of(View v) {
  v.shape.erase(v.shape.begin()), v.strides.erase(v.strides.begin());
  return v;
}

class BodyRun {
 public:
  using Source = TracedGraph::Source;
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
    for (size_t l = 0; l < leaves_.size(); ++l) {
      if (plan.sources[l].input < 0) leaves_[l] = {plan.sources[l].constant.get()};
    }
  }

  const Source& source(size_t output) const { return graph_.sources[output]; }
  // Whether an output has memory of its own, and that in row-major order.
  bool alone(size_t output) const { return alone_[output]; }
  // The inputs that the plan reads: number of an input, or -1, by leaf.
  int32_t input_of(size_t leaf) const { return plan_.sources[leaf].input; }
  std::vector<LeafBinding>& leaves() { return leaves_; }

  void start() { repeated_.drop_outputs(); }
  void place(size_t output, Buffer* buffer, int64_t byte_offset) {
    int32_t slot = result(output).slot;
    run_.buffers[slot] = BufferRef(buffer);
    run_.byte_offset[slot] = byte_offset;
  }
  void run() { repeated_(); }
  void end() { repeated_.drop_memory(); }

  // For runs whose slots are placed one by one.
  const Plan& plan() const { return plan_; }
  RepeatedRun& repeated() { return repeated_; }
  const RepeatedRun& repeated() const { return repeated_; }
  // Of a computed output.
  int32_t slot(size_t output) const { return result(output).slot; }

  // Of a computed output: how it lies, and where.
  View layout(size_t output) const {
    const PlanResult& r = result(output);
    return {nullptr, r.dtype, r.layout.shape, r.layout.strides};
  }
  char* begin(size_t output) const {
    const PlanResult& r = result(output);
    return repeated_.bases()[r.slot] + r.layout.offset * static_cast<int64_t>(r.dtype.size());
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

}  // namespace olivine
