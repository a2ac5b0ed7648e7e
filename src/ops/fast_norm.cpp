// rms_norm and layer_norm, with their gradients as fused ops too.
#include "core/checks.h"
#include "core/error.h"
#include "core/op.h"
#include "olivine/fast.h"
#include "olivine/ops/elementwise.h"
#include "olivine/ops/reduction.h"
#include "olivine/ops/shape.h"
#include "olivine/transforms.h"
#include "ops/fast_params.h"

namespace olivine {
namespace {

Dtype wide(Dtype t) { return t == float64 ? float64 : float32; }

Arrays scale_shift(const NormParams& p, std::span<const array> in, array y) {
  y = astype(y, in[0].dtype());
  if (p.has_weight) y = multiply(y, in[1]);
  if (p.has_bias) y = add(y, in[p.has_weight ? 2 : 1]);
  return {y};
}

Arrays rms_norm_composite(const ParamsRef& params, std::span<const array> in) {
  const auto& p = params.as<NormParams>();
  array x = astype(in[0], wide(in[0].dtype()));
  array ms = mean(square(x), -1, true);
  return scale_shift(p, in, multiply(x, rsqrt(add(ms, array(p.eps, x.dtype())))));
}

Arrays layer_norm_composite(const ParamsRef& params, std::span<const array> in) {
  const auto& p = params.as<NormParams>();
  array x = astype(in[0], wide(in[0].dtype()));
  array centred = subtract(x, mean(x, -1, true));
  array variance = mean(square(centred), -1, true);
  return scale_shift(p, in, multiply(centred, rsqrt(add(variance, array(p.eps, x.dtype())))));
}

std::vector<OutSpec> infer_norm(const ParamsRef&, std::span<const array> in) {
  return {{in[0].shape(), in[0].dtype()}};
}

// The cotangents of all inputs of a norm, given the inputs and, last, the cotangent.
std::vector<OutSpec> infer_norm_vjp(const ParamsRef&, std::span<const array> in) {
  std::vector<OutSpec> specs;
  for (const array& a : in.first(in.size() - 1)) specs.push_back({a.shape(), a.dtype()});
  return specs;
}

template <Arrays (*composite)(const ParamsRef&, std::span<const array>)>
Arrays norm_vjp_composite(const ParamsRef& params, std::span<const array> in) {
  Arrays primals(in.begin(), in.end() - 1);
  return vjp([&](const Arrays& x) { return composite(params, x); }, primals, {in.back()}).second;
}

MaybeArrays emit_vjp(const Op& op, const VjpCall& c) {
  Arrays in(c.in.begin(), c.in.end());
  in.push_back(c.ct[0]);
  MaybeArrays out;
  for (array& g : emit(op, c.params, in)) out.emplace_back(std::move(g));
  return out;
}

// x, then the weight and the bias where present, then `more` inputs like x.
void check_norm_inputs(const CheckCall& c, size_t more) {
  const auto& p = c.params.as<NormParams>();
  size_t vectors = size_t(p.has_weight) + size_t(p.has_bias);
  expect_inputs(c, 1 + vectors + more);
  expect_ndim(c, 0, 1);
  require(c, is_floating(c.in[0].dtype()), "a floating point input");
  expect_one_dtype(c, 0, c.in.size());
  for (size_t i = 1; i < c.in.size(); ++i) {
    const Shape row{c.in[0].shape().back()};
    expect_shape(c, i, i <= vectors ? row : c.in[0].shape());
  }
}

Op norm_vjp_op(const char* name, Arrays (*composite)(const ParamsRef&, std::span<const array>)) {
  Op op = fused(name, infer_norm_vjp, composite);
  op.params = &params_type<NormParams>;
  op.check = [](const CheckCall& c) { check_norm_inputs(c, 1); };
  op.any_size = true;
  return op;
}
const Op rms_norm_vjp_op = norm_vjp_op("rms_norm_vjp", norm_vjp_composite<rms_norm_composite>);
const Op layer_norm_vjp_op =
    norm_vjp_op("layer_norm_vjp", norm_vjp_composite<layer_norm_composite>);

// Rows are independent, so a batch of x is just more rows; batched weights use the composite.
VmapResult vmap_norm(const VmapCall& c) {
  for (size_t i = 1; i < c.in.size(); ++i) {
    if (c.axes[i] >= 0) return vmap_composite(c);
  }
  Arrays in(c.in.begin(), c.in.end());
  in[0] = moveaxis(in[0], c.axes[0], 0);
  return {emit(c.op, c.params, in), {0}};
}

Op norm_op(const char* name, Arrays (*composite)(const ParamsRef&, std::span<const array>),
           MaybeArrays (*vjp)(const VjpCall&)) {
  Op op = fused(name, infer_norm, composite);
  op.vjp = vjp;
  op.vmap = vmap_norm;
  op.params = &params_type<NormParams>;
  op.check = [](const CheckCall& c) { check_norm_inputs(c, 0); };
  op.any_size = true;
  return op;
}
const Op rms_norm_op = norm_op("rms_norm", rms_norm_composite,
                               [](const VjpCall& c) { return emit_vjp(rms_norm_vjp_op, c); });
const Op layer_norm_op = norm_op("layer_norm", layer_norm_composite,
                                 [](const VjpCall& c) { return emit_vjp(layer_norm_vjp_op, c); });

array make_norm(const Op& op, const array& x, const std::optional<array>& weight,
                const std::optional<array>& bias, double eps, StreamOrDevice s) {
  if (x.ndim() == 0) fail("[", op.name, "] expected at least one axis; got a 0-d array");
  if (!is_inexact(x.dtype()) || is_complexfloating(x.dtype())) {
    fail("[", op.name, "] expected a floating point input; got ", x.dtype());
  }
  Dtype dtype = x.dtype();
  auto check = [&](const std::optional<array>& a, const char* what) {
    if (!a) return;
    if (a->ndim() != 1 || a->shape(0) != x.shape(-1)) {
      fail("[", op.name, "] expected a ", what, " of shape (", x.shape(-1), ",); got ", a->shape());
    }
    dtype = promote_types(dtype, a->dtype());
  };
  check(weight, "weight");
  check(bias, "bias");
  Arrays in{astype(x, dtype, s)};
  if (weight) in.push_back(astype(*weight, dtype, s));
  if (bias) in.push_back(astype(*bias, dtype, s));
  NormParams params{eps, weight.has_value(), bias.has_value()};
  return make_node(op, make_params(params), in, x.shape(), dtype, s);
}

}  // namespace

namespace fast {

array rms_norm(const array& x, const std::optional<array>& weight, double eps, StreamOrDevice s) {
  return make_norm(rms_norm_op, x, weight, std::nullopt, eps, s);
}
array layer_norm(const array& x, const std::optional<array>& weight,
                 const std::optional<array>& bias, double eps, StreamOrDevice s) {
  return make_norm(layer_norm_op, x, weight, bias, eps, s);
}

}  // namespace fast
}  // namespace olivine
