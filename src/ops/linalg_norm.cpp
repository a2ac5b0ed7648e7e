// Norms, the cross product and the pseudo-inverse.
#include <cmath>

#include "core/layout.h"
#include "olivine/ops/indexing.h"
#include "ops/linalg_common.h"

namespace olivine::linalg {
namespace {

using Specs = std::vector<OutSpec>;

// ---- pinv: X = a^+ where the rank does not change (Golub and Pereyra, "The differentiation of
// pseudo-inverses and nonlinear least squares problems whose variables separate", 1973):
//   dX = -X da X + X X^H da^H (1 - a X) + (1 - X a) da^H X^H X
// and its adjoint. The rule does not see the singular vectors, so repeated values do no harm.

Arrays pinv_composite(const ParamsRef& params, std::span<const array> in) {
  const array& a = in[0];
  const auto& p = params.as<PinvParams>();
  if (a.size() == 0)
    return {zeros(with_axes(batch_shape(a), {a.shape(-1), a.shape(-2)}), a.dtype())};
  const auto [u, s, vh] = reduced_svd(a);
  const int64_t side = p.by_size ? std::max(a.shape(-2), a.shape(-1)) : 1;
  const array ratio(p.rcond * static_cast<double>(side), s.dtype());
  const array cutoff = multiply(max(s, -1, true), ratio);
  return {matmul(columns_scaled(adjoint(vh), guarded_reciprocal(s, cutoff)), adjoint(u))};
}
// (1 - a b) y and y (1 - a b).
array minus_product(const array& y, const array& a, const array& b) {
  return subtract(y, matmul(a, matmul(b, y)));
}
array minus_by_product(const array& y, const array& a, const array& b) {
  return subtract(y, matmul(matmul(y, a), b));
}
MaybeArrays jvp_pinv(const JvpCall& c) {
  const array &a = c.in[0], &x = c.out[0], xh = adjoint(x), &da = *c.tangent[0], dah = adjoint(da);
  array moved = matmul(matmul(x, da), x);
  array rows = minus_by_product(matmul(matmul(x, xh), dah), a, x);
  array columns = minus_product(matmul(dah, matmul(xh, x)), x, a);
  return {subtract(add(rows, columns), moved)};
}
MaybeArrays vjp_pinv(const VjpCall& c) {
  const array &a = c.in[0], &x = c.out[0], xh = adjoint(x), &ct = c.ct[0], cth = adjoint(ct);
  array moved = matmul(matmul(xh, ct), xh);
  array rows = minus_product(matmul(cth, matmul(x, xh)), a, x);
  array columns = minus_by_product(matmul(matmul(xh, x), cth), x, a);
  return {subtract(add(rows, columns), moved)};
}
const Op pinv_op{
    .name = "pinv",
    .infer =
        [](const ParamsRef&, std::span<const array> in) {
          const array& a = in[0];
          return Specs{{with_axes(batch_shape(a), {a.shape(-1), a.shape(-2)}), a.dtype()}};
        },
    .vjp = vjp_pinv,
    .jvp = jvp_pinv,
    .vmap = vmap_matrices,
    .composite = pinv_composite,
    .params = &params_type<PinvParams>,
    .check = check_matrix,
    .any_size = true};

// ---- Norms. Derivatives are 0 at 0, where a norm has none.

// f(x) for x != 0, else 0, with derivative 0.
template <class F>
array away_from_zero(const array& x, F f) {
  const array zero(0, x.dtype());
  array at_zero = equal(x, zero);
  return where(at_zero, zero, f(where(at_zero, array(1, x.dtype()), x)));
}

array squared_modulus(const array& a) {
  return is_complexfloating(a.dtype()) ? add(square(real(a)), square(imag(a))) : square(a);
}
array euclidean(const array& a, const std::vector<int>& axes, bool keepdims) {
  return away_from_zero(sum(squared_modulus(a), axes, keepdims),
                        [](const array& x) { return sqrt(x); });
}

array vector_norm(const array& a, double ord, const std::vector<int>& axes, bool keepdims) {
  if (ord == 2) return euclidean(a, axes, keepdims);
  const array x = abs(a);
  if (ord == 0) return astype(count_nonzero(x, axes, keepdims), x.dtype());
  if (ord == 1) return sum(x, axes, keepdims);
  if (std::isinf(ord)) return ord > 0 ? max(x, axes, keepdims) : min(x, axes, keepdims);
  const array p(ord, x.dtype()), root(1 / ord, x.dtype());
  array total = sum(power(x, p), axes, keepdims);
  return away_from_zero(total, [&](const array& y) { return power(y, root); });
}

// Singular values of the matrices in these two axes, combined, which leaves both as size 1.
template <class F>
array spectral_norm(const array& a, const std::vector<int>& axes, F combine) {
  array moved = moveaxis(a, axes[0], -1);
  // The first axis is gone from below the second if it was in front of it.
  moved = moveaxis(moved, axes[1] - (axes[0] < axes[1] ? 1 : 0), -1);
  array values = combine(singular_values(moved));
  return expand_dims(values, axes);
}

// Sums of moduli along one axis, of which the largest or smallest along the other.
array sums_norm(const array& a, int summed, int compared, bool largest) {
  array sums = sum(abs(a), summed, true);
  return largest ? max(sums, compared, true) : min(sums, compared, true);
}

array matrix_norm_kept(const array& a, double ord, const std::vector<int>& axes) {
  const int rows = axes[0], columns = axes[1];
  if (ord == 1 || ord == -1) return sums_norm(a, rows, columns, ord > 0);
  if (std::isinf(ord)) return sums_norm(a, columns, rows, ord > 0);
  if (ord == 2) return spectral_norm(a, axes, [](const array& s) { return max(s, -1); });
  if (ord == -2) return spectral_norm(a, axes, [](const array& s) { return min(s, -1); });
  fail("[norm] expected ord 1, -1, 2, -2, inf or -inf for matrices; got ", ord);
}

// The axes, each counted from the front and none twice.
std::vector<int> chosen_axes(const array& a, const std::optional<std::vector<int>>& axis) {
  std::vector<int> axes;
  for (int i = 0; !axis && i < a.ndim(); ++i) axes.push_back(i);
  if (!axis) return axes;
  for (int i : *axis) {
    const int at = normalize_axis(i, a.ndim(), "norm");
    if (std::find(axes.begin(), axes.end(), at) != axes.end()) {
      fail("[norm] expected different axes; got ", i, " twice");
    }
    axes.push_back(at);
  }
  return axes;
}

// f on a floating dtype of at least 32 bits, its result in the narrow dtype of 16-bit input.
template <class F>
array in_float(const array& a, F f) {
  const Dtype t = at_least_float(a.dtype());
  const bool narrow = t == float16 || t == bfloat16;
  array out = f(astype(a, narrow ? float32 : t));
  return narrow ? astype(out, t) : out;
}

array squeezed(const array& a, const std::vector<int>& axes, bool keepdims) {
  return keepdims ? a : squeeze(a, axes);
}

array component(const array& a, int i) {
  return slice(a, with_axes(Shape(size_t(a.ndim() - 1), 0), {i}),
               with_axes(Shape(a.shape().begin(), a.shape().end() - 1), {i + 1}));
}

}  // namespace

array pinv(const array& a, const PinvParams& counted, StreamOrDevice s) {
  OutSpec spec = pinv_op.infer({}, std::span(&a, 1))[0];
  return make_node(pinv_op, make_params(counted), {a}, spec.shape, spec.dtype, s);
}
array pinv(const array& a, StreamOrDevice s) {
  expect_lapack_dtype(a.dtype(), "pinv");
  expect_matrix(a, "pinv");
  // The cutoff of MLX, of JAX, and ten times that of MATLAB.
  return pinv(a, {10 * epsilon(a.dtype()), true}, s);
}

array norm(const array& a, double ord, const std::optional<std::vector<int>>& axis, bool keepdims,
           StreamOrDevice) {
  const std::vector<int> axes = chosen_axes(a, axis);
  if (axes.size() != 1 && axes.size() != 2) {
    fail("[norm] expected one or two axes for an order; got ", axes.size());
  }
  return in_float(a, [&](const array& x) {
    if (axes.size() == 1) return vector_norm(x, ord, axes, keepdims);
    return squeezed(matrix_norm_kept(x, ord, axes), axes, keepdims);
  });
}

array norm(const array& a, const std::string& ord, const std::optional<std::vector<int>>& axis,
           bool keepdims, StreamOrDevice) {
  const std::vector<int> axes = chosen_axes(a, axis);
  const bool nuclear = ord == "nuc";
  if (!nuclear && ord != "fro" && ord != "f") {
    fail("[norm] expected ord \"fro\", \"f\" or \"nuc\"; got \"", ord, "\"");
  }
  if (axes.size() != 2) {
    fail("[norm] expected two axes for the order \"", ord, "\"; got ", axes.size());
  }
  return in_float(a, [&](const array& x) {
    if (!nuclear) return euclidean(x, axes, keepdims);
    array kept = spectral_norm(x, axes, [](const array& s) { return sum(s, -1); });
    return squeezed(kept, axes, keepdims);
  });
}

array norm(const array& a, const std::optional<std::vector<int>>& axis, bool keepdims,
           StreamOrDevice) {
  const std::vector<int> axes = chosen_axes(a, axis);
  if (axis && axes.size() > 2) {
    fail("[norm] expected at most two axes; got ", axes.size());
  }
  return in_float(a, [&](const array& x) { return euclidean(x, axes, keepdims); });
}

array cross(const array& a, const array& b, int axis, StreamOrDevice s) {
  const Dtype t = promote_types(a.dtype(), b.dtype());
  auto arranged = [&](const array& x) {
    array last = moveaxis(x, normalize_axis(axis, x.ndim(), "cross"), -1);
    if (last.shape(-1) != 2 && last.shape(-1) != 3) {
      fail("[cross] expected 2 or 3 elements along axis ", axis, "; got shape ", x.shape());
    }
    return astype(last, t);
  };
  const array x = arranged(a), y = arranged(b);
  const bool flat_x = x.shape(-1) == 2, flat_y = y.shape(-1) == 2;
  array x0 = component(x, 0), x1 = component(x, 1), y0 = component(y, 0), y1 = component(y, 1);
  array x2 = flat_x ? zeros_like(x0) : component(x, 2),
        y2 = flat_y ? zeros_like(y0) : component(y, 2);
  auto minor = [&](const array& p, const array& q, const array& r, const array& u) {
    return subtract(multiply(p, q, s), multiply(r, u, s), s);
  };
  array out =
      concatenate({minor(x1, y2, x2, y1), minor(x2, y0, x0, y2), minor(x0, y1, x1, y0)}, -1, s);
  return moveaxis(out, -1, axis, s);
}

}  // namespace olivine::linalg
