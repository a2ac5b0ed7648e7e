// Branches: the record of `branch`, its derivatives and batching.
//
// The derivative of a choice is a choice of derivatives, by the same index. A batch of indices has
// all branches computed and selects among the results.
#include "core/checks.h"
#include "core/error.h"
#include "olivine/ops/creation.h"
#include "olivine/ops/elementwise.h"
#include "olivine/ops/random.h"
#include "olivine/ops/shape.h"
#include "transforms/loop.h"

namespace olivine {
namespace {

using Branches = std::vector<std::shared_ptr<PlannedGraph>>;

const Branches& branches_of(const ParamsRef& p) { return p.as<BranchParams>().branches; }

bool same_specs(const Arrays& a, const Arrays& b) {
  return std::ranges::equal(a, b, [](const array& x, const array& y) {
    return x.shape() == y.shape() && x.dtype() == y.dtype();
  });
}

std::vector<OutSpec> infer_branch(const ParamsRef& p, std::span<const array>) {
  std::vector<OutSpec> specs;
  for (const array& a : branches_of(p)[0]->traced->outputs) specs.push_back(spec_of(a));
  return specs;
}

void check_branch(const CheckCall& c) {
  const Branches& branches = branches_of(c.params);
  require(c, !branches.empty(), "at least one branch");
  expect_inputs(c, 1, size_t{1} << 30);
  require(c, c.in[0].ndim() == 0 && c.in[0].dtype() == int32, "an index that is one int32");
  Arrays operands(c.in.begin() + 1, c.in.end());
  for (const auto& b : branches) {
    require(c, same_specs(b->traced->placeholders, operands), "inputs as the branches'");
    require(c, same_specs(b->traced->outputs, branches[0]->traced->outputs),
            "branches that return arrays of equal shapes and dtypes");
  }
}

// The functions of the branches on (operands, more), where `with` makes each of the branch's body.
using MakeBranch = std::function<ArrayFn(std::shared_ptr<PlannedGraph>)>;
Arrays choose_made(const ParamsRef& params, const array& index, const Arrays& operands,
                   const MakeBranch& make) {
  std::vector<ArrayFn> fns;
  for (const auto& b : branches_of(params)) fns.push_back(make(b));
  return choose(index, fns, operands);
}

// The body as a function of the inputs of which `moving` is true, the others as they are.
ArrayFn of_moving(const PlannedGraph& body, const Arrays& inputs, const std::vector<bool>& moving) {
  return [&body, inputs, moving](const Arrays& x) {
    Arrays all = inputs;
    for (size_t k = 0, m = 0; k < all.size(); ++k) {
      if (moving[k]) all[k] = x[m++];
    }
    return call_body(body, all);
  };
}
Arrays chosen(const Arrays& all, const std::vector<bool>& which) {
  Arrays out;
  for (size_t k = 0; k < all.size(); ++k) {
    if (which[k]) out.push_back(all[k]);
  }
  return out;
}

// Which outputs depend on these inputs in some branch, and are not integers.
std::vector<bool> differentiated(const Branches& branches, const std::vector<bool>& inputs) {
  std::vector<bool> some(branches[0]->traced->outputs.size(), false);
  for (const auto& b : branches) {
    std::vector<bool> depends = body_depends(*b, inputs);
    for (size_t k = 0; k < some.size(); ++k) {
      some[k] = some[k] || (depends[k] && is_inexact(b->traced->outputs[k].dtype()));
    }
  }
  return some;
}

MaybeArrays jvp_branch(const JvpCall& c) {
  Arrays operands(c.in.begin() + 1, c.in.end());
  std::vector<bool> moving;
  for (size_t k = 1; k < c.in.size(); ++k) moving.push_back(c.tangent[k].has_value());
  std::vector<bool> out_moving = differentiated(branches_of(c.params), moving);
  size_t count = operands.size();
  Arrays all = operands;
  for (size_t k = 1; k < c.in.size(); ++k) {
    if (c.tangent[k]) all.push_back(*c.tangent[k]);
  }
  Arrays tangents = choose_made(c.params, c.in[0], all, [&](std::shared_ptr<PlannedGraph> b) {
    return [&, b](const Arrays& x) {
      Arrays in(x.begin(), x.begin() + count), t(x.begin() + count, x.end());
      return chosen(jvp(of_moving(*b, in, moving), chosen(in, moving), t).second, out_moving);
    };
  });
  MaybeArrays out(c.out.size());
  for (size_t k = 0, m = 0; k < out.size(); ++k) {
    if (out_moving[k]) out[k] = tangents[m++];
  }
  return out;
}

MaybeArrays vjp_branch(const VjpCall& c) {
  Arrays operands(c.in.begin() + 1, c.in.end());
  std::vector<bool> moving(c.wanted.begin() + 1, c.wanted.end());
  std::vector<bool> out_moving = differentiated(branches_of(c.params), moving);
  size_t count = operands.size();
  Arrays all = operands, ct = chosen(Arrays(c.ct.begin(), c.ct.end()), out_moving);
  all.insert(all.end(), ct.begin(), ct.end());
  Arrays grads = choose_made(c.params, c.in[0], all, [&](std::shared_ptr<PlannedGraph> b) {
    return [&, b](const Arrays& x) {
      Arrays in(x.begin(), x.begin() + count);
      ArrayFn f = [&, fn = of_moving(*b, in, moving)](const Arrays& m) {
        return chosen(fn(m), out_moving);
      };
      return vjp(f, chosen(in, moving), Arrays(x.begin() + count, x.end())).second;
    };
  });
  MaybeArrays out(c.in.size());
  for (size_t k = 1, m = 0; k < out.size(); ++k) {
    if (moving[k - 1]) out[k] = grads[m++];
  }
  return out;
}

// The results of all branches, selected element by element of the batch.
Arrays select(const array& index, const std::vector<Arrays>& results) {
  Arrays out = results[0];
  for (size_t b = 1; b < results.size(); ++b) {
    array taken = greater_equal(index, array(static_cast<int>(b)));
    for (size_t k = 0; k < out.size(); ++k) {
      Shape lanes(out[k].ndim(), 1);
      lanes[0] = index.shape()[0];
      out[k] = where(reshape(taken, lanes), results[b][k], out[k]);
    }
  }
  return out;
}

VmapResult vmap_branch(const VmapCall& c) {
  Arrays operands(c.in.begin() + 1, c.in.end());
  std::vector<int> axes(c.axes.begin() + 1, c.axes.end());
  bool mapped = false;
  for (int axis : axes) mapped |= axis >= 0;
  auto batched = [&](std::shared_ptr<PlannedGraph> b) -> ArrayFn {
    return vmap([b](const Arrays& x) { return call_body(*b, x); }, axes);
  };
  VmapResult r;
  if (c.axes[0] < 0) {
    r.out = choose_made(c.params, c.in[0], operands, batched);
  } else {
    std::vector<Arrays> results;
    for (const auto& b : branches_of(c.params)) {
      if (mapped) {
        results.push_back(batched(b)(operands));
        continue;
      }
      results.push_back(call_body(*b, operands));
      for (array& a : results.back()) {
        Shape shape = a.shape();
        shape.insert(shape.begin(), c.batch);
        a = broadcast_to(a, shape);
      }
    }
    r.out = select(c.in[0], results);
  }
  r.axes.assign(r.out.size(), 0);
  return r;
}

}  // namespace

const Op branch_op = [] {
  Op op{.name = "branch"};
  op.infer = infer_branch;
  op.vjp = vjp_branch;
  op.jvp = jvp_branch;
  op.vmap = vmap_branch;
  op.params = &branch_params_type;
  op.check = check_branch;
  return op;
}();

namespace {

// The graph of a branch with the inputs of all: what any of them captured, the operands and, if one
// draws random numbers, a key.
std::shared_ptr<PlannedGraph> with_inputs(const TracedBody& traced, const Arrays& shared,
                                          size_t operands, bool keyed) {
  const TracedGraph& own = *traced.body->traced;
  size_t captured = traced.captured.size();
  auto g = std::make_shared<TracedGraph>();
  for (const array& a : shared) {
    size_t k = 0;
    while (k < captured && traced.captured[k].node() != a.node()) ++k;
    g->placeholders.push_back(k < captured ? own.placeholders[k]
                                           : make_placeholder(a.shape(), a.dtype()));
  }
  auto first = own.placeholders.begin() + static_cast<int64_t>(captured);
  g->placeholders.insert(g->placeholders.end(), first, first + static_cast<int64_t>(operands));
  if (keyed) {
    g->placeholders.push_back(traced.draws ? own.placeholders.back()
                                           : make_placeholder({2}, uint32));
  }
  g->outputs = own.outputs;
  if (traced.draws) g->outputs.pop_back();  // the rest of the key
  finish_graph(*g);
  auto planned = std::make_shared<PlannedGraph>();
  planned->traced = std::move(g);
  return planned;
}

}  // namespace

// Each branch draws its random numbers from one key, drawn if some branch needs it.
Arrays choose(const array& index, const std::vector<ArrayFn>& branches, const Arrays& operands) {
  std::vector<OutSpec> specs;
  for (const array& a : operands) specs.push_back(spec_of(a));
  specs.push_back({{2}, uint32});
  std::vector<TracedBody> traced;
  Arrays shared;
  bool draws = false;
  for (const ArrayFn& fn : branches) {
    TracedBody b = trace_body(fn, specs, true);
    draws = draws || b.draws;
    for (const array& a : b.captured) {
      auto same = [&](const array& other) { return other.node() == a.node(); };
      if (std::ranges::none_of(shared, same)) shared.push_back(a);
    }
    traced.push_back(std::move(b));
  }
  Arrays in{index};
  in.insert(in.end(), shared.begin(), shared.end());
  in.insert(in.end(), operands.begin(), operands.end());
  if (draws) in.push_back(random::next_key());
  BranchParams p;
  for (const TracedBody& b : traced) {
    p.branches.push_back(with_inputs(b, shared, operands.size(), draws));
  }
  ParamsRef params = make_params(std::move(p));
  check_op(branch_op, params, in);
  return emit_control(branch_op, params, in);
}

}  // namespace olivine
