// Eigenvalues of symmetric matrices and singular values, by blocked reductions and divide and
// conquer, for float and double.
//
// Threads share the work; results do not depend on their number. All elements are finite.
#pragma once

#include <cstdint>

namespace olivine::cpu::blocked {

// From this order on these functions are faster than LAPACK's.
inline constexpr int64_t kLeastSpectral = 64;

// Eigenvalues w, ascending, and unless `v` is null the vectors as its columns, n x n and row-major,
// of the symmetric matrix whose element (i, j), i >= j, is a[j * n + i]; `a` is lost. False if an
// iteration does not converge.
template <class T>
bool eigh(int64_t n, T* a, T* w, T* v);

// Singular values s, descending, of a row-major m x n matrix, m >= n, which is lost; and unless `u`
// is null the vectors as the columns of u, m x n, and v, n x n, both row-major. False if an
// iteration does not converge.
template <class T>
bool svd(int64_t m, int64_t n, T* a, T* s, T* u, T* v);

}  // namespace olivine::cpu::blocked
