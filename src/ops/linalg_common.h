// What the linear-algebra files share: checks of matrices, batched matrix algebra, internal ops.
//
// Conventions: matrices lie in the last two axes, all axes before them are batches, and every op
// takes inputs whose batch axes agree. A cotangent `ct` of x stands for dL = Re tr(ct^H dx), so
// rules for complex matrices have adjoints where those for real ones have transposes. Derivative
// rules are made of ops and so have derivatives themselves.
#pragma once

#include "core/checks.h"
#include "core/error.h"
#include "core/op.h"
#include "olivine/ops/creation.h"
#include "olivine/ops/elementwise.h"
#include "olivine/ops/linalg.h"
#include "olivine/ops/matmul.h"
#include "olivine/ops/reduction.h"
#include "olivine/ops/shape.h"
#include "ops/batching.h"
#include "ops/linalg_params.h"

namespace olivine::linalg {

// ---- Checks; `op` stands in errors.
void expect_lapack_dtype(Dtype t, const char* op);
void expect_matrix(const array& a, const char* op);
void expect_square(const array& a, const char* op);

// ---- Shapes: the batch axes of a matrix, and those with further axes.
Shape batch_shape(const array& a);
Shape with_axes(Shape batch, std::initializer_list<int64_t> axes);

// ---- Batched matrix algebra.
array adjoint(const array& a);
// The identity with the last axis' size of `a`, of its dtype; and broadcast to its shape.
array identity_like(const array& a);
array identities_like(const array& a);
array diagonal_of(const array& a);
// Matrices with the last axis of `v` on their diagonals.
array diagonal_matrix(const array& v);
// (a + a^H) / 2, and the lower triangle with its diagonal halved.
array hermitian_part(const array& a);
array lower_half(const array& a);
inline array columns_scaled(const array& a, const array& by) {
  return multiply(a, expand_dims(by, -2));
}
inline array rows_scaled(const array& a, const array& by) {
  return multiply(a, expand_dims(by, -1));
}
// The first and the further columns.
array first_columns(const array& a, int64_t n);
array further_columns(const array& a, int64_t from);
// `a` with its batch axes broadcast to `batch`; `own` counts the axes that are not batches.
array broadcast_batch(const array& a, const Shape& batch, int own = 2);

// Unit of relative rounding error.
double epsilon(Dtype t);
// Values at or below this are rounding errors of a decomposition with these eigenvalues (or
// singular values) over the last axis, which stays as size 1: n eps max |w|.
array rounding_level(const array& w);
// 1 / x where |x| > level, else 0.
array guarded_reciprocal(const array& x, const array& level);

// ---- Checks of records: one matrix, or a square one, of a dtype that LAPACK takes.
void check_matrix(const CheckCall& c);
void check_square(const CheckCall& c);
// A square matrix, its packed factors and their pivots; `more` inputs follow.
void check_factors(const CheckCall& c, size_t more);

// ---- Rules.
VmapResult vmap_matrices(const VmapCall& c);
MaybeArrays zero_cotangents(const VjpCall& c);
MaybeArrays zero_tangents(const JvpCall& c);

// ---- Internal ops that several files use.
// a^-1 b by substitution; only the named triangle of `a` is read.
array triangular_solve(const array& a, const array& b, bool upper, std::string_view caller = {});
// The packed factors of a[perm] = L U, LAPACK's pivots (from 0), and perm.
struct LuFactors {
  array lu, pivots, perm;
};
LuFactors lu_factors(const array& a, std::string_view caller = {});
// a^-1 b or a^-H b, given the factors of `a`. The derivative is that of the solution in `a`.
array lu_solve(const array& a, const array& lu, const array& pivots, const array& b, bool adjoint);
array solve_with(const array& a, const array& b, bool adjoint, std::string_view caller = {});
struct Svd {
  array u, s, vh;
};
// Reduced: k = min(m, n) columns of u and rows of vh.
Svd reduced_svd(const array& a);
array singular_values(const array& a);
// The pseudo-inverse, of the singular values that count.
array pinv(const array& a, const PinvParams& counted, StreamOrDevice s);

}  // namespace olivine::linalg
