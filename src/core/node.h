// Node: one vertex of the lazy graph, what an array's handle points to.
//
// A node is `pending` (op, inputs) or `done` (buffer, strides, offset). shape, dtype and op outputs
// never change; op, params, inputs, strides, offset and buffer change only in the evaluator under
// its graph lock. An op of several outputs is one tuple node without a value, read by one `output`
// node per output. Nodes are freed without recursion.
#pragma once

#include <atomic>
#include <memory>

#include "core/op.h"
#include "runtime/allocator.h"

namespace olivine {

struct TupleOutput {
  OutSpec spec;
  Strides strides;
  int64_t offset = 0;
  BufferRef buffer;  // set by the evaluator
};

enum class NodeState : uint8_t { pending, claimed, done };

struct Node {
  std::atomic<uint32_t> refs{1};
  std::atomic<NodeState> state{NodeState::pending};
  std::atomic<bool> tracer{false};  // depends on the input of a running transformation
  bool placeholder = false;         // stands for a value to come; evaluating it is an error
  bool of_shapeless_trace = false;  // made while a function was traced for any sizes
  bool in_step = false;             // and within a step of its recording (transforms/replay.h)
  Dtype dtype;
  bool has_event = false;  // array::attach_event
  bool has_edits = false;  // array::inputs() and others gave references to write through
  bool announced = false;  // array::set_status(evaluated): its values are still to come
  uint16_t stream = 0;
  uint32_t location = 0;  // where the user made it (core/location.h)
  const Op* op = nullptr;
  ParamsRef params;
  SmallVector<Node*, 3> inputs;  // each holds a reference
  Shape shape;
  Strides strides;
  int64_t offset = 0;
  BufferRef buffer;
  std::unique_ptr<std::vector<TupleOutput>> tuple;
  // Scratch of whoever walks the graph under the graph lock.
  uint32_t mark = 0;
  uint32_t index = 0;
  uint32_t claim = 0;  // the evaluation that is computing it

  explicit Node(Dtype t) : dtype(t) {}

  void retain() { refs.fetch_add(1, std::memory_order_relaxed); }
  void release() {
    if (refs.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy(this);
  }
  bool done() const { return state.load(std::memory_order_acquire) == NodeState::done; }
  int64_t size() const {
    int64_t n = 1;
    for (int64_t d : shape) n *= d;
    return n;
  }
  void* data() const { return static_cast<char*>(buffer->data) + offset * int64_t(dtype.size()); }
  // Gives up op, parameters and inputs. The caller lets them die outside of every lock, since the
  // parameters may own a user's objects.
  struct Detached {
    ParamsRef params;
    SmallVector<Node*, 3> inputs;
    Detached() = default;
    Detached(Detached&&) = default;
    Detached& operator=(Detached&&) = default;
    ~Detached() {
      for (Node* in : inputs) in->release();
    }
  };
  Detached detach();

  static Node* create(Dtype t);
  OLIVINE_API static void destroy(Node* n);
};

// Drops the event that was attached to a node.
void forget_event(Node* n);

// Edits through references that arrays gave (array::inputs() and others). Before anything reads
// the graph, what was written since is put into the nodes; most programs write nothing.
inline std::atomic<int> nodes_with_edits{0};
void apply_all_edits();
inline void apply_edits() {
  if (nodes_with_edits.load(std::memory_order_relaxed) != 0) [[unlikely]]
    apply_all_edits();
}
void forget_edits(Node* n);

// A computed array over `buffer`.
OLIVINE_API array make_done(BufferRef buffer, Shape shape, Strides strides, int64_t offset,
                            Dtype dtype);
OLIVINE_API array make_done(BufferRef buffer, Shape shape, Dtype dtype);
// Stands for an input while a function is traced.
array make_placeholder(Shape shape, Dtype dtype);
// An array that means `a` but is a fresh, marked input of a transformation: `identity` of it.
extern const Op identity_op;
array make_tracer(const array& a);

inline array share(Node* n) {
  n->retain();
  return array(array::Adopt{}, n);
}

// How many transformations are running: while any is, tracer nodes keep their graph when evaluated.
std::atomic<int>& active_tracings();
struct Tracing {
  Tracing() { enter(); }
  ~Tracing() { leave(); }
  Tracing(const Tracing&) = delete;

  static void enter() {
    active_tracings().fetch_add(1, std::memory_order_relaxed);
    ++here;
  }
  static void leave() {
    --here;
    active_tracings().fetch_sub(1, std::memory_order_relaxed);
  }
  inline static thread_local constinit int here = 0;  // of this thread
};
// Between the two, evaluations on this thread keep the graph of all nodes.
struct Retention {
  static void enter() {
    active.fetch_add(1, std::memory_order_relaxed);
    ++here;
  }
  static void leave() {
    --here;
    active.fetch_sub(1, std::memory_order_relaxed);
  }
  static bool running() { return active.load(std::memory_order_relaxed) > 0 && here > 0; }

  inline static std::atomic<int> active{0};  // of all threads: spares the others a look at `here`
  inline static thread_local constinit int here = 0;
};
// Whether a node keeps its op and inputs when it is evaluated.
inline bool keeps_graph(const Node* n) {
  return (n->tracer && active_tracings().load(std::memory_order_relaxed) > 0) ||
         Retention::running();
}

class Recording;
// While a function is traced for any sizes: the ops that know a form without sizes take it, and
// whoever turns a size into something else says so with note_size_read. Within a step of its
// recording neither is needed, since the step runs again for other sizes. One per thread, nested.
struct OLIVINE_API ShapelessTrace {
  explicit ShapelessTrace(Recording* r = nullptr) : recording(r), outer(current) { current = this; }
  ~ShapelessTrace() { current = outer; }
  ShapelessTrace(const ShapelessTrace&) = delete;
  Recording* const recording;        // transforms/replay.h; may be none
  bool in_step = false;              // of the recording
  const char* sizes_read = nullptr;  // by what, once they were

  static ShapelessTrace* here();
  static bool running() {
    const ShapelessTrace* trace = here();
    return trace && !trace->in_step;
  }

 private:
  ShapelessTrace* outer;
  static thread_local constinit ShapelessTrace* current;
};
// A size of `a` becomes a value: if `a` is of the running trace, that holds for its sizes only.
OLIVINE_API void note_size_read(const array& a, const char* by);

// Reads output `index` of its one input, a tuple node.
extern const Op output_op;
struct OutputParams {
  int index;
  auto fields() const { return std::tie(index); }
};

}  // namespace olivine
