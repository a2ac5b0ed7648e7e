// Steps of plans as a profile's events: what ran, for how long, made where.
#pragma once

#include <string>
#include <vector>

#include "runtime/profile.h"
#include "transforms/plan.h"

namespace olivine {

// What a step is: all steps alike share one, by number.
struct StepDescription {
  struct Operand {
    Dtype dtype;
    Shape shape;
    int64_t bytes;  // that are there: a broadcast axis counts once
  };
  struct Part {
    int op;  // id; -1: memory of no op
    uint32_t location;
    int64_t bytes = 0;
  };
  std::string kind;  // kernel, elementwise, fused, copy, plan, loop, branch; arena
  int op = -1;
  std::string label;  // of a user's op
  Dtype key = bool_;
  std::vector<Operand> in, out;
  // Of a fused region, its ops. Of an arena, what lies in it when it is fullest.
  std::vector<Part> parts;
};
// All that were used since the process began; event.what is a position, and number 0 means none.
OLIVINE_API std::vector<StepDescription> step_descriptions();

// While it lives, its thread runs a step.
class StepScope {
 public:
  explicit StepScope(const Task& t) : scope_(profile::Phase::step) {
    if (scope_) [[unlikely]]
      describe(t);
  }
  // A node that runs without a plan, on computed inputs.
  StepScope(const Node* n, Dtype key) : scope_(profile::Phase::step) {
    if (scope_) [[unlikely]]
      describe(n, key);
  }

 private:
  void describe(const Task& t);
  void describe(const Node* n, Dtype key);
  profile::Scope scope_;
};
// While it lives, memory that its thread allocates belongs to a plan's temporaries, or to a task.
class MemoryScope {
 public:
  explicit MemoryScope(const Plan& plan) : scope_(profile::Phase::planning, false) {
    if (scope_) [[unlikely]]
      describe(plan);
  }
  explicit MemoryScope(const Task& t) : scope_(profile::Phase::planning, false) {
    if (scope_) [[unlikely]]
      scope_.describe(0, t.location, 0);
  }

 private:
  void describe(const Plan& plan);
  profile::Scope scope_;
};

}  // namespace olivine
