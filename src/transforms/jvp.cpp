// Forward mode: walk from inputs to outputs, pushing tangents through each op's jvp rule.
#include "core/error.h"
#include "core/location.h"
#include "olivine/ops/creation.h"
#include "olivine/ops/elementwise.h"
#include "olivine/transforms_impl.h"
#include "runtime/profile.h"
#include "transforms/graph.h"
#include "transforms/replay.h"

namespace olivine {
namespace {

// The tangents of one op's outputs (one entry unless it is a tuple).
MaybeArrays push_forward(const WalkEntry& e, const std::vector<MaybeArrays>& tangents) {
  Node* n = e.node;
  size_t outputs = n->tuple ? n->tuple->size() : 1;
  if (n->op == &output_op) {
    const MaybeArrays& from = tangents[e.inputs[0]];
    return {from.empty() ? MaybeArray() : from[n->params.as<OutputParams>().index]};
  }
  Arrays in, out;
  MaybeArrays t(n->inputs.size());
  bool any = false;
  for (size_t k = 0; k < n->inputs.size(); ++k) {
    in.push_back(share(n->inputs[k]));
    if (e.inputs[k] < 0 || tangents[e.inputs[k]].empty()) continue;
    if (!n->inputs[k]->tuple && is_inexact(in[k].dtype())) t[k] = tangents[e.inputs[k]][0];
    any |= t[k].has_value();
  }
  if (!any) return MaybeArrays(outputs);
  if (!n->op->jvp) fail("[jvp] ", shown_name(*n->op, n->params), " has no derivative");
  if (n->tuple) {
    for (size_t k = 0; k < outputs; ++k) {
      const OutSpec& spec = (*n->tuple)[k].spec;
      out.push_back(make_node(output_op, make_params(OutputParams{static_cast<int>(k)}), {share(n)},
                              spec.shape, spec.dtype));
    }
  } else {
    out.push_back(share(n));
  }
  LocationScope of_the_op(n->location);
  return n->op->jvp({*n->op, n->params, in, out, t});
}

}  // namespace

std::pair<Arrays, Arrays> jvp(const ArrayFn& fn, const Arrays& primals, const Arrays& tangents) {
  if (primals.size() != tangents.size()) {
    fail("[jvp] expected one tangent per primal (", primals.size(), "); got ", tangents.size());
  }
  if (Recording* recording = Recording::running()) {
    auto step = [n = primals.size()](const std::vector<ArrayFn>& fns, const Arrays& in) {
      auto [primals, tangents] = parted(in, n);
      return joined(jvp(fns[0], primals, tangents));
    };
    Arrays all = recording->follow({fn}, joined(primals, tangents), step);
    return parted(all, all.size() / 2);
  }
  profile::Scope transforming(profile::Phase::transforming);
  detail::InTracing tracing(false, true);
  Arrays tracers;
  for (size_t i = 0; i < primals.size(); ++i) {
    if (primals[i].shape() != tangents[i].shape()) {
      fail("[jvp] expected tangent ", i, " of shape ", primals[i].shape(), "; got ",
           tangents[i].shape());
    }
    tracers.push_back(make_tracer(primals[i]));
  }
  Arrays outputs = fn(tracers);
  auto walk = walk_tracers(outputs, tracers);
  auto sources = positions(walk, tracers);
  auto depends = depends_on(walk, sources, false);
  std::vector<MaybeArrays> t(walk.size());
  for (size_t i = 0; i < tracers.size(); ++i) {
    if (is_inexact(primals[i].dtype())) {
      t[sources[i]] = {astype(tangents[i], primals[i].dtype())};
    }
  }
  for (size_t i = tracers.size(); i < walk.size(); ++i) {
    if (depends[i]) t[i] = push_forward(walk[i], t);
  }
  Arrays result;
  auto at = positions(walk, outputs);
  for (size_t i = 0; i < outputs.size(); ++i) {
    bool found = at[i] >= 0 && !t[at[i]].empty() && t[at[i]][0];
    result.push_back(found ? *t[at[i]][0] : zeros_like(outputs[i]));
  }
  return {outputs, result};
}

}  // namespace olivine
