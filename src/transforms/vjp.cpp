// Reverse mode: walk from outputs to inputs, adding up cotangents through each op's vjp rule.
#include "core/error.h"
#include "core/location.h"
#include "olivine/ops/creation.h"
#include "olivine/ops/elementwise.h"
#include "olivine/transforms_impl.h"
#include "runtime/profile.h"
#include "transforms/argnums.h"
#include "transforms/graph.h"
#include "transforms/replay.h"

namespace olivine {
namespace {

class Backward {
 public:
  Backward(const Arrays& outputs, const Arrays& inputs)
      : outputs_(outputs),
        inputs_(inputs),
        walk_(walk_tracers(outputs, inputs)),
        cotangents_(walk_.size()),
        tuples_(walk_.size()) {
    auto sources = positions(walk_, inputs);
    depends_ = depends_on(walk_, sources, false);
  }

  Arrays run(const Arrays& cotangents) {
    auto at = positions(walk_, outputs_);
    for (size_t i = 0; i < outputs_.size(); ++i) {
      if (at[i] >= 0) accumulate(cotangents_[at[i]], cotangents[i]);
    }
    for (int32_t i = static_cast<int32_t>(walk_.size()) - 1;
         i >= static_cast<int32_t>(inputs_.size()); --i) {
      if (depends_[i]) step(i);
    }
    Arrays grads;
    auto from = positions(walk_, inputs_);
    for (size_t i = 0; i < inputs_.size(); ++i) {
      MaybeArray& ct = cotangents_[from[i]];
      grads.push_back(ct ? *ct : zeros_like(inputs_[i]));
    }
    return grads;
  }

 private:
  static void accumulate(MaybeArray& total, const array& a) { total = total ? add(*total, a) : a; }

  void step(int32_t i) {
    const WalkEntry& e = walk_[i];
    Node* n = e.node;
    if (n->op == &output_op) {
      if (cotangents_[i] && e.inputs[0] >= 0) {
        auto& slots = tuples_[e.inputs[0]];
        slots.resize((*walk_[e.inputs[0]].node->tuple).size());
        accumulate(slots[n->params.as<OutputParams>().index], *cotangents_[i]);
      }
      cotangents_[i].reset();
      return;
    }
    Arrays out, ct;
    if (n->tuple) {
      if (tuples_[i].empty()) return;
      for (size_t k = 0; k < n->tuple->size(); ++k) {
        const OutSpec& spec = (*n->tuple)[k].spec;
        out.push_back(make_node(output_op, make_params(OutputParams{static_cast<int>(k)}),
                                {share(n)}, spec.shape, spec.dtype));
        ct.push_back(tuples_[i][k] ? *tuples_[i][k] : zeros(spec.shape, spec.dtype));
      }
    } else {
      if (!cotangents_[i] || !is_inexact(n->dtype)) return;
      out.push_back(share(n));
      ct.push_back(*cotangents_[i]);
    }
    cotangents_[i].reset();
    tuples_[i].clear();
    apply(e, out, ct);
  }

  void apply(const WalkEntry& e, const Arrays& out, const Arrays& ct) {
    Node* n = e.node;
    if (!n->op->vjp) fail("[vjp] ", shown_name(*n->op, n->params), " has no derivative");
    Arrays in;
    for (Node* x : n->inputs) in.push_back(share(x));
    auto wanted = std::make_unique<bool[]>(in.size());
    for (size_t k = 0; k < in.size(); ++k) {
      wanted[k] = e.inputs[k] >= 0 && depends_[e.inputs[k]] && is_inexact_or_tuple(in[k]);
    }
    LocationScope of_the_op(n->location);
    MaybeArrays grads = n->op->vjp({*n->op, n->params, in, out, ct, {wanted.get(), in.size()}});
    for (size_t k = 0; k < in.size() && k < grads.size(); ++k) {
      if (wanted[k] && grads[k]) accumulate(cotangents_[e.inputs[k]], *grads[k]);
    }
  }

