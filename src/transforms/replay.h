// A function recorded while it is traced for any sizes, and had again for others.
//
// Arrays of a trace come from steps: calls of a language binding, and transformations of functions.
// A step can run again on other arrays, so whatever C++ derives from sizes within one is derived
// anew; a transformation's functions are steps in turn. What becomes of sizes outside of steps is
// up to the binding, which adds a guard, a step that throws OtherOutcome, for each fact that it
// lets out. A replay that runs to its end is thus what the function itself would have done. Where
// to start: Recording::add.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "core/node.h"
#include "olivine/transforms.h"
#include "transforms/running.h"

namespace olivine {

// A replay comes out otherwise than what was recorded: the function has to be traced.
struct OLIVINE_API OtherOutcome : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

class Replay;

class OLIVINE_API Recording {
 public:
  // What a step makes now: as many arrays as it made when it was recorded.
  using Again = std::function<Arrays(Replay&)>;
  struct Step {
    Arrays out;
    Again again;
    uint32_t location;
    Stream stream;
  };
  using Steps = std::vector<Step>;
  // A transformation of functions. It runs once for each replay, so it owns what it captures.
  using Transform = std::function<Arrays(const std::vector<ArrayFn>& fns, const Arrays& inputs)>;

  static Recording* running() { return running_recording(); }
  // Whether an array depends on the function's inputs, or on their sizes.
  static bool depends(const array& a) { return a.node()->tracer && a.node()->of_shapeless_trace; }

  Recording() { recordings_in_progress.fetch_add(1, std::memory_order_relaxed); }
  ~Recording() { finish(); }
  Recording(const Recording&) = delete;

  // These arrays, which nobody else has seen, are what `again` makes.
  void add(const Arrays& out, Again again);
  // Throws OtherOutcome where the trace would not hold.
  void guard(std::function<void(Replay&)> check);
  // Something that no step stands for: the trace holds for its own sizes only. The first one
  // counts.
  void fix(std::string why);
  // The array as a node that nobody else has: itself if that is so.
  static array owned(const array& a);
  // An array that was made within a step but depends on nothing.
  static void settle(const array& a) { a.node()->of_shapeless_trace = false; }
  // A key of the process's sequence is one of the trace, and was drawn from since. Then the key
  // that is left is one more array of the step, and `drawing` is what makes it again.
  static bool drew(const array& key);
  static Again drawing(const array& key, Again again);
  // The transformation as a step.
  Arrays follow(const std::vector<ArrayFn>& fns, const Arrays& inputs, Transform transform);

  // After the function: the recording is complete, and from now on only read.
  void finish();

  const Steps& steps() const { return steps_; }
  const std::string& fixed_by() const { return fixed_by_; }

 private:
  struct Body;
  using Bodies = std::vector<std::vector<Body>>;
  static Arrays run_bodies(Replay& r, const Bodies& bodies, const Transform& transform,
                           const Arrays& inputs);
  ArrayFn watched(const ArrayFn& fn, std::vector<Body>& calls);

  bool finished_ = false;
  Steps steps_;
  Arrays marked_;  // made of sizes alone, and marked as depending on the trace
  std::string fixed_by_;
};

// Until it ends, what this thread makes belongs to a step; or, with `false`, no longer does.
class InStep {
 public:
  explicit InStep(bool inside = true)
      : trace_(ShapelessTrace::here()), outer_(std::exchange(trace_->in_step, inside)) {}
  ~InStep() { trace_->in_step = outer_; }
  InStep(const InStep&) = delete;

 private:
  ShapelessTrace* trace_;
  bool outer_;
};

// The arrays of a recording as they are for other inputs.
class OLIVINE_API Replay {
 public:
  Replay() = default;
  ~Replay();
  Replay(const Replay&) = delete;
  // What stands for an array. Throws OtherOutcome if it came from nowhere that was followed.
  array at(const array& recorded);
  Arrays at(const Arrays& recorded);
  void set(const array& recorded, const array& now);
  void run(const Recording::Steps& steps);
  // Draws random numbers from this key on, until the end of the replay.
  void draw_from(const array& key);
  // Whether an op outside of all steps was inferred anew; its rules may branch on sizes 0 and 1.
  bool inferred() const { return inferred_; }

 private:
  void infer(Node* top);

  std::unordered_map<Node*, array> now_;
  bool inferred_ = false;
  MaybeArray key_;  // of the process, before the first draw
};

// ---- For transformations that return two lists.
inline Arrays joined(Arrays a, const Arrays& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}
inline Arrays joined(const std::pair<Arrays, Arrays>& p) { return joined(p.first, p.second); }
inline std::pair<Arrays, Arrays> parted(const Arrays& all, size_t first) {
  auto at = all.begin() + static_cast<int64_t>(first);
  return {Arrays(all.begin(), at), Arrays(at, all.end())};
}

}  // namespace olivine
