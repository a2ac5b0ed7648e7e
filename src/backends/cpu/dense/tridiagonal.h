// Reduction of symmetric matrices to tridiagonal form, and eigenvectors of that form.
#pragma once

#include "backends/cpu/dense/reflections.h"

namespace olivine::cpu::blocked {

// A = Q T Q^T, where Q is the product of the reflections, and T has diagonal d and off-diagonal e.
template <class T>
struct Tridiagonal {
  explicit Tridiagonal(int64_t order)
      : n(order), q(std::max<int64_t>(order - 1, 0), order, 1), d(order), e(order) {}
  int64_t n;
  Reflections<T> q;
  Scratch<T> d, e;
};

// Of the symmetric matrix whose element (i, j), i >= j, is a[j * n + i].
template <class T>
void reduce_to_tridiagonal(const T* a, Tridiagonal<T>& to);

// Eigenvalues w, ascending, and vectors as columns of v, n x n and row-major, of a tridiagonal
// matrix, whose d and e are lost. False if an iteration does not converge.
template <class T>
bool divide_and_conquer(int64_t n, T* d, T* e, T* w, T* v);

}  // namespace olivine::cpu::blocked
