// Rotary position embedding. Its gradient is the rotation backwards.
#include "core/checks.h"
#include "core/error.h"
#include "core/op.h"
#include "olivine/fast.h"
#include "olivine/ops/creation.h"
#include "olivine/ops/elementwise.h"
#include "olivine/ops/indexing.h"
#include "olivine/ops/shape.h"
#include "ops/fast_params.h"

#include <cmath>

namespace olivine {
namespace {

// Part [from, to) of the last axis.
array last_axis(const array& a, int64_t from, int64_t to, int64_t step = 1) {
  Shape start(a.ndim(), 0), stop = a.shape(), strides(a.ndim(), 1);
  start.back() = from;
  stop.back() = to;
  strides.back() = step;
  return slice(a, start, stop, strides);
}

Arrays rope_composite(const ParamsRef& params, std::span<const array> in) {
  const auto& p = params.as<RopeParams>();
  const array& x = in[0];
  int64_t half = p.dims / 2, size = x.shape(-1);
  Dtype wide = x.dtype() == float64 ? float64 : float32;
  array inverse_freqs = p.has_freqs
                            ? reciprocal(astype(in[2], wide))
                            : exp(multiply(arange(half, wide),
                                           array(-std::log(double(p.base)) / double(half), wide)));
  array offset = astype(in[1], wide);
  if (offset.ndim() == 1) {  // one per row of the first axis
    Shape shape(x.ndim(), 1);
    shape[0] = offset.shape(0);
    offset = reshape(offset, shape);
  }
  array position = expand_dims(arange(x.shape(-2), wide), 1);
  array theta = multiply(multiply(add(position, offset), array(p.scale, wide)), inverse_freqs);
  array c = cos(theta), s = p.inverse ? negative(sin(theta)) : sin(theta);
  array y = astype(x, wide);
  array a = p.traditional ? last_axis(y, 0, p.dims, 2) : last_axis(y, 0, half);
  array b = p.traditional ? last_axis(y, 1, p.dims, 2) : last_axis(y, half, p.dims);
  array u = subtract(multiply(a, c), multiply(b, s));
  array v = add(multiply(a, s), multiply(b, c));
  array rotated = p.traditional ? flatten(stack({u, v}, -1), -2, -1) : concatenate({u, v}, -1);
  if (p.dims < size) rotated = concatenate({rotated, last_axis(y, p.dims, size)}, -1);
  return {astype(rotated, x.dtype())};
}

std::vector<OutSpec> infer_rope(const ParamsRef&, std::span<const array> in) {
  return {{in[0].shape(), in[0].dtype()}};
}

MaybeArrays vjp_rope(const VjpCall& c) {
  if (c.in.size() > 2 && c.wanted[2]) return vjp_composite(c);
  RopeParams p = c.params.as<RopeParams>();
  p.inverse = !p.inverse;
  Arrays in(c.in.begin(), c.in.end());
  in[0] = c.ct[0];
  MaybeArrays out(c.in.size());
  out[0] = emit(c.op, make_params(p), in)[0];
  return out;
}

// More rows in front, as long as the offset is one number.
VmapResult vmap_rope(const VmapCall& c) {
  bool only_x = c.in[1].ndim() == 0;
  for (size_t i = 1; i < c.in.size(); ++i) only_x &= c.axes[i] < 0;
  if (!only_x) return vmap_composite(c);
  Arrays in(c.in.begin(), c.in.end());
  in[0] = moveaxis(in[0], c.axes[0], 0);
  return {emit(c.op, c.params, in), {0}};
}

void check_rope(const CheckCall& c) {
  const auto& p = c.params.as<RopeParams>();
  expect_inputs(c, p.has_freqs ? 3 : 2);
  expect_ndim(c, 0, 3);
  require(c, is_floating(c.in[0].dtype()), "a floating point input");
  require(c, p.dims > 0 && p.dims % 2 == 0 && p.dims <= c.in[0].shape().back(),
          "even dims within the last axis");
  expect_dtype(c, 1, int32);
  if (c.in[1].ndim() > 0) expect_shape(c, 1, Shape{c.in[0].shape()[0]});
  if (p.has_freqs) {
    expect_dtype(c, 2, float32);
    expect_shape(c, 2, Shape{p.dims / 2});
  }
}

const Op rope_op = [] {
  Op op = fused("rope", infer_rope, rope_composite);
  op.vjp = vjp_rope;
  op.vmap = vmap_rope;
  op.params = &params_type<RopeParams>;
  op.check = check_rope;
  op.any_size = true;
  return op;
}();

}  // namespace

namespace fast {

array rope(const array& x, int dims, bool traditional, std::optional<double> base, double scale,
           const array& offset, const std::optional<array>& freqs, StreamOrDevice s) {
  if (x.ndim() < 3)
    fail("[rope] expected at least 3 axes (batch, time, features); got ", x.shape());
  if (!is_floating(x.dtype())) fail("[rope] expected a floating point input; got ", x.dtype());
  if (dims <= 0 || dims % 2 != 0 || dims > x.shape(-1)) {
    fail("[rope] expected even dims in [2, ", x.shape(-1), "]; got ", dims);
  }
  if (base.has_value() == freqs.has_value()) {
    fail("[rope] expected either base or freqs; got ", base ? "both" : "neither");
  }
  if (freqs && (freqs->ndim() != 1 || freqs->shape(0) != dims / 2)) {
    fail("[rope] expected freqs of shape (", dims / 2, ",); got ", freqs->shape());
  }
  if (offset.ndim() > 1 || (offset.ndim() == 1 && offset.shape(0) != x.shape(0))) {
    fail("[rope] expected an offset of shape () or (", x.shape(0), ",); got ", offset.shape());
  }
  Arrays in{x, astype(offset, int32, s)};
  if (freqs) in.push_back(astype(*freqs, float32, s));
  RopeParams p{dims, traditional, base.value_or(1.0), scale, freqs.has_value(), false};
  return make_node(rope_op, make_params(p), in, x.shape(), x.dtype(), s);
}

array rope(const array& x, int dims, bool traditional, std::optional<double> base, double scale,
           int offset, const std::optional<array>& freqs, StreamOrDevice s) {
  return rope(x, dims, traditional, base, scale, array(offset), freqs, s);
}

}  // namespace fast
}  // namespace olivine
