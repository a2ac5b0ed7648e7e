// Reduction of general matrices to bidiagonal form.
#pragma once

#include "backends/cpu/dense/reflections.h"

namespace olivine::cpu::blocked {

// A = Q B P^T for m >= n, where Q and P are products of reflections and B is n x n, with diagonal d
// and e right of it.
template <class T>
struct Bidiagonal {
  Bidiagonal(int64_t rows, int64_t columns)
      : m(rows), n(columns), q(n, m, 0), p(n - 1, n, 1), d(n), e(n) {}
  int64_t m, n;
  Reflections<T> q, p;
  Scratch<T> d, e;
};

// Of a row-major m x n matrix.
template <class T>
void reduce_to_bidiagonal(const T* a, Bidiagonal<T>& to);

}  // namespace olivine::cpu::blocked
