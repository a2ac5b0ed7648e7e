// Bodies of loops and branches among an op's parameters, in files.
//
// A body is written as lists: its inputs; its ops, each by name with the numbers of its inputs, its
// parameters, and the shapes and dtypes of its outputs; the numbers of its outputs. Values are
// numbered as in the file's traces, and a body needs no constants, so that it holds in any trace.
// What is read may be anybody's: numbers are checked before they are used, and ops as in
// import.cpp.
#include <algorithm>
#include <unordered_map>

#include "core/checks.h"
#include "core/error.h"
#include "core/size.h"
#include "transforms/control.h"
#include "transforms/custom.h"
#include "transforms/export_format.h"

namespace olivine {
namespace {

constexpr int kDeepest = 32;  // bodies within bodies
thread_local constinit int depth = 0;
struct Deeper {
  Deeper() {
    if (++depth > kDeepest) {
      --depth;
      throw BodyError(message("expected loops nested at most ", kDeepest, " deep"));
    }
  }
  ~Deeper() { --depth; }
};

void write_spec(FieldWriter& w, const OutSpec& s) {
  w.dtype(s.dtype);
  fields::write(w, s.shape);
}
OutSpec read_spec(FieldReader& r) {
  OutSpec s{{}, r.dtype()};
  fields::read(r, s.shape);
  if (s.shape.size() > exported::kMaxRank) {
    throw BodyError(message("expected at most ", exported::kMaxRank, " axes in a body"));
  }
  int64_t bytes = static_cast<int64_t>(s.dtype.size());
  for (int64_t d : s.shape) {
    if (d < 0 || __builtin_mul_overflow(bytes, std::max<int64_t>(d, 1), &bytes)) {
      throw BodyError("expected sizes that fit in 64 bits in a body");
    }
  }
  return s;
}

std::vector<OutSpec> specs_of(const Node* n) {
  std::vector<OutSpec> specs;
  if (!n->tuple) return {{n->shape, n->dtype}};
  for (const TupleOutput& o : *n->tuple) specs.push_back(o.spec);
  return specs;
}

void write_body(FieldWriter& w, const PlannedGraph& body) {
  Deeper deeper;
  const TracedGraph& g = *body.traced;
  std::unordered_map<Node*, int64_t> number;  // of a tuple: that of its first output
  std::vector<Node*> ops;
  int64_t next = 0;
  w.list(g.placeholders.size());
  for (const array& a : g.placeholders) {
    number.emplace(a.node(), next++);
    write_spec(w, spec_of(a));
  }
  for (const WalkEntry& e : g.walk) {
    Node* n = e.node;
    if (number.count(n)) continue;
    if (n->op == &output_op) {
      Node* tuple = n->inputs[0];
      int64_t index = n->params.as<OutputParams>().index;
      // A checkpoint computes nothing: its outputs are its first inputs.
      number[n] = is_checkpoint(tuple) ? number.at(tuple->inputs[static_cast<size_t>(index)])
                                       : number.at(tuple) + index;
    } else if (!is_checkpoint(n)) {
      check_exportable(n);
      ops.push_back(n);
      number[n] = next;
      next += n->tuple ? static_cast<int64_t>(n->tuple->size()) : 1;
    }
  }
  w.list(ops.size());
  for (Node* n : ops) {
    w.text(n->op->name);
    w.list(n->inputs.size());
    for (Node* in : n->inputs) w.integer(number.at(in));
    if (n->params) n->op->params->write(n->params, w);
    std::vector<OutSpec> specs = specs_of(n);
    w.list(specs.size());
    for (const OutSpec& s : specs) write_spec(w, s);
  }
  w.list(g.outputs.size());
  for (const array& a : g.outputs) w.integer(number.at(a.node()));
}

const Op& op_of(const std::string& name) {
  for (const Op* op : all_ops()) {
    if (op->name == name && can_be_exported(*op)) return *op;
  }
  throw BodyError("expected ops of this version in a body");
}

const array& value_of(FieldReader& r, const Arrays& values) {
  int64_t i = r.integer();
  if (i < 0 || i >= static_cast<int64_t>(values.size())) {
    throw BodyError(
        message("expected a value that a body made before, of ", values.size(), "; got ", i));
  }
  return values[static_cast<size_t>(i)];
}

void read_op(FieldReader& r, Arrays& values) {
  const Op& op = op_of(r.text());
  Arrays in;
  for (size_t n = r.list(); n > 0; --n) in.push_back(value_of(r, values));
  ParamsRef params = op.params ? op.params->read(r) : ParamsRef();
  std::vector<OutSpec> stored, specs;
  for (size_t n = r.list(); n > 0; --n) stored.push_back(read_spec(r));
  // What has no inputs is computed before the loop.
  if (in.empty()) throw BodyError(message("expected inputs of ", op.name, " in a body; got none"));
  try {
    check_op(op, params, in);
    specs = op.infer(params, in);
    for (const OutSpec& s : specs) {
      checked_mul(element_count(s.shape, op.name), static_cast<int64_t>(s.dtype.size()), op.name);
    }
  } catch (const std::exception& e) {
    throw BodyError(e.what());
  }
  bool equal = !specs.empty() && std::ranges::equal(specs, stored, [](auto& a, auto& b) {
    return a.shape == b.shape && a.dtype == b.dtype;
  });
  if (!equal) throw BodyError(message(op.name, " in a body has other outputs than the file says"));
  if (specs.size() > 1) {
    for (array& a : make_nodes(op, params, in, specs)) values.push_back(std::move(a));
  } else {
    values.push_back(make_node(op, params, in, specs[0].shape, specs[0].dtype));
  }
}

std::shared_ptr<PlannedGraph> read_body(FieldReader& r) {
  Deeper deeper;
  auto g = std::make_shared<TracedGraph>();
  Arrays values;
  for (size_t n = r.list(); n > 0; --n) {
    OutSpec s = read_spec(r);
    g->placeholders.push_back(make_placeholder(std::move(s.shape), s.dtype));
    values.push_back(g->placeholders.back());
  }
  for (size_t n = r.list(); n > 0; --n) read_op(r, values);
  for (size_t n = r.list(); n > 0; --n) g->outputs.push_back(value_of(r, values));
  finish_graph(*g);
  auto planned = std::make_shared<PlannedGraph>();
  planned->traced = std::move(g);
  return planned;
}

}  // namespace

const ParamsType loop_params_type{
    typeid(LoopParams),
    [](const ParamsRef& ref, FieldWriter& w) {
      const auto& p = ref.as<LoopParams>();
      write_body(w, *p.body);
      auto rest = std::tie(p.constants, p.xs, p.carry, p.length, p.until, p.reverse, p.counts,
                           p.first, p.stacks);
      fields::write(w, rest);
    },
    [](FieldReader& r) {
      LoopParams p;
      p.body = read_body(r);
      auto rest = std::tie(p.constants, p.xs, p.carry, p.length, p.until, p.reverse, p.counts,
                           p.first, p.stacks);
      fields::read(r, rest);
      return make_params(std::move(p));
    }};

const ParamsType branch_params_type{typeid(BranchParams),
                                    [](const ParamsRef& ref, FieldWriter& w) {
                                      const auto& p = ref.as<BranchParams>();
                                      w.list(p.branches.size());
                                      for (const auto& b : p.branches) write_body(w, *b);
                                    },
                                    [](FieldReader& r) {
                                      BranchParams p;
                                      for (size_t n = r.list(); n > 0; --n) {
                                        p.branches.push_back(read_body(r));
                                      }
                                      return make_params(std::move(p));
                                    }};

}  // namespace olivine
