// Loops: the records of `scan` and `while`, and their derivatives and batching.
//
// The tangent of a loop is a loop over (carry, tangent); its cotangent is a loop the other way over
// (cotangent, sums for the constants), which reads the stacked carries and computes each step
// again. A carry takes part only where it depends on what is differentiated or mapped, which is the
// least set of carries that agrees with what the body does.
#include <algorithm>

#include "core/checks.h"
#include "core/error.h"
#include "core/size.h"
#include "olivine/ops/creation.h"
#include "olivine/ops/elementwise.h"
#include "olivine/ops/reduction.h"
#include "olivine/ops/shape.h"
#include "transforms/loop.h"

namespace olivine {
namespace {

const LoopParams& params_of(const ParamsRef& p) { return p.as<LoopParams>(); }

bool same_spec(const array& a, const array& b) {
  return a.shape() == b.shape() && a.dtype() == b.dtype();
}
Shape stacked(int64_t length, const Shape& shape) {
  Shape s = shape;
  s.insert(s.begin(), length);
  return s;
}

std::vector<OutSpec> infer_loop(const ParamsRef& params, std::span<const array>) {
  const LoopParams& p = params_of(params);
  const Arrays& out = p.body->traced->outputs;
  std::vector<OutSpec> specs;
  for (int32_t k = 0; k < p.ys(); ++k) {
    specs.push_back({stacked(p.length, out[k].shape()), out[k].dtype()});
  }
  for (size_t k = p.ys(); k < out.size(); ++k) specs.push_back(spec_of(out[k]));
  for (size_t k = p.ys(); p.stacks && k < out.size(); ++k) {
    specs.push_back({stacked(p.length, out[k].shape()), out[k].dtype()});
  }
  return specs;
}

void check_loop(const CheckCall& c) {
  const LoopParams& p = params_of(c.params);
  const TracedGraph& g = *p.body->traced;
  require(c, p.constants >= 0 && p.xs >= 0 && p.carry >= 0 && p.length >= 0, "counts >= 0");
  constexpr int32_t most = 1 << 28;
  require(c, p.constants < most && p.xs < most && p.carry < most, "counts below 2^28");
  expect_inputs(c, static_cast<size_t>(p.constants + p.xs + p.carry));
  require(c, p.inputs() == static_cast<int32_t>(g.placeholders.size()), "a body of these inputs");
  require(c, p.ys() >= 0, "a body that returns the carry");
  checked_add(p.first, p.length, c.op.name);
  if (p.counts) {
    const array& index = g.placeholders[p.constants];
    require(c, index.ndim() == 0 && (index.dtype() == int32 || index.dtype() == int64),
            "an index of int32 or int64");
  }
  for (int32_t k = 0; k < static_cast<int32_t>(c.in.size()); ++k) {
    const array& inside = g.placeholders[k < p.constants ? k : k + p.counts];
    bool slices = k >= p.constants && k < p.constants + p.xs;
    if (slices) {
      expect_ndim(c, k, 1);
      require(c, c.in[k].shape()[0] == p.length, "slices for every step");
      OutSpec s = slice_spec(c.in[k]);
      require(c, s.shape == inside.shape() && s.dtype == inside.dtype(), "slices as the body's");
    } else {
      require(c, same_spec(c.in[k], inside), "inputs as the body's");
    }
  }
  for (int32_t j = 0; j < p.carry; ++j) {
    require(c, same_spec(g.outputs[p.ys() + j], g.placeholders[p.inputs() - p.carry + j]),
            "a carry that keeps its shape and dtype");
  }
  if (!p.until) return;
  require(c, p.ys() == 0 && p.xs == 0 && !p.stacks && !p.counts && !p.reverse && p.carry > 0,
          "a while loop of nothing but a carry");
  const array& goes_on = g.outputs[0];
  require(c, goes_on.ndim() == 0 && goes_on.dtype() == bool_, "a condition that is one bool");
}

// The body as a function of all its inputs, for the transformations.
ArrayFn body_fn(const LoopParams& p) {
  return [body = p.body](const Arrays& in) { return call_body(*body, in); };
}

// Which inputs of the body take part when those of the op do; carries join until nothing changes.
// `any_dtype`: integers take part as well.
std::vector<bool> taking_part(const LoopParams& p, const std::vector<bool>& in, bool any_dtype) {
  const TracedGraph& g = *p.body->traced;
  std::vector<bool> part(g.placeholders.size(), false);
  for (size_t k = 0; k < in.size(); ++k) {
    size_t at = static_cast<int32_t>(k) < p.constants ? k : k + p.counts;
    part[at] = in[k] && (any_dtype || is_inexact(g.placeholders[at].dtype()));
  }
  for (bool changed = true; changed;) {
    changed = false;
    std::vector<bool> out = body_depends(*p.body, part);
    for (int32_t j = 0; j < p.carry; ++j) {
      size_t at = static_cast<size_t>(p.inputs() - p.carry + j);
      bool joins = out[p.ys() + j] && (any_dtype || is_inexact(g.placeholders[at].dtype()));
      if (joins && !part[at]) changed = part[at] = true;
    }
  }
  return part;
}
std::vector<bool> outputs_taking_part(const LoopParams& p, const std::vector<bool>& part,
                                      bool any_dtype) {
  std::vector<bool> out = body_depends(*p.body, part);
  for (size_t k = 0; k < out.size(); ++k) {
    out[k] = out[k] && (any_dtype || is_inexact(p.body->traced->outputs[k].dtype()));
  }
  for (int32_t j = 0; j < p.carry; ++j) out[p.ys() + j] = part[p.inputs() - p.carry + j];
  return out;
}

Arrays chosen(const Arrays& all, const std::vector<bool>& which) {
  Arrays out;
  for (size_t k = 0; k < all.size(); ++k) {
    if (which[k]) out.push_back(all[k]);
  }
  return out;
}
void append(Arrays& to, const Arrays& more) { to.insert(to.end(), more.begin(), more.end()); }

// The inputs of the op by what they are.
LoopInputs inputs_of(const LoopParams& p, std::span<const array> in) {
  auto xs = in.begin() + p.constants, carry = xs + p.xs;
  return {Arrays(in.begin(), xs), Arrays(xs, carry), Arrays(carry, in.end())};
}

}  // namespace

std::vector<OutSpec> body_specs(const LoopInputs& in, const MaybeArray& index) {
  std::vector<OutSpec> specs;
  for (const array& a : in.constants) specs.push_back(spec_of(a));
  if (index) specs.push_back(spec_of(*index));
  for (const array& a : in.xs) specs.push_back(slice_spec(a));
  for (const array& a : in.carry) specs.push_back(spec_of(a));
  return specs;
}

Arrays emit_loop(const Op& op, LoopParams p, const TracedBody& traced, const LoopInputs& in) {
  Arrays all = traced.captured;
  append(all, in.constants);
  p.body = traced.body;
  p.constants = static_cast<int32_t>(all.size());
  p.xs = static_cast<int32_t>(in.xs.size());
  p.carry = static_cast<int32_t>(in.carry.size());
  append(all, in.xs);
  append(all, in.carry);
  ParamsRef params = make_params(std::move(p));
  check_op(op, params, all);
  return emit_control(op, params, all);
}

namespace {

const Op& op_of(const LoopParams& p) { return p.until ? while_op : scan_op; }

MaybeArray index_of(const LoopParams& p) {
  return p.counts ? MaybeArray(p.body->traced->placeholders[p.constants]) : MaybeArray();
}

// A loop that gives its carries as a loop without, whose body returns them as well.
Arrays without_stacks(const ParamsRef& params, std::span<const array> in) {
  LoopParams p = params_of(params);
  LoopInputs parts = inputs_of(p, in);
  int32_t ys = p.ys(), carry = p.carry;
  ArrayFn fn = [f = body_fn(p), ys, carry](const Arrays& x) {
    Arrays out = f(x);
    out.insert(out.begin() + ys, x.end() - carry, x.end());
    return out;
  };
  TracedBody traced = trace_body(fn, body_specs(parts, index_of(p)));
  p.stacks = false;
  Arrays out = emit_loop(scan_op, p, traced, parts);
  std::rotate(out.begin() + ys, out.begin() + ys + carry, out.end());
  return out;
}

// ---- Forward mode.
MaybeArrays jvp_loop(const JvpCall& c) {
  const LoopParams& p = params_of(c.params);
  if (p.stacks) return jvp_composite(c);
  std::vector<bool> given;
  for (const MaybeArray& t : c.tangent) given.push_back(t.has_value());
  std::vector<bool> part = taking_part(p, given, false);
  std::vector<bool> out_part = outputs_taking_part(p, part, false);
  // Constants, xs and carries are each followed by their tangents.
  LoopInputs in = inputs_of(p, c.in), tangents;
  auto tangent = [&](size_t k) { return c.tangent[k] ? *c.tangent[k] : zeros_like(c.in[k]); };
  for (size_t k = 0; k < c.in.size(); ++k) {
    size_t at = static_cast<int32_t>(k) < p.constants ? k : k + p.counts;
    if (!part[at]) continue;
    bool constant = static_cast<int32_t>(k) < p.constants;
    bool slices = static_cast<int32_t>(k) < p.constants + p.xs;
    (constant ? tangents.constants : slices ? tangents.xs : tangents.carry).push_back(tangent(k));
  }
  size_t counts[3] = {in.constants.size(), in.xs.size() + p.counts, in.carry.size()};
  size_t more[3] = {tangents.constants.size(), tangents.xs.size(), tangents.carry.size()};
  int32_t ys = p.ys();
  ArrayFn fn = [&](const Arrays& x) {
    Arrays primals, t;
    auto at = x.begin();
    for (int group = 0; group < 3; ++group) {
      primals.insert(primals.end(), at, at + counts[group]);
      at += counts[group];
      t.insert(t.end(), at, at + more[group]);
      at += more[group];
    }
    ArrayFn f = [&](const Arrays& moving) {
      Arrays all = primals;
      for (size_t k = 0, m = 0; k < all.size(); ++k) {
        if (part[k]) all[k] = moving[m++];
      }
      return call_body(*p.body, all);
    };
    auto [out, out_t] = jvp(f, chosen(primals, part), t);
    Arrays all(out.begin(), out.begin() + ys);
    for (int32_t k = 0; k < ys; ++k) {
      if (out_part[k]) all.push_back(out_t[k]);
    }
    all.insert(all.end(), out.begin() + ys, out.end());
    for (size_t k = ys; k < out.size(); ++k) {
      if (out_part[k]) all.push_back(out_t[k]);
    }
    return all;
  };
  append(in.constants, tangents.constants);
  append(in.xs, tangents.xs);
  append(in.carry, tangents.carry);
  // The index stands between the constants and the xs.
  Arrays all = emit_loop(op_of(p), p, trace_body(fn, body_specs(in, index_of(p))), in);
  MaybeArrays result(out_part.size());
  size_t at = static_cast<size_t>(ys);
  for (size_t k = 0; k < out_part.size(); ++k) {
    if (static_cast<int32_t>(k) == ys) at += p.carry;
    if (out_part[k]) result[k] = all[at++];
  }
  return result;
}

// ---- Reverse mode.
// What a backward step computes: cotangents of the slices, the carries and the constants.
struct Backward {
  const LoopParams& p;
  std::vector<bool> part;                   // of the body's inputs: differentiated
  std::vector<bool> out_part;               // of its outputs
  size_t constants = 0, xs = 0, carry = 0;  // how many take part

