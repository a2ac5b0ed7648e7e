// Conversions between dtypes, and the parts of complex numbers.
//
// These maps are linear over the reals but not over the complex numbers, so that a cotangent does
// not follow the tangent's formula: each has both rules. Cotangents of complex arrays are
// conjugated, so that the gradient of a real loss points uphill (as in MLX and PyTorch).
#include "olivine/ops/creation.h"
#include "ops/elementwise_common.h"

namespace olivine {
namespace {

using Map = array (*)(const array& x, const array& v);

template <Map tangent>
MaybeArrays jvp_rule(const JvpCall& c) {
  return {tangent(c.in[0], *c.tangent[0])};
}
template <Map cotangent>
MaybeArrays vjp_rule(const VjpCall& c) {
  return {cotangent(c.in[0], c.ct[0])};
}

Op real_linear(const char* name, MaybeArrays (*jvp)(const JvpCall&),
               MaybeArrays (*vjp)(const VjpCall&), InferRule infer) {
  return Op{.name = name,
            .kind = OpKind::elementwise,
            .key = KernelKey::last_input,
            .infer = infer,
            .vjp = vjp,
            .jvp = jvp,
            .vmap = vmap_elementwise,
            .any_size = true};
}

// ---- astype: one record per target.

template <Dtype::Val target>
std::vector<OutSpec> infer_astype(const ParamsRef&, std::span<const array> in) {
  return {{in[0].shape(), target}};
}
// Only real and complex numbers have tangents.
template <Dtype::Val target>
MaybeArrays jvp_astype(const JvpCall& c) {
  if (!is_inexact(target)) return {std::nullopt};
  return {astype(*c.tangent[0], target)};
}
template <Dtype::Val target>
MaybeArrays vjp_astype(const VjpCall& c) {
  if (!is_inexact(target) || !is_inexact(c.in[0].dtype())) return {std::nullopt};
  return {astype(c.ct[0], c.in[0].dtype())};
}
template <Dtype::Val target>
Op astype_record(const char* name) {
  return real_linear(name, jvp_astype<target>, vjp_astype<target>, infer_astype<target>);
}

using Val = Dtype::Val;
const Op kAstype[Dtype::kCount] = {
    astype_record<Val::bool_>("astype_bool"),
    astype_record<Val::uint8>("astype_uint8"),
    astype_record<Val::uint16>("astype_uint16"),
    astype_record<Val::uint32>("astype_uint32"),
    astype_record<Val::uint64>("astype_uint64"),
    astype_record<Val::int8>("astype_int8"),
    astype_record<Val::int16>("astype_int16"),
    astype_record<Val::int32>("astype_int32"),
    astype_record<Val::int64>("astype_int64"),
    astype_record<Val::float16>("astype_float16"),
    astype_record<Val::bfloat16>("astype_bfloat16"),
    astype_record<Val::float32>("astype_float32"),
    astype_record<Val::float64>("astype_float64"),
    astype_record<Val::complex64>("astype_complex64"),
    astype_record<Val::complex128>("astype_complex128"),
};

// ---- abs, real, imag, conjugate

array abs_tangent(const array& x, const array& v) {
  if (!is_complexfloating(x.dtype())) return v * sign(x);
  return real(conjugate(sign(x)) * v);
}
array abs_cotangent(const array& x, const array& ct) { return ct * sign(x); }

array real_tangent(const array&, const array& v) { return real(v); }
array real_cotangent(const array& x, const array& ct) { return astype(ct, x.dtype()); }
array imag_tangent(const array&, const array& v) { return imag(v); }
array imag_cotangent(const array& x, const array& ct) {
  return astype(ct, x.dtype()) * array(complex64_t(0, 1), x.dtype());
}
array conjugate_map(const array&, const array& v) { return conjugate(v); }

const Op abs_op =
    real_linear("abs", jvp_rule<abs_tangent>, vjp_rule<abs_cotangent>, infer_elementwise_real);
const Op real_op =
    real_linear("real", jvp_rule<real_tangent>, vjp_rule<real_cotangent>, infer_elementwise_real);
const Op imag_op =
    real_linear("imag", jvp_rule<imag_tangent>, vjp_rule<imag_cotangent>, infer_elementwise_real);
const Op conjugate_op =
    real_linear("conjugate", jvp_rule<conjugate_map>, vjp_rule<conjugate_map>, infer_elementwise);

array to_real(const Op& op, const array& a, StreamOrDevice s) {
  return make_elementwise(op, std::span<const array>(&a, 1), real_type(a.dtype()), s);
}

}  // namespace

array astype(const array& a, Dtype dtype, StreamOrDevice s) {
  if (a.dtype() == dtype) return a;
  const Op& op = kAstype[dtype.index()];
  return make_elementwise(op, std::span<const array>(&a, 1), dtype, s);
}

array abs(const array& a, StreamOrDevice s) {
  if (a.dtype() == bool_ || is_unsigned(a.dtype())) return a;
  return to_real(abs_op, a, s);
}
array real(const array& a, StreamOrDevice s) {
  return is_complexfloating(a.dtype()) ? to_real(real_op, a, s) : a;
}
array imag(const array& a, StreamOrDevice s) {
  return is_complexfloating(a.dtype()) ? to_real(imag_op, a, s) : zeros(a.shape(), a.dtype(), s);
}
array conjugate(const array& a, StreamOrDevice s) {
  return is_complexfloating(a.dtype()) ? unary(conjugate_op, a, s) : a;
}

}  // namespace olivine
