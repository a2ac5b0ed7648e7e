// Rules of fused ops, taken from the ops they stand for.
#include "core/op.h"
#include "olivine/transforms.h"

namespace olivine {
namespace {

// The op's composite as a function of its array inputs.
ArrayFn composite_fn(const Op& op, const ParamsRef& params) {
  return [&op, params](const Arrays& in) { return op.composite(params, in); };
}

}  // namespace

MaybeArrays vjp_composite(const VjpCall& c) {
  Arrays wanted;
  for (size_t i = 0; i < c.in.size(); ++i) {
    if (c.wanted[i]) wanted.push_back(c.in[i]);
  }
  // Only what is wanted is differentiated; the rest is constant.
  ArrayFn fn = [&](const Arrays& x) {
    Arrays in(c.in.begin(), c.in.end());
    for (size_t i = 0, k = 0; i < in.size(); ++i) {
      if (c.wanted[i]) in[i] = x[k++];
    }
    return c.op.composite(c.params, in);
  };
  Arrays grads = vjp(fn, wanted, Arrays(c.ct.begin(), c.ct.end())).second;
  MaybeArrays out(c.in.size());
  for (size_t i = 0, k = 0; i < out.size(); ++i) {
    if (c.wanted[i]) out[i] = grads[k++];
  }
  return out;
}

MaybeArrays jvp_composite(const JvpCall& c) {
  Arrays primals, tangents;
  for (size_t i = 0; i < c.in.size(); ++i) {
    if (!c.tangent[i]) continue;
    primals.push_back(c.in[i]);
    tangents.push_back(*c.tangent[i]);
  }
  ArrayFn fn = [&](const Arrays& x) {
    Arrays in(c.in.begin(), c.in.end());
    for (size_t i = 0, k = 0; i < in.size(); ++i) {
      if (c.tangent[i]) in[i] = x[k++];
    }
    return c.op.composite(c.params, in);
  };
  MaybeArrays out;
  for (array& t : jvp(fn, primals, tangents).second) out.emplace_back(std::move(t));
  return out;
}

VmapResult vmap_composite(const VmapCall& c) {
  Arrays out = vmap(composite_fn(c.op, c.params), std::vector<int>(c.axes.begin(), c.axes.end()))(
      Arrays(c.in.begin(), c.in.end()));
  return {out, std::vector<int>(out.size(), 0)};
}

}  // namespace olivine
