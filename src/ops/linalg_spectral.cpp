// Singular values, eigenvalues and their vectors, with derivatives.
//
// Vectors are determined up to a factor of modulus 1 (and up to a rotation where values coincide),
// so only functions that do not depend on those choices have a derivative, and for them the rules
// are right. Differences of values below their rounding error count as zero and their terms are
// left out: the vectors of coinciding values then do not rotate, which keeps functions of the space
// that they span right and everything finite.
#include "olivine/ops/indexing.h"
#include "ops/linalg_common.h"

namespace olivine::linalg {
namespace {

using Specs = std::vector<OutSpec>;

// 1 / (w_j - w_i), 0 on the diagonal and for coinciding values.
array inverse_gaps(const array& w) {
  array gap = subtract(expand_dims(w, -2), expand_dims(w, -1));
  return guarded_reciprocal(gap, expand_dims(rounding_level(w), -1));
}
array row_diagonal(const array& a) { return real(diagonal_of(a)); }

// ---- eigh: a = V diag(w) V^H; `a` stands for a Hermitian matrix. With X = V^H da V (Giles,
// "Collected matrix derivative results", 2008) and F the inverse gaps:
//   dw = diag(X),   dV = V (F * X),   a~ = herm(V (diag(w~) + F * V^H V~) V^H)

Specs infer_eigh(const ParamsRef&, std::span<const array> in) {
  const array& a = in[0];
  return {{with_axes(batch_shape(a), {a.shape(-1)}), real_type(a.dtype())}, {a.shape(), a.dtype()}};
}
Specs infer_eigvalsh(const ParamsRef& p, std::span<const array> in) {
  return {infer_eigh(p, in)[0]};
}

array between(const array& left, const array& x, const array& right) {
  return matmul(matmul(left, x), right);
}

MaybeArrays jvp_eigh(const JvpCall& c) {
  if (c.in[0].size() == 0) return zero_tangents(c);
  const array &w = c.out[0], &v = c.out[1];
  const array x = between(adjoint(v), hermitian_part(*c.tangent[0]), v);
  return {row_diagonal(x), matmul(v, multiply(inverse_gaps(w), x))};
}
MaybeArrays vjp_eigh(const VjpCall& c) {
  if (c.in[0].size() == 0) return zero_cotangents(c);
  const array &w = c.out[0], &v = c.out[1];
  array turned = multiply(inverse_gaps(w), matmul(adjoint(v), c.ct[1]));
  array inner = add(diagonal_matrix(c.ct[0]), turned);
  return {hermitian_part(between(v, inner, adjoint(v)))};
}
const Op eigh_op{.name = "eigh",
                 .infer = infer_eigh,
                 .vjp = vjp_eigh,
                 .jvp = jvp_eigh,
                 .vmap = vmap_matrices,
                 .check = check_square,
                 .any_size = true};

MaybeArrays jvp_eigvalsh(const JvpCall& c) {
  if (c.in[0].size() == 0) return zero_tangents(c);
  const array v = emit(eigh_op, {}, c.in)[1];
  return {row_diagonal(between(adjoint(v), hermitian_part(*c.tangent[0]), v))};
}
MaybeArrays vjp_eigvalsh(const VjpCall& c) {
  if (c.in[0].size() == 0) return zero_cotangents(c);
  const array v = emit(eigh_op, {}, c.in)[1];
  return {matmul(columns_scaled(v, c.ct[0]), adjoint(v))};
}
const Op eigvalsh_op{.name = "eigvalsh",
                     .infer = infer_eigvalsh,
                     .vjp = vjp_eigvalsh,
                     .jvp = jvp_eigvalsh,
                     .vmap = vmap_matrices,
                     .check = check_square,
                     .any_size = true};

// ---- eig: a V = V diag(w), columns of length 1. With X = V^-1 da V and T = F * X:
//   dw = diag(X),   dV = V (T - Re diag(V^H V T))
// where the second term keeps the lengths (Boeddeker et al., "On the computation of complex-valued
// gradients with application to statistically optimum beamforming", 2017).

Dtype complex_type(Dtype t) { return real_type(t) == float64 ? complex128 : complex64; }

Specs infer_eig(const ParamsRef&, std::span<const array> in) {
  const array& a = in[0];
  const Dtype t = complex_type(a.dtype());
  return {{with_axes(batch_shape(a), {a.shape(-1)}), t}, {a.shape(), t}};
}
Specs infer_eigvals(const ParamsRef& p, std::span<const array> in) { return {infer_eig(p, in)[0]}; }

// V^-1 da V.
array similar(const array& v, const array& da) {
  return solve_with(v, matmul(astype(da, v.dtype()), v), false);
}
// V^-H x V^H in the dtype of the matrix.
array back_from(const array& v, const array& x, Dtype t) {
  array a_ct = solve_with(v, matmul(x, adjoint(v)), true);
  return is_complexfloating(t) ? a_ct : real(a_ct);
}

MaybeArrays jvp_eig(const JvpCall& c) {
  if (c.in[0].size() == 0) return zero_tangents(c);
  const array &w = c.out[0], &v = c.out[1];
  const array x = similar(v, *c.tangent[0]), t = multiply(inverse_gaps(w), x);
  array dv = matmul(v, t);
  array along = sum(real(multiply(conjugate(v), dv)), -2);
  return {diagonal_of(x), subtract(dv, columns_scaled(v, along))};
}
MaybeArrays vjp_eig(const VjpCall& c) {
  if (c.in[0].size() == 0) return zero_cotangents(c);
  const array &w = c.out[0], &v = c.out[1], &v_ct = c.ct[1];
  array along = sum(real(multiply(conjugate(v), v_ct)), -2);
  array t_ct = matmul(adjoint(v), subtract(v_ct, columns_scaled(v, along)));
  array x_ct = add(diagonal_matrix(c.ct[0]), multiply(conjugate(inverse_gaps(w)), t_ct));
  return {back_from(v, x_ct, c.in[0].dtype())};
}
const Op eig_op{.name = "eig",
                .infer = infer_eig,
                .vjp = vjp_eig,
                .jvp = jvp_eig,
                .vmap = vmap_matrices,
                .check = check_square,
                .any_size = true};

MaybeArrays jvp_eigvals(const JvpCall& c) {
  if (c.in[0].size() == 0) return zero_tangents(c);
  return {diagonal_of(similar(emit(eig_op, {}, c.in)[1], *c.tangent[0]))};
}
MaybeArrays vjp_eigvals(const VjpCall& c) {
  if (c.in[0].size() == 0) return zero_cotangents(c);
  const array v = emit(eig_op, {}, c.in)[1];
  return {back_from(v, diagonal_matrix(c.ct[0]), c.in[0].dtype())};
}
const Op eigvals_op{.name = "eigvals",
                    .infer = infer_eigvals,
                    .vjp = vjp_eigvals,
                    .jvp = jvp_eigvals,
                    .vmap = vmap_matrices,
                    .check = check_square,
                    .any_size = true};

// ---- svd: a = U diag(s) V^H with k = min(m, n) columns of U and V. With X = U^H da V, S = diag(s)
// and F_ij = 1 / (s_j^2 - s_i^2) (Townsend, "Differentiating the singular value decomposition",
// 2016; Wan and Zhang, "Automatic differentiation for complex valued SVD", 2019):
//   ds = Re diag(X)
//   dU = U (F * (X S + S X^H) + i Im diag(X) / s) + (1 - U U^H) da V / s
//   dV = V (F * (S X + X^H S)) + (1 - V V^H) da^H U / s
// The imaginary diagonal is put into U; only its sum over U and V has a meaning.

struct SvdTerms {
  array u, s, v;
  array gaps;     // F
  array inverse;  // 1 / s, 0 for singular values that are rounding errors
};
SvdTerms svd_terms(std::span<const array> out) {
  const array &s = out[1], level = rounding_level(s);
  array i = expand_dims(s, -1), j = expand_dims(s, -2);
  array gap = guarded_reciprocal(subtract(j, i), expand_dims(level, -1));
  array total = guarded_reciprocal(add(j, i), expand_dims(level, -1));
  return {out[0], s, adjoint(out[2]), multiply(gap, total), guarded_reciprocal(s, level)};
}
// (1 - q q^H) x.
array outside(const array& q, const array& x) {
  return subtract(x, matmul(q, matmul(adjoint(q), x)));
}
array imaginary_diagonal(const array& x, const array& scale) {
  array d = multiply(imag(diagonal_of(x)), scale);
  return diagonal_matrix(multiply(d, array(complex64_t(0, 1), x.dtype())));
}

Specs infer_svd(const ParamsRef&, std::span<const array> in) {
  const array& a = in[0];
  const Shape batch = batch_shape(a);
  const int64_t m = a.shape(-2), n = a.shape(-1), k = std::min(m, n);
  return {{with_axes(batch, {m, k}), a.dtype()},
          {with_axes(batch, {k}), real_type(a.dtype())},
          {with_axes(batch, {k, n}), a.dtype()}};
}
Specs infer_svdvals(const ParamsRef& p, std::span<const array> in) { return {infer_svd(p, in)[1]}; }

MaybeArrays jvp_svd(const JvpCall& c) {
  if (c.in[0].size() == 0) return zero_tangents(c);
  const auto [u, s, v, gaps, inverse] = svd_terms(c.out);
  const array& da = *c.tangent[0];
  const array right = matmul(da, v), x = matmul(adjoint(u), right), xh = adjoint(x);
  array turn_u = multiply(gaps, add(columns_scaled(x, s), rows_scaled(xh, s)));
  array turn_v = multiply(gaps, add(rows_scaled(x, s), columns_scaled(xh, s)));
  if (is_complexfloating(x.dtype())) turn_u = add(turn_u, imaginary_diagonal(x, inverse));
  array du = matmul(u, turn_u), dv = matmul(v, turn_v);
  const int64_t m = da.shape(-2), n = da.shape(-1);
  if (m > n) du = add(du, columns_scaled(outside(u, right), inverse));
  if (n > m) dv = add(dv, columns_scaled(outside(v, matmul(adjoint(da), u)), inverse));
  return {du, row_diagonal(x), adjoint(dv)};
}
// The adjoint of each term above.
MaybeArrays vjp_svd(const VjpCall& c) {
  if (c.in[0].size() == 0) return zero_cotangents(c);
  const auto [u, s, v, gaps, inverse] = svd_terms(c.out);
  const array &u_ct = c.ct[0], v_ct = adjoint(c.ct[2]), vh = c.out[2];
  const array by_u = matmul(adjoint(u), u_ct), by_v = matmul(adjoint(v), v_ct);
  const array j = multiply(gaps, by_u), k = multiply(gaps, by_v);
  array x_ct = add(columns_scaled(add(j, adjoint(j)), s), rows_scaled(add(k, adjoint(k)), s));
  x_ct = add(x_ct, diagonal_matrix(c.ct[1]));
  if (is_complexfloating(x_ct.dtype())) x_ct = add(x_ct, imaginary_diagonal(by_u, inverse));
  array a_ct = between(u, x_ct, vh);
  const int64_t m = c.in[0].shape(-2), n = c.in[0].shape(-1);
  if (m > n) a_ct = add(a_ct, matmul(columns_scaled(outside(u, u_ct), inverse), vh));
  if (n > m) {
    a_ct = add(a_ct, matmul(u, adjoint(columns_scaled(outside(v, v_ct), inverse))));
  }
  return {a_ct};
}
const Op svd_op{.name = "svd",
                .infer = infer_svd,
                .vjp = vjp_svd,
                .jvp = jvp_svd,
                .vmap = vmap_matrices,
                .check = check_matrix,
                .any_size = true};

MaybeArrays jvp_svdvals(const JvpCall& c) {
  if (c.in[0].size() == 0) return zero_tangents(c);
  Arrays f = emit(svd_op, {}, c.in);
  return {row_diagonal(between(adjoint(f[0]), *c.tangent[0], adjoint(f[2])))};
}
MaybeArrays vjp_svdvals(const VjpCall& c) {
  if (c.in[0].size() == 0) return zero_cotangents(c);
  Arrays f = emit(svd_op, {}, c.in);
  return {matmul(columns_scaled(f[0], c.ct[0]), f[2])};
}
const Op svdvals_op{.name = "svdvals",
                    .infer = infer_svdvals,
                    .vjp = vjp_svdvals,
                    .jvp = jvp_svdvals,
                    .vmap = vmap_matrices,
                    .check = check_matrix,
                    .any_size = true};

// ---- Orthonormal columns W that complete those of an m x k matrix Q to a basis; any choice is as
// good. Orthogonality to Q alone moves them: dW = -Q dQ^H W.

Specs infer_complement(const ParamsRef&, std::span<const array> in) {
  const array& q = in[0];
  const int64_t m = q.shape(-2);
  return {{with_axes(batch_shape(q), {m, m - q.shape(-1)}), q.dtype()}};
}
MaybeArrays jvp_complement(const JvpCall& c) {
  return {negative(between(c.in[0], adjoint(*c.tangent[0]), c.out[0]))};
}
MaybeArrays vjp_complement(const VjpCall& c) {
  return {negative(between(c.out[0], adjoint(c.ct[0]), c.in[0]))};
}
const Op complement_op{.name = "orthogonal_complement",
                       .infer = infer_complement,
                       .vjp = vjp_complement,
                       .jvp = jvp_complement,
                       .vmap = vmap_matrices,
                       .check =
                           [](const CheckCall& c) {
                             check_matrix(c);
                             require(c, c.in[0].shape(-2) >= c.in[0].shape(-1),
                                     "at least as many rows as columns");
                           },
                       .any_size = true};

array completed(const array& q) {
  if (q.shape(-2) == q.shape(-1)) return q;
  return concatenate({q, emit(complement_op, {}, std::span(&q, 1))[0]}, -1);
}

Arrays make(const Op& op, const array& a, StreamOrDevice s) {
  return make_nodes(op, {}, std::span(&a, 1), op.infer({}, std::span(&a, 1)), s);
}
array make_one(const Op& op, const array& a, StreamOrDevice s) {
  OutSpec spec = op.infer({}, std::span(&a, 1))[0];
  return make_node(op, {}, {a}, spec.shape, spec.dtype, s);
}

// Kernels read the lower triangle; the upper one is that of the adjoint.
array lower_from(const array& a, const std::string& uplo, const char* op) {
  expect_lapack_dtype(a.dtype(), op);
  expect_square(a, op);
  if (uplo == "L" || uplo == "l") return a;
  if (uplo == "U" || uplo == "u") return adjoint(a);
  fail("[", op, "] expected UPLO \"L\" or \"U\"; got \"", uplo, "\"");
}

}  // namespace

Svd reduced_svd(const array& a) {
  Arrays out = make(svd_op, a, {});
  return {out[0], out[1], out[2]};
}
array singular_values(const array& a) { return make_one(svdvals_op, a, {}); }

std::vector<array> svd(const array& a, bool compute_uv, StreamOrDevice s) {
  expect_lapack_dtype(a.dtype(), "svd");
  expect_matrix(a, "svd");
  if (!compute_uv) return {make_one(svdvals_op, a, s)};
  Arrays out = make(svd_op, a, s);
  return {completed(out[0]), out[1], adjoint(completed(adjoint(out[2])))};
}

std::pair<array, array> eigh(const array& a, std::string UPLO, StreamOrDevice s) {
  Arrays out = make(eigh_op, lower_from(a, UPLO, "eigh"), s);
  return {out[0], out[1]};
}
array eigvalsh(const array& a, std::string UPLO, StreamOrDevice s) {
  return make_one(eigvalsh_op, lower_from(a, UPLO, "eigvalsh"), s);
}

std::pair<array, array> eig(const array& a, StreamOrDevice s) {
  expect_lapack_dtype(a.dtype(), "eig");
  expect_square(a, "eig");
  Arrays out = make(eig_op, a, s);
  return {out[0], out[1]};
}
array eigvals(const array& a, StreamOrDevice s) {
  expect_lapack_dtype(a.dtype(), "eigvals");
  expect_square(a, "eigvals");
  return make_one(eigvals_op, a, s);
}

}  // namespace olivine::linalg
