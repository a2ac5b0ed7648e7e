// Triangular factorizations: Cholesky, LU and QR, with their derivatives.
#include "core/node.h"
#include "olivine/ops/indexing.h"
#include "olivine/ops/sort.h"
#include "ops/linalg_common.h"
#include "ops/linalg_params.h"

namespace olivine::linalg {
namespace {

using Specs = std::vector<OutSpec>;

// ---- Cholesky: a = L L^H. Only the lower triangle is read, and `a` stands for a Hermitian matrix:
// tangents and cotangents are its Hermitian parts. With P(x) the lower half of x (Murray,
// "Differentiation of the Cholesky decomposition", 2016):
//   dL = L P(L^-1 da L^-H),   a~ = herm(L^-H P(L^H L~) L^-1)

MaybeArrays jvp_cholesky(const JvpCall& c) {
  const array& l = c.out[0];
  array half = triangular_solve(l, hermitian_part(*c.tangent[0]), false);
  array whole = triangular_solve(l, adjoint(half), false);
  return {matmul(l, lower_half(whole))};
}
MaybeArrays vjp_cholesky(const VjpCall& c) {
  const array& l = c.out[0];
  const array up = adjoint(l);
  array half = triangular_solve(up, lower_half(matmul(up, tril(c.ct[0]))), true);
  array whole = adjoint(triangular_solve(up, adjoint(half), true));
  return {hermitian_part(whole)};
}
const Op cholesky_op{.name = "cholesky",
                     .infer =
                         [](const ParamsRef&, std::span<const array> in) {
                           return Specs{{in[0].shape(), in[0].dtype()}};
                         },
                     .vjp = vjp_cholesky,
                     .jvp = jvp_cholesky,
                     .vmap = vmap_matrices,
                     .check = check_square,
                     .any_size = true};

// ---- LU: a[perm] = L U of m x n matrices, packed into one. L is continued to m x m and U to n x n
// by identities. With M = L^-1 da[perm] U^-1 (de Hoog et al., "On the derivatives of matrix
// factorizations", 2011):
//   dL = L tril(M, -1),   dU = triu(M) U
// and their adjoints; dL and dU do not overlap in the packed matrix.

struct Triangles {
  array l, u;
};
// `a` below or beside an identity that makes it square.
array continued(const array& a, int64_t size) {
  const int64_t rows = a.shape(-2), columns = a.shape(-1);
  note_size_read(a, "the sides of a matrix");
  if (rows == columns) return a;
  const array unit = eye(static_cast<int>(size), a.dtype());
  Shape batch = batch_shape(a);
  if (columns < size) {
    array rest = further_columns(unit, columns);
    return concatenate({a, broadcast_batch(rest, batch)}, -1);
  }
  array rest = slice(unit, {rows, 0}, Shape{size, size});
  return concatenate({a, broadcast_batch(rest, batch)}, -2);
}
array first_rows(const array& a, int64_t n) {
  return slice(a, Shape(size_t(a.ndim()), 0), with_axes(batch_shape(a), {n, a.shape(-1)}));
}
array unit_lower(const array& lu) {
  const int64_t k = std::min(lu.shape(-2), lu.shape(-1));
  array l = tril(first_columns(lu, k), -1);
  return add(l, eye(static_cast<int>(l.shape(-2)), static_cast<int>(k), 0, lu.dtype()));
}
array upper(const array& lu) { return triu(first_rows(lu, std::min(lu.shape(-2), lu.shape(-1)))); }
Triangles square_triangles(const array& lu) {
  return {continued(unit_lower(lu), lu.shape(-2)), continued(upper(lu), lu.shape(-1))};
}
array permuted_rows(const array& a, const array& perm) {
  return take_along_axis(a, broadcast_to(expand_dims(perm, -1), a.shape()), -2);
}

MaybeArrays jvp_lu(const JvpCall& c) {
  if (c.in[0].size() == 0) return {zeros_like(c.out[0]), std::nullopt, std::nullopt};
  auto [l, u] = square_triangles(c.out[0]);
  array half = triangular_solve(l, permuted_rows(*c.tangent[0], c.out[2]), false);
  array m = adjoint(triangular_solve(adjoint(u), adjoint(half), false));
  return {add(matmul(l, tril(m, -1)), matmul(triu(m), u)), std::nullopt, std::nullopt};
}
MaybeArrays vjp_lu(const VjpCall& c) {
  if (c.in[0].size() == 0) return zero_cotangents(c);
  auto [l, u] = square_triangles(c.out[0]);
  const array up = adjoint(l), low = adjoint(u);
  array m = add(tril(matmul(up, tril(c.ct[0], -1)), -1), triu(matmul(triu(c.ct[0]), low)));
  array half = triangular_solve(up, m, true);
  array whole = adjoint(triangular_solve(u, adjoint(half), true));
  return {permuted_rows(whole, argsort(c.out[2], -1))};
}
const Op lu_op{.name = "lu",
               .infer =
                   [](const ParamsRef&, std::span<const array> in) {
                     const array& a = in[0];
                     const Shape batch = batch_shape(a);
                     const int64_t m = a.shape(-2), n = a.shape(-1);
                     return Specs{{a.shape(), a.dtype()},
                                  {with_axes(batch, {std::min(m, n)}), uint32},
                                  {with_axes(batch, {m}), uint32}};
                   },
               .vjp = vjp_lu,
               .jvp = jvp_lu,
               .vmap = vmap_matrices,
               .params = &params_type<LuParams>,
               .check = check_matrix,
               .any_size = true};

LuFactors lu_node(const array& a, std::string_view caller, StreamOrDevice s) {
  const ParamsRef params = make_params(LuParams{caller});
  Arrays out =
      make_nodes(lu_op, params, std::span(&a, 1), lu_op.infer(params, std::span(&a, 1)), s);
  return {out[0], out[1], out[2]};
}

// ---- QR of m x n matrices with m >= n: Q is m x n, R has a real diagonal (LAPACK's choice, which
// fixes its complex signs). With X = Q^H da R^-1 and K(X) = P(X) - P(X)^H, P the lower half
// (Walter and Lehmann, "Algorithmic differentiation of linear algebra functions", 2018):
//   dQ = Q K(X) + (1 - Q Q^H) da R^-1,   dR = (X - K(X)) R
// The adjoint of K is G -> P(G - G^H).

array skew(const array& x) {
  const array p = lower_half(x);
  return subtract(p, adjoint(p));
}
// x R^-1 and x R^-H.
array over(const array& x, const array& r) {
  return adjoint(triangular_solve(adjoint(r), adjoint(x), false));
}
array over_adjoint(const array& x, const array& r) {
  return adjoint(triangular_solve(r, adjoint(x), true));
}

MaybeArrays jvp_qr(const JvpCall& c) {
  if (c.in[0].size() == 0) return zero_tangents(c);
  const array &q = c.out[0], &r = c.out[1];
  const array scaled = over(*c.tangent[0], r);
  const array x = matmul(adjoint(q), scaled), omega = skew(x);
  array dq = matmul(q, subtract(omega, x)) + scaled;
  return {dq, triu(matmul(subtract(x, omega), r))};
}
MaybeArrays vjp_qr(const VjpCall& c) {
  if (c.in[0].size() == 0) return zero_cotangents(c);
  const array &q = c.out[0], &r = c.out[1], &q_ct = c.ct[0];
  const array inner = matmul(adjoint(q), q_ct), outer = matmul(triu(c.ct[1]), adjoint(r));
  const array g = subtract(inner, outer);
  const array x_ct = add(outer, lower_half(subtract(g, adjoint(g))));
  return {over_adjoint(add(q_ct, matmul(q, subtract(x_ct, inner))), r)};
}
const Op qr_op{
    .name = "qr",
    .infer =
        [](const ParamsRef&, std::span<const array> in) {
          const array& a = in[0];
          const int64_t n = a.shape(-1);
          return Specs{{a.shape(), a.dtype()}, {with_axes(batch_shape(a), {n, n}), a.dtype()}};
        },
    .vjp = vjp_qr,
    .jvp = jvp_qr,
    .vmap = vmap_matrices,
    .check =
        [](const CheckCall& c) {
          check_matrix(c);
          require(c, c.in[0].shape(-2) >= c.in[0].shape(-1), "at least as many rows as columns");
        },
    .any_size = true};

}  // namespace

LuFactors lu_factors(const array& a, std::string_view caller) { return lu_node(a, caller, {}); }

array cholesky(const array& a, bool upper, StreamOrDevice s) {
  expect_lapack_dtype(a.dtype(), "cholesky");
  expect_square(a, "cholesky");
  if (upper) return adjoint(cholesky(adjoint(a), false, s));
  return make_node(cholesky_op, {}, {a}, a.shape(), a.dtype(), s);
}

std::pair<array, array> lu_factor(const array& a, StreamOrDevice s) {
  expect_lapack_dtype(a.dtype(), "lu_factor");
  expect_matrix(a, "lu_factor");
  LuFactors f = lu_node(a, {}, s);
  return {f.lu, f.pivots};
}

std::vector<array> lu(const array& a, StreamOrDevice s) {
  expect_lapack_dtype(a.dtype(), "lu");
  expect_matrix(a, "lu");
  LuFactors f = lu_node(a, {}, s);
  return {argsort(f.perm, -1), unit_lower(f.lu), upper(f.lu)};
}

std::pair<array, array> qr(const array& a, StreamOrDevice s) {
  expect_lapack_dtype(a.dtype(), "qr");
  expect_matrix(a, "qr");
  const int64_t m = a.shape(-2);
  // The columns past the m-th do not take part in Q.
  const bool wide = a.shape(-1) > m;
  const array square = wide ? first_columns(a, m) : a;
  Arrays out =
      make_nodes(qr_op, {}, std::span(&square, 1), qr_op.infer({}, std::span(&square, 1)), s);
  if (!wide) return {out[0], out[1]};
  array rest = matmul(adjoint(out[0]), further_columns(a, m), s);
  return {out[0], concatenate({out[1], rest}, -1, s)};
}

}  // namespace olivine::linalg
