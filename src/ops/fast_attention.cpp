// Scaled dot-product attention: softmax(scale * q @ k^T + mask) @ v, and its gradient, as fused
// ops.
#include "core/checks.h"
#include "core/error.h"
#include "core/op.h"
#include "olivine/fast.h"
#include "olivine/ops/creation.h"
#include "olivine/ops/elementwise.h"
#include "olivine/ops/matmul.h"
#include "olivine/ops/reduction.h"
#include "olivine/ops/shape.h"
#include "olivine/transforms.h"
#include "ops/batching.h"
#include "ops/fast_params.h"

#include <limits>

namespace olivine {
namespace {

Dtype wide(Dtype t) { return t == float64 ? float64 : float32; }

// Masked scores of shape (B, Hkv, H / Hkv, Tq, Tk), in float32 or wider.
array masked_scores(const AttentionParams& p, std::span<const array> in) {
  const array &q = in[0], &k = in[1];
  int64_t groups = k.shape(1), repeats = q.shape(1) / groups, tq = q.shape(2), tk = k.shape(2);
  // Widened before the product, which float16 may not hold.
  Dtype t = wide(q.dtype());
  array queries = unflatten(multiply(astype(q, t), array(p.scale, t)), 1, {groups, repeats});
  array keys = expand_dims(astype(k, t), 2);
  array scores = matmul(queries, swapaxes(keys, -1, -2));
  array low(-std::numeric_limits<double>::infinity(), scores.dtype());
  if (p.causal) {
    array row = expand_dims(arange(tk - tq, tk, int32), 1);
    scores = where(greater_equal(row, arange(tk, int32)), scores, low);
  }
  if (p.has_mask) {
    array mask = broadcast_to(in[3], {q.shape(0), q.shape(1), tq, tk});
    mask = unflatten(mask, 1, {groups, repeats});
    scores = mask.dtype() == bool_ ? where(mask, scores, low)
                                   : add(scores, astype(mask, scores.dtype()));
  }
  return scores;
}

// Outputs o and logsumexp. Rows that see no key give zeros. Scores are taken relative to their
// maximum before anything else, so that huge ones lose nothing.
Arrays attention_composite(const ParamsRef& params, std::span<const array> in) {
  const auto& p = params.as<AttentionParams>();
  array scores = masked_scores(p, in);
  array zero(0.0, scores.dtype());
  array top = stop_gradient(max(scores, -1, true));
  Shape per_head{1, in[1].shape(1), in[0].shape(1) / in[1].shape(1), 1, 1};
  MaybeArray sinks;
  if (p.has_sinks) {
    sinks = reshape(astype(in.back(), scores.dtype()), per_head);
    top = maximum(top, stop_gradient(*sinks));
  }
  top = where(isneginf(top), zero, top);
  array weights = exp(subtract(scores, top));
  array total = sum(weights, -1, true);
  if (sinks) total = add(total, exp(subtract(*sinks, top)));
  array seen = greater(total, zero);
  weights = divide(weights, where(seen, total, array(1.0, scores.dtype())));
  Dtype t = in[0].dtype();
  array out = matmul(astype(weights, t), expand_dims(astype(in[2], t), 2));
  return {flatten(out, 1, 2), flatten(add(top, log(total)), 1, 2)};
}

std::vector<OutSpec> infer_attention(const ParamsRef&, std::span<const array> in) {
  Shape out = in[0].shape(), lse = in[0].shape();
  out.back() = in[2].shape(-1);
  lse.back() = 1;
  return {{out, in[0].dtype()}, {lse, wide(in[0].dtype())}};
}

std::vector<OutSpec> infer_attention_vjp(const ParamsRef&, std::span<const array> in) {
  std::vector<OutSpec> specs;
  for (const array& a : in.first(3)) specs.push_back({a.shape(), a.dtype()});
  return specs;
}

// A function of q, k, v, mask, sinks and the cotangent alone: o and logsumexp, which the kernel
// reads, are functions of these.
Arrays attention_vjp_composite(const ParamsRef& params, std::span<const array> in) {
  Arrays rest(in.begin() + 3, in.end() - 3);
  ArrayFn fn = [&](const Arrays& x) {
    Arrays all = x;
    all.insert(all.end(), rest.begin(), rest.end());
    return Arrays{attention_composite(params, all)[0]};
  };
  return vjp(fn, {in[0], in[1], in[2]}, {in.back()}).second;
}

void check_attention(const array& q, const array& k, const array& v);

// Whether float32 queries meet keys and values in 16 bits, which are widened as they are read.
bool is_widening(Dtype queries, Dtype keys, Dtype values) {
  return queries == float32 && keys == values && (keys == float16 || keys == bfloat16);
}

// q, k, v, the mask and the sinks where present, then `more` inputs.
size_t check_attention_inputs(const CheckCall& c, size_t more) {
  const auto& p = c.params.as<AttentionParams>();
  size_t own = 3 + size_t(p.has_mask) + size_t(p.has_sinks);
  expect_inputs(c, own + more);
  const array &q = c.in[0], &k = c.in[1];
  check_attention(q, k, c.in[2]);
  require(c, is_floating(q.dtype()), "floating point inputs");
  if (more > 0 || !is_widening(q.dtype(), k.dtype(), c.in[2].dtype())) expect_one_dtype(c, 0, 3);
  if (p.has_mask) {
    expect_broadcasts(c, 3, {q.shape(0), q.shape(1), q.shape(2), k.shape(2)});
    if (c.in[3].dtype() != bool_) expect_dtype(c, 3, q.dtype());
  }
  if (p.has_sinks) {
    expect_shape(c, own - 1, Shape{q.shape(1)});
    expect_dtype(c, own - 1, q.dtype());
  }
  return own;
}

// The batch joins the first axis.
VmapResult vmap_attention(const VmapCall& c) {
  const auto& p = c.params.as<AttentionParams>();
  const size_t sinks = p.has_sinks ? 3 + size_t(p.has_mask) : c.in.size();
  if (sinks < c.in.size() && c.axes[sinks] >= 0) return vmap_composite(c);
  const int64_t own = c.in[0].shape(c.axes[0] == 0 ? 1 : 0);
  Arrays in(c.in.begin(), c.in.end());
  for (size_t i = 0; i < in.size(); ++i) {
    if (i == sinks) continue;
    array a = batch_first(c, i);
    if (p.has_mask && i == 3) {
      Shape shape = a.shape();
      while (shape.size() < 5) shape.insert(shape.begin() + 1, 1);
      a = reshape(a, shape);
      shape[1] = own;
      a = broadcast_to(a, shape);
    }
    in[i] = flatten(a, 0, 1);
  }
  VmapResult result{emit(c.op, c.params, in), {}};
  for (array& out : result.out) {
    out = unflatten(out, 0, {c.batch, own});
    result.axes.push_back(0);
  }
  return result;
}

const Op attention_vjp_op = [] {
  Op op = fused("attention_vjp", infer_attention_vjp, attention_vjp_composite);
  op.vmap = vmap_attention;
  op.params = &params_type<AttentionParams>;
  op.check = [](const CheckCall& c) {
    size_t own = check_attention_inputs(c, 3);
    auto specs = infer_attention(c.params, c.in);
    for (size_t i = 0; i < 3; ++i) {
      const OutSpec& like = specs[i == 1 ? 1 : 0];
      expect_shape(c, own + i, like.shape);
      expect_dtype(c, own + i, like.dtype);
    }
  };
  op.any_size = true;
  return op;
}();

MaybeArrays vjp_attention(const VjpCall& c) {
  for (size_t i = 3; i < c.in.size(); ++i) {
    if (c.wanted[i]) return vjp_composite(c);  // gradients of a mask or of sinks
  }
  Arrays in(c.in.begin(), c.in.end());
  for (size_t i = 1; i < 3; ++i) in[i] = astype(in[i], in[0].dtype());
  in.push_back(c.out[0]);
  in.push_back(c.out[1]);
  in.push_back(c.ct[0]);
  Arrays grads = emit(attention_vjp_op, c.params, in);
  MaybeArrays out(c.in.size());
  for (size_t i = 0; i < 3; ++i) out[i] = astype(grads[i], c.in[i].dtype());
  return out;
}

const Op attention_op = [] {
  Op op = fused("attention", infer_attention, attention_composite);
  op.vmap = vmap_attention;
  op.vjp = vjp_attention;
  op.params = &params_type<AttentionParams>;
  op.check = [](const CheckCall& c) { check_attention_inputs(c, 0); };
  op.any_size = true;
  return op;
}();

void check_attention(const array& q, const array& k, const array& v) {
  constexpr const char* op = "[scaled_dot_product_attention] ";
  if (q.ndim() != 4 || k.ndim() != 4 || v.ndim() != 4) {
    fail(op, "expected 4-d queries, keys and values; got shapes ", q.shape(), ", ", k.shape(),
         " and ", v.shape());
  }
  bool fits = q.shape(0) == k.shape(0) && q.shape(0) == v.shape(0) && k.shape(1) == v.shape(1) &&
              k.shape(2) == v.shape(2) && q.shape(3) == k.shape(3);
  if (!fits) {
    fail(op, "expected keys (B, Hkv, Tk, D) and values (B, Hkv, Tk, Dv) for queries ", q.shape(),
         "; got ", k.shape(), " and ", v.shape());
  }
  if (k.shape(1) == 0 || q.shape(1) % k.shape(1) != 0) {
    fail(op, "expected a multiple of ", k.shape(1), " query heads; got ", q.shape(1));
  }
}

}  // namespace

namespace fast {

array scaled_dot_product_attention(const array& queries, const array& keys, const array& values,
                                   double scale, const std::string& mask_mode,
                                   const std::optional<array>& mask,
                                   const std::optional<array>& sinks, bool, StreamOrDevice s) {
  constexpr const char* op = "[scaled_dot_product_attention] ";
  check_attention(queries, keys, values);
  if (mask_mode != "" && mask_mode != "causal" && mask_mode != "array") {
    fail(op, "expected the mask 'causal', an array or none; got '", mask_mode, "'");
  }
  if (mask_mode == "causal" && mask) fail(op, "expected one mask; got 'causal' and an array");
  Dtype dtype = promote_types(promote_types(queries.dtype(), keys.dtype()), values.dtype());
  if (!is_floating(dtype)) fail(op, "expected floating point inputs; got ", dtype);
  bool widening = is_widening(queries.dtype(), keys.dtype(), values.dtype());
  Dtype stored = widening ? keys.dtype() : dtype;
  Arrays in{astype(queries, dtype, s), astype(keys, stored, s), astype(values, stored, s)};
  if (mask) {
    Shape scores{queries.shape(0), queries.shape(1), queries.shape(2), keys.shape(2)};
    if (broadcast_shapes(mask->shape(), scores, "scaled_dot_product_attention") != scores) {
      fail(op, "expected a mask that broadcasts to ", scores, "; got shape ", mask->shape());
    }
    bool additive = mask->dtype() != bool_;
    if (additive && promote_types(mask->dtype(), dtype) != dtype) {
      fail(op, "expected a bool mask or one that promotes to ", dtype, "; got ", mask->dtype());
    }
    in.push_back(additive ? astype(*mask, dtype, s) : *mask);
  }
  if (sinks) {
    if (sinks->ndim() != 1 || sinks->shape(0) != queries.shape(1)) {
      fail(op, "expected sinks of shape (", queries.shape(1), ",); got ", sinks->shape());
    }
    in.push_back(astype(*sinks, dtype, s));
  }
  ParamsRef params = make_params(
      AttentionParams{scale, mask_mode == "causal", mask.has_value(), sinks.has_value()});
  return make_nodes(attention_op, params, in, infer_attention(params, in), s)[0];
}

}  // namespace fast
}  // namespace olivine
