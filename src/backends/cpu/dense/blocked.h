// LU, Cholesky, QR and solutions whose arithmetic is mostly matrix products, for float and double.
//
// Matrices are row-major. Threads share the products and the columns of right-hand sides; results
// do not depend on their number. Work polls for interrupts in every product.
#pragma once

#include <cstdint>

namespace olivine::cpu::blocked {

// From this order on these functions are faster than those of small_factor.h.
inline constexpr int64_t kLeast = 17;

// The upper factor u of a = u^T u, n x n, in the upper triangle; what lies below it is
// overwritten. Returns the order of the first leading block that is not positive definite, else 0.
template <class T>
int64_t cholesky(int64_t n, T* a, int64_t stride);

// The triangle of an n x n matrix: element (i, j) is data[i * row_step + j * column_step].
template <class T>
struct Triangle {
  const T* data;
  int64_t row_step, column_step;
  int64_t n;
  bool upper, unit;

  Triangle transposed() const { return {data, column_step, row_step, n, !upper, unit}; }
};

// A right-hand side, n x columns with any strides, or the identity if data is null.
template <class T>
struct RightSide {
  const T* data;
  int64_t row_step, column_step;
  int64_t columns;
};

// Factorizes m x n in place, rows `stride` apart. Pivots count from 0, and there are min(m, n).
// Returns the number from 1 of the first pivot that is 0, else 0.
template <class T>
int64_t lu(int64_t m, int64_t n, T* a, int64_t stride, int64_t* pivots);

// Up to two triangles, one after another, and exchanges of rows before or after them.
template <class T>
struct System {
  Triangle<T> first, second;
  bool has_second = false;
  const int64_t* order_before = nullptr;  // row i of the right side is its row order_before[i]
  const int64_t* order_after = nullptr;   // row i of the solution becomes row order_after[i]
};

// out: row-major with as many columns as the right side.
template <class T>
void solve(const System<T>& system, const RightSide<T>& right, T* out);

// Of an m x n matrix, m >= n: Q, m x n, in its place, and R, n x n. All elements are finite.
template <class T>
void qr(int64_t m, int64_t n, T* a, T* r);

}  // namespace olivine::cpu::blocked
