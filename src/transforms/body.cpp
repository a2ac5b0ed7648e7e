// Bodies of loops and branches: tracing them, and calling them as functions again.
#include <algorithm>

#include "core/error.h"
#include "ops/random_scope.h"
#include "transforms/control.h"

namespace olivine {

OutSpec spec_of(const array& a) { return {a.shape(), a.dtype()}; }

OutSpec slice_spec(const array& a) {
  return {Shape(a.shape().begin() + 1, a.shape().end()), a.dtype()};
}

TracedBody trace_body(const ArrayFn& fn, const std::vector<OutSpec>& args, bool keyed) {
  Tracing tracing;
  TracedBody traced;
  Arrays inputs, outputs;
  for (const OutSpec& s : args) inputs.push_back(make_placeholder(s.shape, s.dtype));
  if (keyed) {
    random::KeyScope draws(inputs.back());
    outputs = fn(Arrays(inputs.begin(), inputs.end() - 1));
    traced.draws = draws.rest().has_value();
    if (traced.draws) {
      outputs.push_back(*draws.rest());
    } else {
      inputs.pop_back();
    }
  } else {
    outputs = fn(inputs);
  }
  traced.body = std::make_shared<PlannedGraph>();
  traced.body->traced = close_graph(inputs, outputs, traced.captured);
  return traced;
}

Arrays call_body(const PlannedGraph& body, const Arrays& inputs) {
  return inline_graph(*body.traced, inputs);
}

std::vector<bool> body_depends(const PlannedGraph& body, const std::vector<bool>& inputs) {
  const TracedGraph& g = *body.traced;
  auto walk = walk_tracers(g.outputs, g.placeholders);
  std::vector<int32_t> sources = positions(walk, g.placeholders);
  for (size_t i = 0; i < sources.size(); ++i) {
    if (!inputs[i]) sources[i] = -1;
  }
  std::vector<bool> depends = depends_on(walk, sources, true), found;
  for (int32_t p : positions(walk, g.outputs)) found.push_back(p >= 0 && depends[p]);
  return found;
}

bool bodies_any_size(const Op& op, const ParamsRef& params) {
  auto holds = [](const std::shared_ptr<PlannedGraph>& body) {
    return std::ranges::all_of(body->traced->walk, [](const WalkEntry& w) {
      const Op* inner = w.node->op;
      return !inner || inner == &output_op || inner->any_size ||
             (is_control(*inner) && bodies_any_size(*inner, w.node->params));
    });
  };
  if (is_loop(op)) return holds(params.as<LoopParams>().body);
  return std::ranges::all_of(params.as<BranchParams>().branches, holds);
}

static std::shared_ptr<PlannedGraph> resized_body(const PlannedGraph& body, const Arrays& inputs) {
  auto out = std::make_shared<PlannedGraph>();
  out->traced = resized(*body.traced, inputs);
  return out;
}

ParamsRef resized_bodies(const Op& op, const ParamsRef& params, std::span<const array> in) {
  if (!is_loop(op)) {
    BranchParams p = params.as<BranchParams>();
    for (auto& b : p.branches) b = resized_body(*b, Arrays(in.begin() + 1, in.end()));
    return make_params(std::move(p));
  }
  LoopParams p = params.as<LoopParams>();
  const auto xs = in.begin() + p.constants, carry = xs + p.xs;
  Arrays inputs(in.begin(), xs);
  if (p.counts) inputs.push_back(p.body->traced->placeholders[p.constants]);
  for (const array& x : std::span(xs, carry)) {
    OutSpec s = slice_spec(x);
    inputs.push_back(make_placeholder(s.shape, s.dtype));
  }
  inputs.insert(inputs.end(), carry, in.end());
  if (p.xs > 0) p.length = xs->shape(0);
  p.body = resized_body(*p.body, inputs);
  return make_params(std::move(p));
}

Arrays emit_control(const Op& op, ParamsRef params, const Arrays& in) {
  return make_nodes(op, params, in, op.infer(params, in));
}

}  // namespace olivine
