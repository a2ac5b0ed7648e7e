// Running branches, and choosing how loops and branches are run.
#include <algorithm>
#include <cstring>

#include "transforms/body_run.h"

namespace olivine {
namespace {

using Source = TracedGraph::Source;

class BranchRun final : public ControlRun {
 public:
  explicit BranchRun(const Task& t) : t_(t), bodies_(t.branches.size()) {}

  void run(Places in, Places out) override {
    int32_t index;
    std::memcpy(&index, address(in[0]), sizeof(index));
    const auto last = static_cast<int64_t>(bodies_.size()) - 1;
    const auto taken = static_cast<size_t>(std::clamp<int64_t>(index, 0, last));
    if (!bodies_[taken]) {
      const auto& branches = t_.params.as<BranchParams>().branches;
      bodies_[taken] = std::make_unique<BodyRun>(*branches[taken], *t_.branches[taken]);
    }
    run(*bodies_[taken], in, out);
  }

 private:
  void run(BodyRun& body, Places in, Places out) const {
    body.start();
    for (size_t l = 0; l < body.leaves().size(); ++l) {
      if (const int32_t input = body.input_of(l); input >= 0) body.leaves()[l] = in[input + 1];
    }
    const auto placed = [&](size_t k) { return body.alone(k) && bytes_of(t_.out[k].view) > 0; };
    for (size_t k = 0; k < out.size(); ++k) {
      if (placed(k)) body.place(k, out[k].buffer, out[k].byte_offset);
    }
    body.run();
    for (size_t k = 0; k < out.size(); ++k) {
      if (placed(k)) continue;
      const Source& s = body.source(k);
      const bool computed = s.kind == Source::Kind::computed;
      View from = computed ? body.layout(k) : t_.in[s.index + 1].view, to = t_.out[k].view;
      from.data = computed ? body.begin(k) : address(in[s.index + 1]);
      to.data = address(out[k]);
      copy(from, to);
    }
    body.end();
  }

  const Task& t_;
  std::vector<std::unique_ptr<BodyRun>> bodies_;  // null: not taken yet
};

}  // namespace

std::unique_ptr<ControlRun> make_control_run(const Task& t) {
  if (t.kind == Task::Kind::loop) return make_loop_run(t);
  return std::make_unique<BranchRun>(t);
}

}  // namespace olivine
