// Reading the graph through arrays: the primitive that an array is pending on, its inputs, and the
// other outputs.
#include <map>
#include <mutex>

#include "core/error.h"
#include "core/node.h"
#include "ops/primitive_params.h"
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

// The node whose op computes `n`: the tuple of an output. Under the graph lock.
Node* maker_of(Node* n) { return n->op == &output_op ? n->inputs[0] : n; }

std::unique_lock<std::mutex> lock_graph() { return std::unique_lock(process_lock(Lock::graph)); }

}  // namespace

bool array::has_primitive() const {
  auto lock = lock_graph();
  return node_->op != nullptr;
}

std::shared_ptr<Primitive> array::primitive_ptr() const {
  const Op* op = nullptr;
  {
    auto lock = lock_graph();
    if (node_->op) {
      Node* n = maker_of(node_);
      op = n->op;
      if (n->params.is_of(typeid(PrimitiveParams))) {
        return n->params.as<PrimitiveParams>().made.primitive;
      }
    }
  }
  return op ? stand_in(*op) : nullptr;
}
Primitive& array::primitive() const {
  std::shared_ptr<Primitive> p = primitive_ptr();
  if (!p) fail<std::runtime_error>("[primitive] expected an array that is not yet computed");
  return *p;  // kept by the graph, or for good
}
std::uintptr_t array::primitive_id() const {
  auto lock = lock_graph();
  return node_->op ? reinterpret_cast<std::uintptr_t>(maker_of(node_)) : 0;
}

std::vector<array> array::inputs() const {
  auto lock = lock_graph();
  Arrays in;
  if (!node_->op) return in;
  for (Node* n : maker_of(node_)->inputs) in.push_back(share(n));
  return in;
}

int array::sibling_position() const {
  auto lock = lock_graph();
  return node_->op == &output_op ? node_->params.as<OutputParams>().index : 0;
}

std::vector<array> array::outputs() const {
  MaybeArray tuple;
  std::vector<OutSpec> specs;
  int position = 0;
  {
    auto lock = lock_graph();
    if (node_->op != &output_op) return {*this};
    position = node_->params.as<OutputParams>().index;
    tuple = share(node_->inputs[0]);
    for (const TupleOutput& o : *tuple->node()->tuple) specs.push_back(o.spec);
  }
  Arrays all;
  for (int i = 0; i < static_cast<int>(specs.size()); ++i) {
    all.push_back(i == position ? *this
                                : make_node(output_op, make_params(OutputParams{i}), {*tuple},
                                            specs[i].shape, specs[i].dtype));
  }
  return all;
}
std::vector<array> array::siblings() const {
  Arrays all = outputs(), others;
  for (array& a : all) {
    if (a.id() != id()) others.push_back(std::move(a));
  }
  return others;
}

}  // namespace olivine