  Backward(const LoopParams& params, const std::vector<bool>& wanted)
      : p(params), part(taking_part(params, wanted, false)) {
    out_part = outputs_taking_part(p, part, false);
    for (int32_t k = 0; k < p.inputs(); ++k) {
      if (!part[k]) continue;
      ++(k < p.constants ? constants : k < p.inputs() - p.carry ? xs : carry);
    }
  }

  // x: constants, index, xs, carries before the step, cotangents of ys, then the backward carry:
  // cotangents of the carries and sums for the constants.
  Arrays step(const Arrays& x) const {
    auto end_of_inputs = x.begin() + p.inputs();
    Arrays inputs(x.begin(), end_of_inputs), ct(end_of_inputs, x.end() - constants);
    ArrayFn f = [&](const Arrays& moving) {
      Arrays all = inputs;
      for (size_t k = 0, m = 0; k < all.size(); ++k) {
        if (part[k]) all[k] = moving[m++];
      }
      return chosen(call_body(*p.body, all), out_part);
    };
    Arrays grads = vjp(f, chosen(inputs, part), ct).second;
    Arrays out(grads.begin() + constants, grads.end());  // xs, then carries
    auto sums = x.end() - static_cast<int64_t>(constants);
    for (size_t k = 0; k < constants; ++k) out.push_back(add(sums[k], grads[k]));
    return out;
  }
};

MaybeArrays vjp_while(const VjpCall& c) {
  if (params_of(c.params).length == 0) {
    fail(
        "[vjp] expected a loop of a known length, as of scan, fori_loop or while_loop with "
        "max_steps; got while_loop without, which has forward mode only");
  }
  return vjp_composite(c);
}

MaybeArrays vjp_loop(const VjpCall& c) {
  const LoopParams& p = params_of(c.params);
  if (p.until) return vjp_while(c);
  if (p.stacks) return vjp_composite(c);
  Backward back(p, std::vector<bool>(c.wanted.begin(), c.wanted.end()));
  LoopInputs in = inputs_of(p, c.in);
  int32_t ys = p.ys();
  LoopParams with = p;
  with.stacks = true;
  Arrays forward = emit_control(scan_op, make_params(with), Arrays(c.in.begin(), c.in.end()));
  LoopInputs b{in.constants, in.xs, {}};
  b.xs.insert(b.xs.end(), forward.end() - p.carry, forward.end());
  for (int32_t k = 0; k < ys; ++k) {
    if (back.out_part[k]) b.xs.push_back(c.ct[k]);
  }
  for (int32_t j = 0; j < p.carry; ++j) {
    if (back.out_part[ys + j]) b.carry.push_back(c.ct[ys + j]);
  }
  for (int32_t k = 0; k < p.constants; ++k) {
    if (back.part[k]) b.carry.push_back(zeros_like(in.constants[k]));
  }
  LoopParams reversed = p;
  reversed.reverse = !p.reverse;
  ArrayFn fn = [&](const Arrays& x) { return back.step(x); };
  Arrays out = emit_loop(scan_op, reversed, trace_body(fn, body_specs(b, index_of(p))), b);
  MaybeArrays grads(c.in.size());
  size_t at[3] = {back.xs + back.carry, 0, back.xs};  // of constants, xs, carries
  for (size_t k = 0; k < c.in.size(); ++k) {
    auto i = static_cast<int32_t>(k);
    int group = i < p.constants ? 0 : i < p.constants + p.xs ? 1 : 2;
    if (back.part[i < p.constants ? i : i + p.counts]) grads[k] = out[at[group]++];
  }
  return grads;
}

// ---- Batching.
array to_front(const array& a, int axis, int front) {
  return axis == front ? a : moveaxis(a, axis, front);
}

// The body on a batch. Outputs that do not take part are those of one element.
ArrayFn batched_body(const LoopParams& p, const std::vector<bool>& part,
                     const std::vector<bool>& out_part) {
  return [&p, part, out_part](const Arrays& x) {
    std::vector<int> axes;
    Arrays single = x;
    for (size_t k = 0; k < x.size(); ++k) {
      axes.push_back(part[k] ? 0 : -1);
      const array& inside = p.body->traced->placeholders[k];
      if (part[k]) single[k] = zeros(inside.shape(), inside.dtype());
    }
    Arrays out = vmap(body_fn(p), axes)(x), alone = call_body(*p.body, single);
    for (size_t k = 0; k < out.size(); ++k) {
      if (!out_part[k]) out[k] = alone[k];
    }
    return out;
  };
}

// A while loop some of whose elements are finished before others: they keep their values.
Arrays batched_while(const LoopParams& p, const std::vector<bool>& part, LoopInputs in) {
  ArrayFn fn = [f = batched_body(p, part, std::vector<bool>(p.carry, true)), &p](const Arrays& x) {
    Arrays inputs(x.begin(), x.begin() + p.constants);
    auto carry = x.begin() + p.constants + 1;
    inputs.insert(inputs.end(), carry, x.end());
    Arrays now = f(inputs);
    const array& goes_on = *carry;
    for (int32_t j = 0; j < p.carry; ++j) {
      Shape lanes(now[j].ndim(), 1);
      lanes[0] = goes_on.shape()[0];
      now[j] = j == 0 ? logical_and(goes_on, now[0])
                      : where(reshape(goes_on, lanes), now[j], *(carry + j));
    }
    now.insert(now.begin(), any(now[0]));
    return now;
  };
  in.carry.insert(in.carry.begin(), any(in.carry[0]));
  Arrays out = emit_loop(while_op, p, trace_body(fn, body_specs(in, {})), in);
  out.erase(out.begin());
  return out;
}

VmapResult vmap_loop(const VmapCall& c) {
  const LoopParams& p = params_of(c.params);
  std::vector<bool> mapped;
  for (int axis : c.axes) mapped.push_back(axis >= 0);
  std::vector<bool> part = taking_part(p, mapped, true);
  size_t first_carry = static_cast<size_t>(p.inputs() - p.carry);
  bool lanes = p.until && part[first_carry];
  if (lanes) std::fill(part.begin() + static_cast<int64_t>(first_carry), part.end(), true);
  std::vector<bool> out_part = outputs_taking_part(p, part, true);
  Arrays all;
  for (size_t k = 0; k < c.in.size(); ++k) {
    auto i = static_cast<int32_t>(k);
    bool slices = i >= p.constants && i < p.constants + p.xs;
    bool carry = i >= p.constants + p.xs;
    if (c.axes[k] >= 0) {
      all.push_back(to_front(c.in[k], c.axes[k], slices ? 1 : 0));
    } else if (carry && part[i + p.counts]) {
      all.push_back(broadcast_to(c.in[k], stacked(c.batch, c.in[k].shape())));
    } else {
      all.push_back(c.in[k]);
    }
  }
  LoopInputs in = inputs_of(p, all);
  VmapResult r;
  if (lanes) {
    r.out = batched_while(p, part, in);
    r.axes.assign(r.out.size(), 0);
    return r;
  }
  TracedBody traced = trace_body(batched_body(p, part, out_part), body_specs(in, index_of(p)));
  r.out = emit_loop(op_of(p), p, traced, in);
  for (size_t k = 0; k < r.out.size(); ++k) {
    bool stack = static_cast<int32_t>(k) >= p.ys() + p.carry;
    bool carry = !stack && static_cast<int32_t>(k) >= p.ys();
    bool batched = out_part[stack ? k - p.carry : k];
    r.axes.push_back(!batched ? -1 : carry ? 0 : 1);
  }
  return r;
}

Op loop(const char* name, Arrays (*composite)(const ParamsRef&, std::span<const array>)) {
  Op op{.name = name};
  op.infer = infer_loop;
  op.vjp = vjp_loop;
  op.jvp = jvp_loop;
  op.vmap = vmap_loop;
  op.composite = composite;
  op.params = &loop_params_type;
  op.check = check_loop;
  return op;
}

// At most so many steps as a scan, each of which does nothing once the condition fails.
Arrays bounded_while(const ParamsRef& params, std::span<const array> in) {
  const LoopParams& p = params_of(params);
  LoopInputs parts = inputs_of(p, in);
  ArrayFn fn = [&](const Arrays& x) {
    ArrayFn stay = [&](const Arrays& all) { return Arrays(all.end() - p.carry, all.end()); };
    return choose(astype(x[p.constants], int32), {stay, body_fn(p)}, x);
  };
  TracedBody traced = trace_body(fn, body_specs(parts, {}));
  LoopParams steps = p;
  steps.until = false;
  return emit_loop(scan_op, steps, traced, parts);
}

}  // namespace

const Op scan_op = loop("scan", without_stacks);
const Op while_op = loop("while_loop", bounded_while);

}  // namespace olivine
