// Linear algebra: factorizations, solvers, spectra, determinants and norms of the matrices in the
// last two axes of float32, float64, complex64 or complex128 arrays.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "olivine/array.h"
#include "olivine/device.h"

namespace olivine::linalg {

// Vector or matrix norms over one or two axes (all of them without `axis`). The order is that of
// numpy.linalg.norm; without one it is the square root of the sum of squares.
OLIVINE_API array norm(const array& a, double ord,
                       const std::optional<std::vector<int>>& axis = std::nullopt,
                       bool keepdims = false, StreamOrDevice s = {});
inline array norm(const array& a, double ord, int axis, bool keepdims = false,
                  StreamOrDevice s = {}) {
  return norm(a, ord, std::vector<int>{axis}, keepdims, s);
}
OLIVINE_API array norm(const array& a, const std::string& ord,
                       const std::optional<std::vector<int>>& axis = std::nullopt,
                       bool keepdims = false, StreamOrDevice s = {});
inline array norm(const array& a, const std::string& ord, int axis, bool keepdims = false,
                  StreamOrDevice s = {}) {
  return norm(a, ord, std::vector<int>{axis}, keepdims, s);
}
OLIVINE_API array norm(const array& a, const std::optional<std::vector<int>>& axis = std::nullopt,
                       bool keepdims = false, StreamOrDevice s = {});
inline array norm(const array& a, int axis, bool keepdims = false, StreamOrDevice s = {}) {
  return norm(a, std::vector<int>{axis}, keepdims, s);
}
// Cross product along an axis of size 2 or 3; a missing third component is 0.
OLIVINE_API array cross(const array& a, const array& b, int axis = -1, StreamOrDevice s = {});

// (Q, R): orthonormal columns and an upper triangle, a = Q R.
OLIVINE_API std::pair<array, array> qr(const array& a, StreamOrDevice s = {});
// The triangular L with a = L L^H, or U with a = U^H U; reads that triangle only.
OLIVINE_API array cholesky(const array& a, bool upper = false, StreamOrDevice s = {});
// (L L^H)^-1 or (U^H U)^-1, given the factor.
OLIVINE_API array cholesky_inv(const array& a, bool upper = false, StreamOrDevice s = {});
// (p, L, U) with a = L[p, :] U.
OLIVINE_API std::vector<array> lu(const array& a, StreamOrDevice s = {});
// (LU, pivots): both factors in one matrix, and the row that each row was exchanged with.
OLIVINE_API std::pair<array, array> lu_factor(const array& a, StreamOrDevice s = {});

// a^-1.
OLIVINE_API array inv(const array& a, StreamOrDevice s = {});
// The inverse of a triangle of `a`.
OLIVINE_API array tri_inv(const array& a, bool upper = false, StreamOrDevice s = {});
// The Moore-Penrose inverse.
OLIVINE_API array pinv(const array& a, StreamOrDevice s = {});
// x with a x = b; `b` is a vector or holds matrices.
OLIVINE_API array solve(const array& a, const array& b, StreamOrDevice s = {});
// The same with a triangle of `a`.
OLIVINE_API array solve_triangular(const array& a, const array& b, bool upper = false,
                                   StreamOrDevice s = {});
// Determinant.
OLIVINE_API array det(const array& a, StreamOrDevice s = {});
// (sign, log |det|).
OLIVINE_API std::pair<array, array> slogdet(const array& a, StreamOrDevice s = {});

// (U, S, V^H) with square U and V^H, singular values descending; or (S) alone.
OLIVINE_API std::vector<array> svd(const array& a, bool compute_uv, StreamOrDevice s);
inline std::vector<array> svd(const array& a, StreamOrDevice s = {}) { return svd(a, true, s); }
// (w, V) of Hermitian matrices, eigenvalues ascending; reads the triangle "L" or "U" only.
OLIVINE_API std::pair<array, array> eigh(const array& a, std::string UPLO = "L",
                                         StreamOrDevice s = {});
OLIVINE_API array eigvalsh(const array& a, std::string UPLO = "L", StreamOrDevice s = {});
// (w, V) of general matrices, always complex; columns of V have length 1.
OLIVINE_API std::pair<array, array> eig(const array& a, StreamOrDevice s = {});
OLIVINE_API array eigvals(const array& a, StreamOrDevice s = {});

// The exponential, and the principal logarithm and square root, of square matrices.
OLIVINE_API array expm(const array& a, StreamOrDevice s = {});
OLIVINE_API array logm(const array& a, StreamOrDevice s = {});
OLIVINE_API array sqrtm(const array& a, StreamOrDevice s = {});
// a^n; of the inverse for negative n.
OLIVINE_API array matrix_power(const array& a, int n, StreamOrDevice s = {});
// How many singular values exceed rtol times the largest.
OLIVINE_API array matrix_rank(const array& a, std::optional<double> rtol = std::nullopt,
                              StreamOrDevice s = {});
// The largest singular value over the least.
OLIVINE_API array cond(const array& a, StreamOrDevice s = {});
// (x, residuals, rank, singular values): the shortest x with the least |a x - b|; singular values
// up to rcond times the largest count as 0.
OLIVINE_API std::vector<array> lstsq(const array& a, const array& b,
                                     std::optional<double> rcond = std::nullopt,
                                     StreamOrDevice s = {});

}  // namespace olivine::linalg
