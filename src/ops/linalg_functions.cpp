// Functions of matrices: exponential, logarithm, square root and powers; least squares, rank and
// condition.
//
// The derivative of a function f of matrices is a block of f itself, f([a e; 0 a]) = [f(a) L; 0
// f(a)] with L the derivative at `a` along `e` (Higham, "Functions of Matrices", 2008, 3.6), and
// its adjoint the derivative at a^H: so one rule serves all, and derivatives have derivatives.
#include "core/node.h"
#include "olivine/ops/indexing.h"
#include "ops/linalg_common.h"

namespace olivine::linalg {
namespace {

using Specs = std::vector<OutSpec>;

array derivative_along(const Op& op, const array& a, const array& e) {
  note_size_read(a, "a matrix of twice its order");
  const int64_t n = a.shape(-1);
  const array block =
      concatenate({concatenate({a, e}, -1), concatenate({zeros_like(a), a}, -1)}, -2);
  const array f = emit(op, {}, std::span(&block, 1))[0];
  return further_columns(split(f, 2, -2)[0], n);
}

MaybeArrays jvp_function(const JvpCall& c) {
  if (c.in[0].size() == 0) return zero_tangents(c);
  return {derivative_along(c.op, c.in[0], *c.tangent[0])};
}
MaybeArrays vjp_function(const VjpCall& c) {
  if (c.in[0].size() == 0) return zero_cotangents(c);
  return {derivative_along(c.op, adjoint(c.in[0]), c.ct[0])};
}
Specs infer_same(const ParamsRef&, std::span<const array> in) {
  return {{in[0].shape(), in[0].dtype()}};
}
Op matrix_function(const char* name) {
  return Op{.name = name,
            .infer = infer_same,
            .vjp = vjp_function,
            .jvp = jvp_function,
            .vmap = vmap_matrices,
            .check = check_square,
            .any_size = true};
}
const Op expm_op = matrix_function("expm");
const Op logm_op = matrix_function("logm");
const Op sqrtm_op = matrix_function("sqrtm");

array apply(const Op& op, const array& a, StreamOrDevice s) {
  expect_lapack_dtype(a.dtype(), op.name);
  expect_square(a, op.name);
  return make_node(op, {}, {a}, a.shape(), a.dtype(), s);
}

// How many singular values count beside the largest.
array rank_of(const array& a, const array& values, double tolerance) {
  if (values.shape(-1) == 0) return zeros(batch_shape(a), int32);
  const array least = multiply(max(values, -1, true), array(tolerance, values.dtype()));
  return sum(astype(greater(values, least), int32), -1);
}
double longer_side(const array& a) {
  note_size_read(a, "the rounding error of a matrix' size");
  return static_cast<double>(std::max(a.shape(-1), a.shape(-2)));
}

}  // namespace

array expm(const array& a, StreamOrDevice s) { return apply(expm_op, a, s); }
array logm(const array& a, StreamOrDevice s) { return apply(logm_op, a, s); }
array sqrtm(const array& a, StreamOrDevice s) { return apply(sqrtm_op, a, s); }

array matrix_power(const array& a, int n, StreamOrDevice s) {
  expect_square(a, "matrix_power");
  if (n == 0) return broadcast_to(identity_like(a), a.shape(), s);
  array power = n < 0 ? inv(a, s) : a;
  std::optional<array> out;
  for (int64_t rest = std::abs(int64_t{n}); rest != 0; rest /= 2) {
    if (rest % 2) out = out ? matmul(*out, power, s) : power;
    if (rest > 1) power = matmul(power, power, s);
  }
  return *out;
}

array matrix_rank(const array& a, std::optional<double> rtol, StreamOrDevice) {
  expect_lapack_dtype(a.dtype(), "matrix_rank");
  expect_matrix(a, "matrix_rank");
  return rank_of(a, singular_values(a), rtol.value_or(longer_side(a) * epsilon(a.dtype())));
}

array cond(const array& a, StreamOrDevice s) {
  expect_lapack_dtype(a.dtype(), "cond");
  expect_matrix(a, "cond");
  if (a.shape(-1) == 0 || a.shape(-2) == 0) {
    fail("[cond] expected matrices with elements; got shape ", a.shape());
  }
  const array values = singular_values(a);
  return divide(max(values, -1, false, s), min(values, -1, false, s), s);
}

std::vector<array> lstsq(const array& a, const array& b, std::optional<double> rcond,
                         StreamOrDevice s) {
  const Dtype t = promote_types(a.dtype(), b.dtype());
  expect_lapack_dtype(t, "lstsq");
  expect_matrix(a, "lstsq");
  const bool vector = b.ndim() == 1;
  const array right = astype(vector ? expand_dims(b, -1) : b, t, s), left = astype(a, t, s);
  if (right.ndim() < 2 || right.shape(-2) != a.shape(-2)) {
    fail("[lstsq] expected as many rows of b as of a; got shapes ", a.shape(), " and ", b.shape());
  }
  // As NumPy: the rounding error of the matrix' size by default, of one number for -1.
  const bool by_size = !rcond;
  const double unit = rcond && *rcond >= 0 ? *rcond : epsilon(t);
  const array x = matmul(pinv(left, {unit, by_size}, s), right, s);
  const array rest = square(abs(subtract(matmul(left, x, s), right, s), s), s);
  const array residuals = sum(rest, -2, false, s);
  const array values = singular_values(left);
  const array rank = rank_of(left, stop_gradient(values), by_size ? longer_side(a) * unit : unit);
  if (!vector) return {x, residuals, rank, values};
  return {squeeze(x, -1, s), squeeze(residuals, -1, s), rank, values};
}

}  // namespace olivine::linalg
