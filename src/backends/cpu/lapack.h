// LAPACK by routine and element type, from the OpenBLAS that openblas.h opens.
//
// Matrices are column-major with as many rows as their leading dimension. Every function returns
// LAPACK's `info`: 0, or what its documentation says. Sizes fit in 32 bits: the ops check them.
#pragma once

#include <complex>
#include <cstdint>
#include <type_traits>

namespace olivine::cpu::lapack {

using Int = int32_t;

template <class T>
struct RealOf {
  using type = T;
};
template <class R>
struct RealOf<std::complex<R>> {
  using type = R;
};
template <class T>
using Real = typename RealOf<T>::type;
template <class T>
inline constexpr bool kComplex = !std::is_same_v<T, Real<T>>;

// Lower Cholesky factor of the n x n matrix a, in its lower triangle.
template <class T>
Int potrf(Int n, T* a);
// a <- t^-1 a for a triangle of the n x n matrix t; a has `columns` columns.
template <class T>
void trsm(bool upper, Int n, Int columns, const T* t, T* a);
// Packed LU of m x n; pivots count from 1.
template <class T>
Int getrf(Int m, Int n, T* a, Int* pivots);
// b <- a^-1 b, or a^-H b, from the factors.
template <class T>
Int getrs(bool adjoint, Int n, Int columns, const T* lu, const Int* pivots, T* b);
// Householder QR; then the first k columns of Q, m x k, in place of the vectors.
template <class T>
Int geqrf(Int m, Int n, T* a, T* tau, T* work, Int lwork);
template <class T>
Int orgqr(Int m, Int columns, Int vectors, T* a, const T* tau, T* work, Int lwork);
// Reduced SVD ("S") or values alone ("N") by divide and conquer; and by QR iteration, which is
// slower and converges where the first did not.
template <class T>
Int gesdd(char job, Int m, Int n, T* a, Real<T>* s, T* u, T* vt, T* work, Int lwork, Real<T>* rwork,
          Int* iwork);
template <class T>
Int gesvd(char job, Int m, Int n, T* a, Real<T>* s, T* u, T* vt, T* work, Int lwork,
          Real<T>* rwork);
// Eigenvalues, and with "V" the vectors in place of `a`, of a Hermitian lower triangle. Work sizes
// of -1 ask for the best ones, which come back in the first element of each.
template <class T>
Int heevd(char job, Int n, T* a, Real<T>* w, T* work, Int lwork, Real<T>* rwork, Int lrwork,
          Int* iwork, Int liwork);
// Eigenvalues of the symmetric tridiagonal matrix of diagonal d and off-diagonal e, ascending in
// place of d; steqr also finds the vectors, z, with 2 n elements to work in. Real types only.
template <class T>
Int sterf(Int n, T* d, T* e);
template <class T>
Int steqr(Int n, T* d, T* e, T* z, T* work);
// Singular values, descending in place of d, and with "I" the vectors u and vt, of the upper
// bidiagonal matrix of diagonal d and e above it. Real types only; work: 3 n^2 + 4 n elements, or
// 8 n with "N", and 8 n integers.
template <class T>
Int bdsdc(char job, Int n, T* d, T* e, T* u, T* vt, T* work, Int* iwork);
// Eigenvalues (wi: imaginary parts, of real matrices only), and with "V" the right vectors.
template <class T>
Int geev(char job, Int n, T* a, T* w, T* wi, T* v, T* work, Int lwork, Real<T>* rwork);

}  // namespace olivine::cpu::lapack
