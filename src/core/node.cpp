// Making, sharing and freeing nodes. Freed nodes are kept in a per-thread list for the next ones.
#include "core/node.h"

#include <new>

#include "core/location.h"
#include "core/size.h"
#include "runtime/stream.h"

namespace olivine {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr uint32_t kMaxFree = 0;
#else
constexpr uint32_t kMaxFree = 1 << 14;
#endif

struct FreeList {
  void* head = nullptr;
  uint32_t count = 0;
  uint32_t limit = kMaxFree;
};
thread_local constinit FreeList free_list;

// Gives the list back when its thread ends; nodes freed later go straight to the system.
struct FreeListOwner {
  ~FreeListOwner() {
    free_list.limit = 0;
    while (void* p = free_list.head) {
      free_list.head = *static_cast<void**>(p);
      ::operator delete(p);
    }
  }
};

void* take_block() {
  if (void* p = free_list.head) {
    free_list.head = *static_cast<void**>(p);
    --free_list.count;
    return p;
  }
  return ::operator new(sizeof(Node));
}

void give_block(void* p) {
  thread_local FreeListOwner owner;
  (void)owner;
  if (free_list.count >= free_list.limit) return ::operator delete(p);
  *static_cast<void**>(p) = free_list.head;
  free_list.head = p;
  ++free_list.count;
}

}  // namespace

thread_local constinit ShapelessTrace* ShapelessTrace::current = nullptr;

ShapelessTrace* ShapelessTrace::here() { return current; }

void note_size_read(const array& a, const char* by) {
  ShapelessTrace* trace = ShapelessTrace::here();
  if (!trace || trace->in_step) return;
  if (a.node()->tracer && a.node()->of_shapeless_trace) trace->sizes_read = by;
}

Node* Node::create(Dtype t) {
  Node* n = new (take_block()) Node(t);
  if (const ShapelessTrace* trace = ShapelessTrace::here()) [[unlikely]] {
    n->of_shapeless_trace = true;
    n->in_step = trace->in_step;
  }
  return n;
}

void Node::destroy(Node* n) {
  SmallVector<Node*, 16> dead;
  dead.push_back(n);
  while (!dead.empty()) {
    n = dead.back();
    dead.pop_back();
    for (Node* in : n->inputs) {
      if (in->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) dead.push_back(in);
    }
    if (n->has_event) [[unlikely]]
      forget_event(n);
    if (n->has_edits) [[unlikely]]
      forget_edits(n);
    n->~Node();
    give_block(n);
  }
}

Node::Detached Node::detach() {
  Detached d;
  tracer.store(false, std::memory_order_relaxed);  // a constant from now on
  op = nullptr;
  d.params = std::move(params);
  params = {};
  d.inputs = std::move(inputs);
  inputs.clear();
  return d;
}

std::atomic<int>& active_tracings() {
  static std::atomic<int> count{0};
  return count;
}

namespace {

Node* new_pending(const Op& op, ParamsRef&& params, std::span<const array> in, Dtype dtype,
                  StreamOrDevice s) {
  Node* n = Node::create(dtype);
  n->op = &op;
  n->params = std::move(params);
  n->inputs.reserve(in.size());
  bool tracer = false;
  for (const array& a : in) {
    Node* i = a.node();
    i->retain();
    n->inputs.push_back(i);
    tracer |= i->tracer.load(std::memory_order_relaxed);
  }
  n->tracer.store(tracer, std::memory_order_relaxed);
  n->stream = static_cast<uint16_t>(s.index() < 0 ? default_stream_index() : s.index());
  n->location = capture_location();
  return n;
}

}  // namespace

array make_node(const Op& op, ParamsRef params, std::span<const array> in, Shape shape, Dtype dtype,
                StreamOrDevice s) {
  element_count(shape);
  Node* n = new_pending(op, std::move(params), in, dtype, s);
  n->shape = std::move(shape);
  return array(array::Adopt{}, n);
}

Arrays make_nodes(const Op& op, ParamsRef params, std::span<const array> in,
                  std::vector<OutSpec> outs, StreamOrDevice s) {
  array tuple(array::Adopt{}, new_pending(op, std::move(params), in, bool_, s));
  auto slots = std::make_unique<std::vector<TupleOutput>>();
  for (auto& o : outs) {
    element_count(o.shape);
    slots->push_back({o, {}, 0, {}});
  }
  tuple.node()->tuple = std::move(slots);
  Arrays result;
  result.reserve(outs.size());
  for (size_t i = 0; i < outs.size(); ++i) {
    result.push_back(make_node(output_op, make_params(OutputParams{static_cast<int>(i)}), {tuple},
                               outs[i].shape, outs[i].dtype, s));
  }
  return result;
}

array make_elementwise(const Op& op, std::span<const array> in, Dtype dtype, StreamOrDevice s) {
  Shape shape = in[0].shape();
  for (size_t i = 1; i < in.size(); ++i) {
    const Shape& other = in[i].shape();
    if (!(shape == other)) shape = broadcast_shapes(shape, other, op.name);
  }
  return make_node(op, {}, in, std::move(shape), dtype, s);
}

Arrays emit(const Op& op, const ParamsRef& params, std::span<const array> in) {
  auto specs = op.infer(params, in);
  if (specs.size() == 1) {
    return {make_node(op, params, in, std::move(specs[0].shape), specs[0].dtype)};
  }
  return make_nodes(op, params, in, std::move(specs));
}

array make_done(BufferRef buffer, Shape shape, Strides strides, int64_t offset, Dtype dtype) {
  Node* n = Node::create(dtype);
  n->shape = std::move(shape);
  n->strides = std::move(strides);
  n->offset = offset;
  n->buffer = std::move(buffer);
  n->state.store(NodeState::done, std::memory_order_release);
  return array(array::Adopt{}, n);
}

array make_done(BufferRef buffer, Shape shape, Dtype dtype) {
  Strides strides = row_major(shape);
  return make_done(std::move(buffer), std::move(shape), std::move(strides), 0, dtype);
}

array make_placeholder(Shape shape, Dtype dtype) {
  Node* n = Node::create(dtype);
  n->shape = std::move(shape);
  n->tracer = true;
  n->placeholder = true;
  return array(array::Adopt{}, n);
}

// The identity: gives a transformation's input a node of its own. Traces leave it out, so that
// files never have it.
const Op identity_op = structural(
    "identity", {.infer =
                     [](const ParamsRef&, std::span<const array> in) {
                       return std::vector<OutSpec>{{in[0].shape(), in[0].dtype()}};
                     },
                 .transpose = [](const VjpCall& c) { return MaybeArrays{c.ct[0]}; },
                 .vmap =
                     [](const VmapCall& c) {
                       return VmapResult{{c.in[0]}, {c.axes[0]}};
                     },
                 .view =
                     [](const ParamsRef&, const Layout& in, const OutSpec&, Layout& result) {
                       result = in;
                       return true;
                     },
                 .any_size = true});

array make_tracer(const array& a) {
  array t = make_node(identity_op, {}, {a}, a.shape(), a.dtype());
  t.node()->tracer = true;
  return t;
}

const Op output_op{.name = "output"};

}  // namespace olivine
