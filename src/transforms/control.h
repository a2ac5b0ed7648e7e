// Control flow as ops: a loop over a traced body, and a choice between traced branches.
//
// A body is a closed graph: what the user's function captured became inputs, so that it can be
// differentiated, mapped and written to files like any other operand. Rules make new bodies by
// transforming the old one as a function; the evaluator runs a body's plan again and again on
// buffers that it passes on (loop_run.cpp). Where to start: `scan` in loop.cpp.
#pragma once

#include "transforms/planned.h"

namespace olivine {

// Parameters of `scan` and `while`. Inputs of the body: constants, the index if `counts`, one slice
// of each of the xs, the carry. Outputs of the body: ys, the new carry. Inputs of the op:
// constants, xs, the first carry. Outputs of the op: stacked ys, the last carry and, if `stacks`,
// the carries before each step, stacked.
struct LoopParams {
  std::shared_ptr<PlannedGraph> body;
  int32_t constants = 0, xs = 0, carry = 0;
  int64_t length = 0;    // steps; of a while loop: the most, 0 for any number
  bool until = false;    // a while loop: goes on as long as the first carry, a bool, is true
  bool reverse = false;  // from the last slice to the first
  bool counts = false;   // the body's index is first + position of the slice
  int64_t first = 0;
  bool stacks = false;
  auto fields() const {
    return std::tie(body, constants, xs, carry, length, until, reverse, counts, first, stacks);
  }
  int32_t ys() const { return static_cast<int32_t>(body->traced->outputs.size()) - carry; }
  int32_t inputs() const { return constants + counts + xs + carry; }  // of the body
};

// Parameters of `branch`. Inputs: an int32 index, then the inputs that all branches share.
struct BranchParams {
  std::vector<std::shared_ptr<PlannedGraph>> branches;
  auto fields() const { return std::tie(branches); }
};

extern const Op scan_op, while_op, branch_op;
inline bool is_loop(const Op& op) { return &op == &scan_op || &op == &while_op; }
inline bool is_control(const Op& op) { return is_loop(op) || &op == &branch_op; }

// ---- Making bodies.
struct TracedBody {
  std::shared_ptr<PlannedGraph> body;  // its inputs: `captured`, then the arguments
  Arrays captured;
  bool draws = false;
};
// `keyed`: the last argument is a key, from which the function's random numbers are drawn. If it
// draws, the rest of the key is the last output, else the body has no such argument.
TracedBody trace_body(const ArrayFn& fn, const std::vector<OutSpec>& args, bool keyed = false);
// The body as nodes on these inputs.
Arrays call_body(const PlannedGraph& body, const Arrays& inputs);
// Which outputs depend on the inputs of which this is true.
std::vector<bool> body_depends(const PlannedGraph& body, const std::vector<bool>& inputs);
OutSpec spec_of(const array& a);
// The spec of one slice across the first axis.
OutSpec slice_spec(const array& a);
// Whether loops and branches mean the same for inputs of other sizes: their bodies do.
bool bodies_any_size(const Op& op, const ParamsRef& params);
// The parameters for such inputs. Throws std::invalid_argument where a body refuses them.
ParamsRef resized_bodies(const Op& op, const ParamsRef& params, std::span<const array> in);
// The op's node with all its outputs.
Arrays emit_control(const Op& op, ParamsRef params, const Arrays& in);

// ---- Files. Bodies are written by the fields of their nodes.
extern const ParamsType loop_params_type, branch_params_type;
// What is wrong with a body in a file.
struct BodyError : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

// ---- Running (control_run.cpp, loop_run.cpp).
// A loop or branch that may run many times; it holds no memory of arrays meanwhile.
class ControlRun {
 public:
  virtual ~ControlRun() = default;
  // Where the task's operands begin.
  virtual void run(std::span<const LeafBinding> in, std::span<const LeafBinding> out) = 0;
  // Bytes that a loop allocates once for all that its steps write beside temporaries; -1: others
  // allocate in every step.
  virtual int64_t placed_bytes() const { return -1; }
};
// Refers to the task.
std::unique_ptr<ControlRun> make_control_run(const Task& t);
std::unique_ptr<ControlRun> make_loop_run(const Task& t);

}  // namespace olivine
