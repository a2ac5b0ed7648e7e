// Functions with the user's own rules, and checkpoint, which is one of them.
//
// A custom function's outputs pass through one tuple node, `custom`, whose inputs are the outputs
// the function computed followed by its primals. It costs nothing to run; its rules call the
// user's.
#include <atomic>

#include "core/checks.h"
#include "core/error.h"
#include "core/location.h"
#include "olivine/ops/random.h"
#include "olivine/ops/reduction.h"
#include "olivine/ops/shape.h"
#include "olivine/transforms.h"
#include "transforms/custom.h"
#include "transforms/graph.h"
#include "transforms/replay.h"

namespace olivine {
namespace {

struct CustomParams {
  int outputs;
  ArrayFn fn;
  CustomRules rules;
  bool is_checkpoint;
  uint64_t call;  // two calls are never the same op
  auto fields() const { return std::tie(call); }
};

std::vector<OutSpec> infer_custom(const ParamsRef& p, std::span<const array> in) {
  std::vector<OutSpec> specs;
  for (int i = 0; i < p.as<CustomParams>().outputs; ++i) {
    specs.push_back({in[i].shape(), in[i].dtype()});
  }
  return specs;
}

Arrays primals_of(const CustomParams& p, std::span<const array> in) {
  return Arrays(in.begin() + p.outputs, in.end());
}

MaybeArrays vjp_custom(const VjpCall& c) {
  const auto& p = c.params.as<CustomParams>();
  LocationScope rules_of_the_user(0);  // whose lines they name
  MaybeArrays grads(c.in.size());
  if (!p.rules.vjp) {
    for (int i = 0; i < p.outputs; ++i) grads[i] = c.ct[i];
    return grads;
  }
  Arrays primals = primals_of(p, c.in);
  Arrays ct =
      p.rules.vjp(primals, Arrays(c.ct.begin(), c.ct.end()), Arrays(c.out.begin(), c.out.end()));
  if (ct.size() != primals.size()) {
    fail("[custom_function] expected the vjp to return one cotangent per input (", primals.size(),
         "); got ", ct.size());
  }
  for (size_t i = 0; i < ct.size(); ++i) grads[p.outputs + i] = ct[i];
  return grads;
}

MaybeArrays jvp_custom(const JvpCall& c) {
  const auto& p = c.params.as<CustomParams>();
  LocationScope rules_of_the_user(0);  // whose lines they name
  MaybeArrays out(p.outputs);
  if (!p.rules.jvp) {
    for (int i = 0; i < p.outputs; ++i) out[i] = c.tangent[i];
    return out;
  }
  Arrays tangents;
  std::vector<int> argnums;
  for (size_t i = p.outputs; i < c.in.size(); ++i) {
    if (!c.tangent[i]) continue;
    tangents.push_back(*c.tangent[i]);
    argnums.push_back(static_cast<int>(i) - p.outputs);
  }
  if (tangents.empty()) return out;
  Arrays result = p.rules.jvp(primals_of(p, c.in), tangents, argnums);
  if (static_cast<int>(result.size()) != p.outputs) {
    fail("[custom_function] expected the jvp to return one tangent per output (", p.outputs,
         "); got ", result.size());
  }
  for (int i = 0; i < p.outputs; ++i) out[i] = result[i];
  return out;
}

Arrays call_custom(const ArrayFn& fn, const CustomRules& rules, const Arrays& outputs,
                   const Arrays& primals, bool is_checkpoint = false);

VmapResult vmap_custom(const VmapCall& c) {
  LocationScope rules_of_the_user(0);  // whose lines they name
  const auto& p = c.params.as<CustomParams>();
  std::vector<int> axes(c.axes.begin() + p.outputs, c.axes.end());
  Arrays primals = primals_of(p, c.in);
  if (p.rules.vmap) {
    auto [out, out_axes] = p.rules.vmap(primals, axes);
    return {out, out_axes};
  }
  // The rules of the mapped function are the mapped rules. Its outputs are mapped along axis 0.
  ArrayFn fn = vmap(p.fn, axes);
  CustomRules rules;
  if (p.rules.vjp) {
    rules.vjp = [vjp = p.rules.vjp, axes, outputs = p.outputs](
                    const Arrays& primals, const Arrays& ct, const Arrays& out) {
      Arrays all = primals;
      all.insert(all.end(), ct.begin(), ct.end());
      all.insert(all.end(), out.begin(), out.end());
      std::vector<int> all_axes = axes;
      all_axes.insert(all_axes.end(), 2 * outputs, 0);
      size_t n = primals.size();
      Arrays grads = vmap(
          [vjp, n, outputs](const Arrays& x) {
            auto at = x.begin() + n;
            return vjp(Arrays(x.begin(), at), Arrays(at, at + outputs),
                       Arrays(at + outputs, x.end()));
          },
          all_axes)(all);
      for (size_t i = 0; i < n; ++i) {
        grads[i] = axes[i] < 0 ? sum(grads[i], 0) : moveaxis(grads[i], 0, axes[i]);
      }
      return grads;
    };
  }
  if (p.rules.jvp) {
    rules.jvp = [jvp = p.rules.jvp, axes](const Arrays& primals, const Arrays& tangents,
                                          const std::vector<int>& argnums) {
      Arrays all = primals;
      all.insert(all.end(), tangents.begin(), tangents.end());
      std::vector<int> all_axes = axes;
      for (int arg : argnums) all_axes.push_back(axes[arg]);
      size_t n = primals.size();
      return vmap(
          [jvp, n, argnums](const Arrays& x) {
            return jvp(Arrays(x.begin(), x.begin() + n), Arrays(x.begin() + n, x.end()), argnums);
          },
          all_axes)(all);
    };
  }
  Arrays outputs = fn(primals);
  return {call_custom(fn, rules, outputs, primals, p.is_checkpoint),
          std::vector<int>(outputs.size(), 0)};
}

const Op custom_op{.name = "custom_function",
                   .infer = infer_custom,
                   .vjp = vjp_custom,
                   .jvp = jvp_custom,
                   .vmap = vmap_custom,
                   .composite =
                       [](const ParamsRef& p, std::span<const array> in) {
                         return Arrays(in.begin(), in.begin() + p.as<CustomParams>().outputs);
                       },
                   .opaque = true};

Arrays call_custom(const ArrayFn& fn, const CustomRules& rules, const Arrays& outputs,
                   const Arrays& primals, bool is_checkpoint) {
  if (outputs.empty()) return outputs;
  Arrays in = outputs;
  in.insert(in.end(), primals.begin(), primals.end());
  static std::atomic<uint64_t> calls{0};
  ParamsRef ref = make_params(
      CustomParams{static_cast<int>(outputs.size()), fn, rules, is_checkpoint, ++calls});
  return make_nodes(custom_op, ref, in, infer_custom(ref, in));
}

// The identity on its first inputs, ordered after the others: keeps the recomputation of a
// checkpoint apart from the first computation, and from starting before it is needed.
const Op barrier_op = [] {
  Op op{.name = "barrier", .kind = OpKind::structural};
  op.infer = [](const ParamsRef&, std::span<const array> in) {
    return std::vector<OutSpec>{{in[0].shape(), in[0].dtype()}};
  };
  op.vjp = [](const VjpCall& c) {
    MaybeArrays g(c.in.size());
    g[0] = c.ct[0];
    return g;
  };
  op.jvp = [](const JvpCall& c) { return MaybeArrays{c.tangent[0]}; };
  op.vmap = [](const VmapCall& c) { return VmapResult{emit(c.op, c.params, c.in), {c.axes[0]}}; };
  op.view = [](const ParamsRef&, const Layout& in, const OutSpec&, Layout& result) {
    result = in;
    return true;
  };
  op.opaque = true;
  op.check = check_any;
  op.any_size = true;
  return op;
}();

}  // namespace

namespace {

// The function again, late.
Arrays recompute(const ArrayFn& fn, const Arrays& primals, const Arrays& cotangents) {
  Arrays late;
  for (const array& p : primals) {
    Arrays in{p};
    in.insert(in.end(), cotangents.begin(), cotangents.end());
    late.push_back(make_node(barrier_op, {}, in, p.shape(), p.dtype()));
  }
  return vjp(fn, late, cotangents).second;
}

}  // namespace

bool is_checkpoint(const Node* n) {
  return n->op == &custom_op && n->params.as<CustomParams>().is_checkpoint;
}

ArrayFn custom_function(ArrayFn fn, CustomRules rules) {
  return [fn = std::move(fn), rules = std::move(rules)](const Arrays& inputs) {
    auto step = [fn, rules](const std::vector<ArrayFn>& fns, const Arrays& in) {
      return call_custom(fn, rules, fns[0](in), in);
    };
    if (Recording* recording = Recording::running()) return recording->follow({fn}, inputs, step);
    return step({fn}, inputs);
  };
}

namespace {

// `outputs_of` computes the outputs now, `fn` again later.
Arrays call_checkpoint(const ArrayFn& fn, const ArrayFn& outputs_of, const Arrays& inputs) {
  random::Draws drawn;
  Arrays outputs = outputs_of(inputs);
  // With the random numbers that it had the first time, whatever other threads draw meanwhile.
  // Their keys are inputs, since they may be values of a trace.
  size_t count = inputs.size();
  ArrayFn again = [fn, count](const Arrays& in) {
    random::Draws replay(Arrays(in.begin() + count, in.end()));
    return fn(Arrays(in.begin(), in.begin() + count));
  };
  Arrays primals = inputs;
  primals.insert(primals.end(), drawn.keys().begin(), drawn.keys().end());
  CustomRules rules;
  rules.vjp = [again](const Arrays& primals, const Arrays& cotangents, const Arrays&) {
    return recompute(again, primals, cotangents);
  };
  return call_custom(again, rules, outputs, primals, true);
}

}  // namespace

ArrayFn checkpoint(ArrayFn fn) {
  return [fn = std::move(fn)](const Arrays& inputs) {
    Recording* recording = Recording::running();
    if (!recording) return call_checkpoint(fn, fn, inputs);
    auto step = [fn](const std::vector<ArrayFn>& fns, const Arrays& in) {
      return call_checkpoint(fn, fns[0], in);
    };
    return recording->follow({fn}, inputs, step);
  };
}

}  // namespace olivine
