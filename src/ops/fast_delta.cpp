// gated_delta_update: a linear attention whose state decays and is corrected in every step.
//
// Per step, with the state S (Dv x Dk) of a head: S = S * gate, then S += beta * (v - S k) k^T, and
// the output is S q. Steps that a mask leaves out keep the state and give zeros.
#include "core/checks.h"
#include "core/error.h"
#include "core/op.h"
#include "olivine/fast.h"
#include "olivine/ops/creation.h"
#include "olivine/ops/elementwise.h"
#include "olivine/ops/indexing.h"
#include "olivine/ops/reduction.h"
#include "olivine/ops/shape.h"
#include "ops/fast_params.h"

namespace olivine {
namespace {

Dtype wide(Dtype t) { return t == float64 ? float64 : float32; }

// Inputs: q, k (B, T, Hk, Dk), v (B, T, Hv, Dv), gates (B, T, Hv, 1 or Dk), beta (B, T, Hv), the
// state (B, Hv, Dv, Dk), the mask (B, T) of bools if there is one; all but the mask of one dtype.
Arrays delta_composite(const ParamsRef& params, std::span<const array> in) {
  const auto& p = params.as<DeltaParams>();
  int repeats = static_cast<int>(in[2].shape(2) / in[0].shape(2));
  auto step = [](const array& a, int64_t t) { return take(a, static_cast<int>(t), 1); };
  auto per_head = [&](const array& a, int64_t t) {  // (B, Hv, 1, Dk)
    array x = step(a, t);
    return expand_dims(repeats == 1 ? x : repeat(x, repeats, 1), 2);
  };
  array state = in[5];
  Arrays outputs;
  for (int64_t t = 0; t < in[2].shape(1); ++t) {
    array q = per_head(in[0], t), k = per_head(in[1], t);
    array next = multiply(state, expand_dims(step(in[3], t), 2));
    array error = subtract(step(in[2], t), sum(multiply(next, k), -1));
    array change = multiply(error, expand_dims(step(in[4], t), -1));
    next = add(next, multiply(expand_dims(change, -1), k));
    array out = sum(multiply(next, q), -1);
    if (p.has_mask) {
      array taken = expand_dims(step(in[6], t), {1, 2});
      out = where(taken, out, array(0, out.dtype()));
      next = where(expand_dims(taken, -1), next, state);
    }
    state = next;
    outputs.push_back(expand_dims(out, 1));
  }
  array out = outputs.empty() ? zeros(in[2].shape(), in[2].dtype()) : concatenate(outputs, 1);
  return {out, state};
}

std::vector<OutSpec> infer_delta(const ParamsRef&, std::span<const array> in) {
  return {{in[2].shape(), in[2].dtype()}, {in[5].shape(), in[5].dtype()}};
}

void check_delta(const array& q, const array& k, const array& v, const array& gates,
                 const array& beta);

const Op delta_op = [] {
  Op op = fused("gated_delta_update", infer_delta, delta_composite);
  op.params = &params_type<DeltaParams>;
  op.check = [](const CheckCall& c) {
    bool has_mask = c.params.as<DeltaParams>().has_mask;
    expect_inputs(c, has_mask ? 7 : 6);
    const array &q = c.in[0], &v = c.in[2];
    check_delta(q, c.in[1], v, c.in[3], c.in[4]);
    expect_ndim(c, 3, 4, 4);
    require(c, q.dtype() == float32 || q.dtype() == float64, "inputs of float32 or float64");
    expect_one_dtype(c, 0, 6);
    olivine::expect_shape(c, 5, Shape{v.shape(0), v.shape(2), v.shape(3), q.shape(3)});
    if (has_mask) {
      expect_dtype(c, 6, bool_);
      olivine::expect_shape(c, 6, Shape{q.shape(0), q.shape(1)});
    }
  };
  op.any_size = true;
  return op;
}();

void expect_shape(const char* what, const array& a, const Shape& shape) {
  if (a.shape() != shape) {
    fail("[gated_delta_update] expected ", what, " of shape ", shape, "; got ", a.shape());
  }
}

void check_delta(const array& q, const array& k, const array& v, const array& gates,
                 const array& beta) {
  for (const array* a : {&q, &k, &v}) {
    if (a->ndim() != 4) {
      fail("[gated_delta_update] expected queries, keys and values of 4 axes; got shape ",
           a->shape());
    }
  }
  int64_t batch = q.shape(0), steps = q.shape(1), heads = v.shape(2);
  expect_shape("keys", k, q.shape());
  expect_shape("values", v, {batch, steps, heads, v.shape(3)});
  if (q.shape(2) == 0 || heads % q.shape(2) != 0) {
    fail("[gated_delta_update] expected a multiple of the ", q.shape(2),
         " query heads as value heads; got ", heads);
  }
  expect_shape("beta", beta, {batch, steps, heads});
  bool per_key = gates.ndim() == 4 && (gates.shape(3) == q.shape(3) || gates.shape(3) == 1);
  if (gates.shape() != Shape{batch, steps, heads} &&
      !(per_key && gates.shape() == Shape{batch, steps, heads, gates.shape(3)})) {
    fail("[gated_delta_update] expected gates of shape ", Shape{batch, steps, heads},
         ", with or without a further axis of ", q.shape(3), "; got ", gates.shape());
  }
}

}  // namespace

std::vector<array> fast::gated_delta_update(const array& queries, const array& keys,
                                            const array& values, const array& gates,
                                            const array& beta,
                                            const std::optional<array>& initial_state,
                                            const std::optional<array>& mask, StreamOrDevice s) {
  check_delta(queries, keys, values, gates, beta);
  Dtype dtype = promote_types(queries.dtype(), promote_types(keys.dtype(), values.dtype()));
  if (is_complexfloating(dtype)) fail("[gated_delta_update] expected real inputs; got ", dtype);
  if (!is_floating(dtype)) dtype = float32;
  Dtype inner = wide(dtype);
  Shape state_shape{values.shape(0), values.shape(2), values.shape(3), queries.shape(3)};
  if (initial_state) expect_shape("an initial state", *initial_state, state_shape);
  if (mask) expect_shape("a mask", *mask, {queries.shape(0), queries.shape(1)});
  array state = initial_state ? astype(*initial_state, inner, s) : zeros(state_shape, inner, s);
  array g = gates.ndim() == 4 ? gates : expand_dims(gates, -1, s);
  Arrays in;
  for (const array& a : {queries, keys, values, g, beta, state}) in.push_back(astype(a, inner, s));
  if (mask) in.push_back(astype(*mask, bool_, s));
  Arrays out = make_nodes(delta_op, make_params(DeltaParams{mask.has_value()}), in,
                          {{values.shape(), inner}, {state_shape, inner}}, s);
  out[0] = astype(out[0], dtype, s);
  return out;
}

}  // namespace olivine
