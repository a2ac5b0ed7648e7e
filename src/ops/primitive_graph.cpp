// Reading the graph through arrays: the primitive that an array is pending on, its inputs, and the
// other outputs.
#include "ops/primitive_graph.h"

#include <map>
#include <mutex>

#include "core/error.h"
#include "runtime/process_locks.h"

namespace olivine {
namespace {

// For an op of Olivine's own: it has a name, and its rules stay the record's.
class NamedOp final : public Primitive {
 public:
  explicit NamedOp(const char* name) : Primitive(Stream(0, Device())), name_(name) {}
  const char* name() const override { return name_; }
  void eval_cpu(const std::vector<array>&, std::vector<array>&) override {
    fail<std::runtime_error>("[", name_, "] is an op of Olivine's own, which eval() runs");
  }

 private:
  const char* name_;
};

std::shared_ptr<Primitive> stand_in(const Op& op) {
  static auto* made = new std::map<const Op*, std::shared_ptr<Primitive>>;  // never destroyed
  std::lock_guard lock(process_lock(Lock::records));
  std::shared_ptr<Primitive>& p = (*made)[&op];
  if (!p) p = std::make_shared<NamedOp>(op.name);
  return p;
}

std::unique_lock<std::mutex> lock_graph() { return std::unique_lock(process_lock(Lock::graph)); }

}  // namespace

bool is_stand_in(const Primitive& p) { return dynamic_cast<const NamedOp*>(&p) != nullptr; }

std::shared_ptr<Primitive> graph_primitive(const array& a) {
  const Op* op = nullptr;
  {
    auto lock = lock_graph();
    if (a.node()->op) {
      Node* n = maker_of(a.node());
      op = n->op;
      if (n->params.is_of(typeid(PrimitiveParams))) {
        return n->params.as<PrimitiveParams>().made.primitive;
      }
    }
  }
  return op ? stand_in(*op) : nullptr;
}

array graph_maker(const array& a) {
  auto lock = lock_graph();
  return share(maker_of(a.node()));
}

Arrays graph_inputs(const array& a) {
  auto lock = lock_graph();
  Arrays in;
  if (!a.node()->op) return in;
  for (Node* n : maker_of(a.node())->inputs) in.push_back(share(n));
  return in;
}

int graph_position(const array& a) {
  auto lock = lock_graph();
  return a.node()->op == &output_op ? a.node()->params.as<OutputParams>().index : 0;
}

Arrays graph_outputs(const array& a) {
  MaybeArray tuple;
  std::vector<OutSpec> specs;
  int position = 0;
  {
    auto lock = lock_graph();
    Node* n = a.node();
    if (n->op != &output_op) return {a};
    position = n->params.as<OutputParams>().index;
    tuple = share(n->inputs[0]);
    for (const TupleOutput& o : *tuple->node()->tuple) specs.push_back(o.spec);
  }
  Arrays all;
  for (int i = 0; i < static_cast<int>(specs.size()); ++i) {
    all.push_back(i == position ? a
                                : make_node(output_op, make_params(OutputParams{i}), {*tuple},
                                            specs[i].shape, specs[i].dtype));
  }
  return all;
}

Arrays graph_siblings(const array& a) {
  Arrays others = graph_outputs(a);
  std::erase_if(others, [&](const array& o) { return o.id() == a.id(); });
  return others;
}

bool array::has_primitive() const {
  apply_edits();
  auto lock = lock_graph();
  return node_->op != nullptr;
}
Primitive& array::primitive() const {
  apply_edits();
  std::shared_ptr<Primitive> p = graph_primitive(*this);
  if (!p) fail<std::runtime_error>("[primitive] expected an array that is not yet computed");
  return *p;  // kept by the graph, or for good
}
std::uintptr_t array::primitive_id() const {
  apply_edits();
  auto lock = lock_graph();
  return node_->op ? reinterpret_cast<std::uintptr_t>(maker_of(node_)) : 0;
}
std::vector<array> array::inputs() const {
  apply_edits();
  return graph_inputs(*this);
}
int array::sibling_position() const {
  apply_edits();
  return graph_position(*this);
}
std::vector<array> array::outputs() const {
  apply_edits();
  return graph_outputs(*this);
}
std::vector<array> array::siblings() const {
  apply_edits();
  return graph_siblings(*this);
}

}  // namespace olivine
