// Factorizations of small real matrices without a library call.
//
// OpenBLAS takes a lock for its buffers in each call, so that for small matrices two threads were
// slower than one. Same conventions, pivots and `info` as LAPACK's; matrices are column-major.
#pragma once

#include <cmath>
#include <utility>

#include "backends/cpu/lapack.h"

namespace olivine::cpu::small {

using lapack::Int;

// Up to this order.
inline constexpr Int kLargest = 16;

// y -= factor * x over n elements.
template <class T>
void subtract(Int n, T factor, const T* x, T* y) {
  for (Int i = 0; i < n; ++i) y[i] -= factor * x[i];
}

// Lower Cholesky factor, column by column.
template <class T>
Int potrf(Int n, T* a) {
  for (Int j = 0; j < n; ++j) {
    T* column = a + j * n;
    if (!(column[j] > T(0))) return j + 1;
    const T root = std::sqrt(column[j]);
    column[j] = root;
    for (Int i = j + 1; i < n; ++i) column[i] /= root;
    for (Int k = j + 1; k < n; ++k) subtract(n - k, column[k], column + k, a + k * n + k);
  }
  return 0;
}

// The largest element of a column's rest is the pivot, the first of equals.
template <class T>
Int getrf(Int m, Int n, T* a, Int* pivots) {
  Int info = 0;
  const Int k = m < n ? m : n;
  for (Int c = 0; c < k; ++c) {
    T* column = a + c * m;
    Int at = c;
    for (Int i = c + 1; i < m; ++i) at = std::abs(column[i]) > std::abs(column[at]) ? i : at;
    pivots[c] = at + 1;
    if (column[at] == T(0)) {
      info = info ? info : c + 1;
      continue;
    }
    for (Int j = 0; j < n && at != c; ++j) std::swap(a[j * m + c], a[j * m + at]);
    for (Int i = c + 1; i < m; ++i) column[i] /= column[c];
    for (Int j = c + 1; j < n; ++j) {
      subtract(m - c - 1, a[j * m + c], column + c + 1, a + j * m + c + 1);
    }
  }
  return info;
}

// b <- t^-1 b for one column, by columns of t.
template <class T>
void substitute(bool upper, bool unit, Int n, const T* t, T* b) {
  for (Int s = 0; s < n; ++s) {
    const Int j = upper ? n - 1 - s : s;
    const T* column = t + j * n;
    if (!unit) b[j] /= column[j];
    if (upper) {
      subtract(j, b[j], column, b);
    } else {
      subtract(n - j - 1, b[j], column + j + 1, b + j + 1);
    }
  }
}
// b <- t^-T b.
template <class T>
void substitute_transposed(bool upper, bool unit, Int n, const T* t, T* b) {
  for (Int s = 0; s < n; ++s) {
    const Int j = upper ? s : n - 1 - s;
    const T* column = t + j * n;
    T sum = b[j];
    for (Int i = upper ? 0 : j + 1; i < (upper ? j : n); ++i) sum -= column[i] * b[i];
    b[j] = unit ? sum : sum / column[j];
  }
}

template <class T>
void trsm(bool upper, Int n, Int columns, const T* t, T* b) {
  for (Int k = 0; k < columns; ++k) substitute(upper, false, n, t, b + k * n);
}

template <class T>
void getrs(bool transposed, Int n, Int columns, const T* lu, const Int* pivots, T* b) {
  for (Int k = 0; k < columns; ++k, b += n) {
    if (transposed) {
      substitute_transposed(true, false, n, lu, b);
      substitute_transposed(false, true, n, lu, b);
      for (Int i = n; i-- > 0;) std::swap(b[i], b[pivots[i] - 1]);
    } else {
      for (Int i = 0; i < n; ++i) std::swap(b[i], b[pivots[i] - 1]);
      substitute(false, true, n, lu, b);
      substitute(true, false, n, lu, b);
    }
  }
}

}  // namespace olivine::cpu::small
