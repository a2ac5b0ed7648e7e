// What an instruction set provides to blocked factorizations: the work on narrow panels, between
// the matrix products that do most of the arithmetic.
//
// A packed panel has rows of kPanel elements, zero beyond its columns.
#pragma once

#include <cstdint>

namespace olivine::cpu {

inline constexpr int64_t kPanel = 32;  // most columns of a panel, most rows of a triangle

// A triangle of at most kPanel rows: element (i, j) is t[i * row_step + j * column_step].
template <class T>
struct TriangleBlock {
  const T* t;
  int64_t row_step, column_step;
  int64_t n;
  bool upper, unit;
};

template <class T>
struct PanelKernels {
  // LU with row exchanges of a packed panel. Pivots count from 0, within the panel; returns the
  // number of the first column that has only zeros to divide by, from 1, else 0.
  // `other`: memory for another panel whose rows are a multiple of 16.
  int64_t (*lu)(T* a, T* other, int64_t rows, int64_t columns, int64_t* pivots);
  // Upper Cholesky factor of n <= kPanel rows, `stride` apart, from and to the upper triangle.
  // Returns the order of the first leading block that is not positive definite, else 0.
  int64_t (*cholesky)(T* a, int64_t stride, int64_t n);
  // Householder QR of a packed panel, columns <= rows: R and, below its diagonal, the vectors,
  // whose first elements are 1. The largest elements of the matrix are near 1 in size.
  void (*qr)(T* a, int64_t rows, int64_t columns, T* tau);
  // products = a^T a, kPanel x kPanel, of a packed panel.
  void (*gram)(const T* a, int64_t rows, T* products);
  // b <- t^-1 b, where b has `columns` columns in rows `stride` apart.
  void (*solve)(const TriangleBlock<T>& t, T* b, int64_t stride, int64_t columns);
};

#define OLIVINE_DECLARE_PANEL_KERNELS(isa)         \
  namespace isa {                                  \
  extern const PanelKernels<float> panels_float;   \
  extern const PanelKernels<double> panels_double; \
  }
OLIVINE_DECLARE_PANEL_KERNELS(plain)
OLIVINE_DECLARE_PANEL_KERNELS(avx2)
OLIVINE_DECLARE_PANEL_KERNELS(avx512)
#undef OLIVINE_DECLARE_PANEL_KERNELS

}  // namespace olivine::cpu
