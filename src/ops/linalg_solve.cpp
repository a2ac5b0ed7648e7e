// Linear systems, inverses and determinants.
//
// A system is factorized once: `lu_solve` takes the factors as further inputs, but its derivative
// is that of the solution in the matrix, so that gradients of every order solve with the same
// factors.
#include "ops/linalg_common.h"
#include "ops/linalg_params.h"

namespace olivine::linalg {
namespace {

using Specs = std::vector<OutSpec>;

// The right-hand sides: the rows and batches of the first input.
void check_right(const CheckCall& c, size_t input) {
  expect_ndim(c, input, c.in[0].ndim(), c.in[0].ndim());
  Shape shape = c.in[0].shape();
  shape.back() = c.in[input].shape().back();
  expect_shape(c, input, shape);
}

// ---- x = t^-1 b for a triangle t of a: dx = t^-1 (db - dt x), b~ = t^-H x~, t~ = -b~ x^H.

array triangle(const array& a, bool upper) { return upper ? triu(a) : tril(a); }

bool is_upper(const ParamsRef& p) { return p.as<TriangularParams>().upper; }

MaybeArrays jvp_triangular(const JvpCall& c) {
  const bool upper = is_upper(c.params);
  MaybeArray right = c.tangent[1];
  if (c.tangent[0]) {
    array moved = matmul(triangle(*c.tangent[0], upper), c.out[0]);
    right = right ? subtract(*right, moved) : negative(moved);
  }
  return {triangular_solve(c.in[0], *right, upper)};
}
MaybeArrays vjp_triangular(const VjpCall& c) {
  const bool upper = is_upper(c.params);
  array b_ct = triangular_solve(adjoint(c.in[0]), c.ct[0], !upper);
  MaybeArrays g(2);
  if (c.wanted[0]) g[0] = triangle(negative(matmul(b_ct, adjoint(c.out[0]))), upper);
  if (c.wanted[1]) g[1] = b_ct;
  return g;
}
Specs infer_last(const ParamsRef&, std::span<const array> in) {
  return {{in.back().shape(), in.back().dtype()}};
}
const Op triangular_op{.name = "triangular_solve",
                       .infer = infer_last,
                       .vjp = vjp_triangular,
                       .jvp = jvp_triangular,
                       .vmap = vmap_matrices,
                       .params = &params_type<TriangularParams>,
                       .check =
                           [](const CheckCall& c) {
                             expect_inputs(c, 2);
                             expect_one_dtype(c, 0, 2);
                             expect_lapack_dtype(c.in[0].dtype(), c.op.name);
                             expect_square(c.in[0], c.op.name);
                             check_right(c, 1);
                           },
                       .any_size = true};

// ---- x = a^-1 b, or a^-H b; inputs a, its factors, b. The factors carry no derivative.

bool is_adjoint(const ParamsRef& p) { return p.as<LuSolveParams>().adjoint; }

array same_solve(std::span<const array> in, const array& b, bool adjoint) {
  return lu_solve(in[0], in[1], in[2], b, adjoint);
}
MaybeArrays jvp_lu_solve(const JvpCall& c) {
  const bool flipped = is_adjoint(c.params);
  MaybeArray right = c.tangent[3];
  if (c.tangent[0]) {
    array moved = matmul(flipped ? adjoint(*c.tangent[0]) : *c.tangent[0], c.out[0]);
    right = right ? subtract(*right, moved) : negative(moved);
  }
  if (!right) return MaybeArrays(1);
  return {same_solve(c.in, *right, flipped)};
}
MaybeArrays vjp_lu_solve(const VjpCall& c) {
  const bool flipped = is_adjoint(c.params);
  const array &x = c.out[0], b_ct = same_solve(c.in, c.ct[0], !flipped);
  MaybeArrays g(4);
  if (c.wanted[0]) {
    g[0] = negative(flipped ? matmul(x, adjoint(b_ct)) : matmul(b_ct, adjoint(x)));
  }
  if (c.wanted[3]) g[3] = b_ct;
  return g;
}
const Op lu_solve_op{.name = "lu_solve",
                     .infer = infer_last,
                     .vjp = vjp_lu_solve,
                     .jvp = jvp_lu_solve,
                     .vmap = vmap_matrices,
                     .params = &params_type<LuSolveParams>,
                     .check =
                         [](const CheckCall& c) {
                           check_factors(c, 1);
                           expect_dtype(c, 3, c.in[0].dtype());
                           check_right(c, 3);
                         },
                     .any_size = true};

// ---- The adjugate, with adj(a) a = det(a): the derivative of det, finite where `a` is singular.
// Its own derivative, (tr(X da) X - X da X) / det with X = adj(a), is for nonsingular matrices.

array traced(const array& a) { return expand_dims(sum(diagonal_of(a), -1), {-2, -1}); }
array adjugate(const array& a);
array det_of(const array& a) { return expand_dims(det(a), {-2, -1}); }

MaybeArrays jvp_adjugate(const JvpCall& c) {
  const array &x = c.out[0], moved = matmul(x, *c.tangent[0]);
  return {divide(subtract(multiply(traced(moved), x), matmul(moved, x)), det_of(c.in[0]))};
}
MaybeArrays vjp_adjugate(const VjpCall& c) {
  const array x = adjoint(c.out[0]), &ct = c.ct[0];
  array scale = sum(multiply(ct, conjugate(c.out[0])), {-2, -1}, true);
  array sum = subtract(multiply(scale, x), matmul(matmul(x, ct), x));
  return {divide(sum, conjugate(det_of(c.in[0])))};
}
const Op adjugate_op{.name = "adjugate",
                     .infer = infer_last,
                     .vjp = vjp_adjugate,
                     .jvp = jvp_adjugate,
                     .vmap = vmap_matrices,
                     .check = check_square,
                     .any_size = true};

array adjugate(const array& a) { return make_node(adjugate_op, {}, {a}, a.shape(), a.dtype()); }

// ---- Determinants from factors; inputs a, lu, pivots. They have composites instead of kernels,
// and rules in terms of `a`: d det = tr(adj(a) da), and d log det = tr(a^-1 da), whose real part is
// the tangent of log |det| and whose imaginary part turns the sign of a complex determinant.

// +-1 of the row exchanges.
array parity(const array& pivots, Dtype t) {
  const int64_t k = pivots.shape(-1);
  array moved = not_equal(pivots, arange(int64_t{0}, k, int64_t{1}, uint32));
  array odd = remainder(sum(moved, -1), array(2));
  return where(equal(odd, array(0)), array(1, t), array(-1, t));
}
Shape batch_of(std::span<const array> in) { return batch_shape(in[0]); }

Arrays det_composite(const ParamsRef&, std::span<const array> in) {
  return {multiply(prod(diagonal_of(in[1]), -1), parity(in[2], in[0].dtype()))};
}
MaybeArrays jvp_det(const JvpCall& c) {
  if (!c.tangent[0]) return MaybeArrays(1);
  array x = swapaxes(adjugate(c.in[0]), -1, -2);
  return {sum(multiply(x, *c.tangent[0]), {-2, -1})};
}
MaybeArrays vjp_det(const VjpCall& c) {
  MaybeArrays g(3);
  g[0] = multiply(expand_dims(c.ct[0], {-2, -1}), adjoint(adjugate(c.in[0])));
  return g;
}
const Op det_op{.name = "det",
                .infer =
                    [](const ParamsRef&, std::span<const array> in) {
                      return Specs{{batch_of(in), in[0].dtype()}};
                    },
                .vjp = vjp_det,
                .jvp = jvp_det,
                .vmap = vmap_matrices,
                .composite = det_composite,
                .check = [](const CheckCall& c) { check_factors(c, 0); },
                .any_size = true};

array imaginary(const array& real) {
  const Dtype t = real.dtype() == float64 ? complex128 : complex64;
  return multiply(real, array(complex64_t(0, 1), t));
}

Arrays slogdet_composite(const ParamsRef&, std::span<const array> in) {
  array d = diagonal_of(in[1]);
  return {multiply(prod(sign(d), -1), parity(in[2], in[0].dtype())), sum(log(abs(d)), -1)};
}
MaybeArrays jvp_slogdet(const JvpCall& c) {
  if (!c.tangent[0]) return MaybeArrays(2);
  array t = sum(diagonal_of(same_solve(c.in, *c.tangent[0], false)), -1);
  if (!is_complexfloating(t.dtype())) return {std::nullopt, t};
  return {multiply(c.out[0], imaginary(imag(t))), real(t)};
}
MaybeArrays vjp_slogdet(const VjpCall& c) {
  MaybeArrays g(3);
  array scale = c.ct[1];
  if (is_complexfloating(c.in[0].dtype())) {
    array turn = imag(multiply(conjugate(c.ct[0]), c.out[0]));
    scale = subtract(scale, imaginary(turn));
  }
  array diagonal = multiply(expand_dims(scale, {-2, -1}), identity_like(c.in[0]));
  g[0] = same_solve(c.in, diagonal, true);
  return g;
}
const Op slogdet_op{.name = "slogdet",
                    .infer =
                        [](const ParamsRef&, std::span<const array> in) {
                          const Dtype t = in[0].dtype();
                          return Specs{{batch_of(in), t}, {batch_of(in), real_type(t)}};
                        },
                    .vjp = vjp_slogdet,
                    .jvp = jvp_slogdet,
                    .vmap = vmap_matrices,
                    .composite = slogdet_composite,
                    .check = [](const CheckCall& c) { check_factors(c, 0); },
                    .any_size = true};

// The matrix, its factors and pivots, of a dtype that LAPACK takes.
Arrays factorized(const array& a, const char* op) {
  expect_square(a, op);
  array wide = a.dtype() == float64 || is_complexfloating(a.dtype()) ? a : astype(a, float32);
  LuFactors f = lu_factors(stop_gradient(wide));
  return {wide, f.lu, f.pivots};
}
Dtype narrow(Dtype t) { return t == float16 || t == bfloat16 ? t : at_least_float(t); }

// ---- Public solvers: checks, promotion, a vector as a matrix of one column, broadcasting.

template <class F>
array solved(const array& x, const array& y, const char* op, F solve) {
  const Dtype t = promote_types(x.dtype(), y.dtype());
  expect_lapack_dtype(t, op);
  expect_square(x, op);
  if (y.ndim() == 0) fail("[", op, "] expected b of at least one axis; got a scalar");
  const bool vector = y.ndim() == 1;
  const array a = astype(x, t), b = vector ? expand_dims(astype(y, t), -1) : astype(y, t);
  expect_matrix(b, op);
  if (b.shape(-2) != a.shape(-1)) {
    fail("[", op, "] expected as many rows of b as of a; got shapes ", x.shape(), " and ",
         y.shape());
  }
  const Shape batch = broadcast_shapes(batch_shape(a), batch_shape(b));
  array out = solve(a, broadcast_batch(b, batch), batch);
  return vector ? squeeze(out, -1) : out;
}

array triangular_node(const array& a, const array& b, bool upper, std::string_view caller,
                      StreamOrDevice s) {
  return make_node(triangular_op, make_params(TriangularParams{upper, caller}), {a, b}, b.shape(),
                   b.dtype(), s);
}

}  // namespace

array triangular_solve(const array& a, const array& b, bool upper, std::string_view caller) {
  return triangular_node(a, b, upper, caller, {});
}

array lu_solve(const array& a, const array& lu, const array& pivots, const array& b, bool adjoint) {
  return make_node(lu_solve_op, make_params(LuSolveParams{adjoint}), {a, lu, pivots, b}, b.shape(),
                   b.dtype());
}

array solve_with(const array& a, const array& b, bool adjoint, std::string_view caller) {
  const Shape batch = batch_shape(b);
  LuFactors f = lu_factors(stop_gradient(a), caller);
  return lu_solve(broadcast_batch(a, batch), broadcast_batch(f.lu, batch),
                  broadcast_batch(f.pivots, batch, 1), b, adjoint);
}

array solve(const array& a, const array& b, StreamOrDevice) {
  return solved(a, b, "solve", [&](const array& x, const array& y, const Shape&) {
    return solve_with(x, y, false, "solve");
  });
}

array solve_triangular(const array& a, const array& b, bool upper, StreamOrDevice s) {
  return solved(a, b, "solve_triangular", [&](const array& x, const array& y, const Shape& batch) {
    return triangular_node(broadcast_batch(x, batch), y, upper, "solve_triangular", s);
  });
}

array inv(const array& a, StreamOrDevice) {
  expect_lapack_dtype(a.dtype(), "inv");
  expect_square(a, "inv");
  return solve_with(a, identities_like(a), false, "inv");
}

array tri_inv(const array& a, bool upper, StreamOrDevice s) {
  expect_lapack_dtype(a.dtype(), "tri_inv");
  expect_square(a, "tri_inv");
  return triangular_node(a, identities_like(a), upper, "tri_inv", s);
}

array cholesky_inv(const array& a, bool upper, StreamOrDevice s) {
  expect_lapack_dtype(a.dtype(), "cholesky_inv");
  expect_square(a, "cholesky_inv");
  const array l = upper ? adjoint(a) : a;
  array half = triangular_node(l, identities_like(a), false, "cholesky_inv", s);
  return matmul(adjoint(half), half, s);
}

array det(const array& a, StreamOrDevice s) {
  Arrays in = factorized(a, "det");
  array out = make_node(det_op, {}, std::span<const array>(in), batch_shape(a), in[0].dtype(), s);
  return astype(out, narrow(a.dtype()), s);
}

std::pair<array, array> slogdet(const array& a, StreamOrDevice s) {
  Arrays in = factorized(a, "slogdet");
  Arrays out = make_nodes(slogdet_op, {}, in, slogdet_op.infer({}, in), s);
  const Dtype t = narrow(a.dtype());
  return {astype(out[0], t, s), astype(out[1], real_type(t), s)};
}

}  // namespace olivine::linalg