  static bool is_inexact_or_tuple(const array& a) {
    return a.node()->tuple || is_inexact(a.dtype());
  }

  const Arrays& outputs_;
  const Arrays& inputs_;
  std::vector<WalkEntry> walk_;
  std::vector<bool> depends_;
  std::vector<MaybeArray> cotangents_;
  std::vector<MaybeArrays> tuples_;  // cotangents of the outputs of tuple nodes
};

Arrays make_tracers(const Arrays& inputs) {
  Arrays t;
  t.reserve(inputs.size());
  for (const array& a : inputs) t.push_back(make_tracer(a));
  return t;
}

}  // namespace

std::pair<Arrays, Arrays> vjp(const ArrayFn& fn, const Arrays& primals, const Arrays& cotangents) {
  if (Recording* recording = Recording::running()) {
    auto step = [n = primals.size()](const std::vector<ArrayFn>& fns, const Arrays& in) {
      auto [primals, cotangents] = parted(in, n);
      return joined(vjp(fns[0], primals, cotangents));
    };
    Arrays all = recording->follow({fn}, joined(primals, cotangents), step);
    return parted(all, all.size() - primals.size());
  }
  profile::Scope transforming(profile::Phase::transforming);
  detail::InTracing tracing(false, true);
  Arrays tracers = make_tracers(primals);
  Arrays outputs = fn(tracers);
  if (outputs.size() != cotangents.size()) {
    fail("[vjp] expected one cotangent per output (", outputs.size(), "); got ", cotangents.size());
  }
  Arrays ct;
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (cotangents[i].shape() != outputs[i].shape()) {
      fail("[vjp] expected cotangent ", i, " of shape ", outputs[i].shape(), "; got ",
           cotangents[i].shape());
    }
    ct.push_back(astype(cotangents[i], outputs[i].dtype()));
  }
  Arrays grads = Backward(outputs, tracers).run(ct);
  return {outputs, grads};
}

std::pair<Arrays, Arrays> value_and_grad(const ArrayFn& fn, const Arrays& inputs,
                                         const std::vector<int>& argnums) {
  if (Recording* recording = Recording::running()) {
    auto step = [argnums](const std::vector<ArrayFn>& fns, const Arrays& in) {
      return joined(value_and_grad(fns[0], in, argnums));
    };
    Arrays all = recording->follow({fn}, inputs, step);
    return parted(all, all.size() - argument_positions(argnums, inputs.size(), "grad").size());
  }
  profile::Scope transforming(profile::Phase::transforming);
  std::vector<int> args = argument_positions(argnums, inputs.size(), "grad");
  Arrays primals;
  for (int a : args) {
    if (!is_inexact(inputs[a].dtype())) {
      fail("[grad] expected floating point arguments; got ", inputs[a].dtype(), " for argument ",
           a);
    }
    primals.push_back(inputs[a]);
  }
  detail::InTracing tracing(false, true);
  Arrays tracers = make_tracers(primals);
  Arrays all = inputs;
  for (size_t i = 0; i < args.size(); ++i) all[args[i]] = tracers[i];
  Arrays outputs = fn(all);
  if (outputs.empty()) fail("[grad] expected a function that returns an array; got none");
  if (outputs[0].ndim() != 0) {
    fail("[grad] expected a scalar to differentiate; got shape ", outputs[0].shape());
  }
  Arrays grads = Backward({outputs[0]}, tracers).run({ones_like(outputs[0])});
  return {outputs, grads};
}

std::function<std::pair<Arrays, Arrays>(const Arrays&)> value_and_grad(
    ArrayFn fn, const std::vector<int>& argnums) {
  return [fn = std::move(fn), argnums](const Arrays& inputs) {
    return value_and_grad(fn, inputs, argnums);
  };
}

ArrayFn grad(ArrayFn fn, const std::vector<int>& argnums) {
  return [fn = std::move(fn), argnums](const Arrays& inputs) {
    return value_and_grad(fn, inputs, argnums).second;
  };
}

}  // namespace olivine
