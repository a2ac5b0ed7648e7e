// What an instruction set provides to eigenvalue and singular value decompositions: products with
// vectors for the reductions to narrow bands, and the secular equation of divide and conquer.
//
// Rows lie `stride` elements apart. Strides and lengths are multiples of kSpectralBlock, so that
// vectors need no remainders; what lies past a matrix is zero.
#pragma once

#include <cstdint>

namespace olivine::cpu {

inline constexpr int64_t kSpectralBlock = 16;

template <class T>
struct ReductionKernels {
  // y += the share of rows [begin, end) in a x, where `a` is symmetric and n x n: of a row, only
  // what lies right of its block of the diagonal is read, and all of that block. Bounds are
  // multiples of kSpectralBlock.
  void (*symmetric)(const T* a, int64_t stride, int64_t begin, int64_t end, int64_t n, const T* x,
                    T* y);
  // sums[k] = row k * x.
  void (*dots)(const T* rows, int64_t stride, int64_t count, const T* x, int64_t n, T* sums);
  // y += factors[k] * row k, of all rows.
  void (*add_rows)(const T* rows, int64_t stride, int64_t count, const T* factors, T* y, int64_t n);
  // The sum of squares of n elements, of any n.
  double (*squares)(const T* x, int64_t n);
};

// The roots of 1 + rho * sum of z_j^2 / (d_j - x) = 0: the eigenvalues of D + rho z z^T. Arrays
// have `count` elements and kSecularPadding more: d ascends and ends in d_count, an upper bound of
// the roots, repeated; z ends in zeros. Root i lies between d_i and d_i+1; it is given as the
// distance `offset[i]` from the nearer of both, d[origin[i]], so that its distances from all poles
// are known with small relative errors.
inline constexpr int64_t kSecularPadding = 16;
struct SecularEquation {
  int64_t count;
  double rho;
  const double *d, *z;
  int64_t* origin;
  double* offset;
};

struct SecularKernels {
  // Finds roots [begin, end); `tolerance` is of their distances from the nearest poles.
  void (*roots)(const SecularEquation& s, double tolerance, int64_t begin, int64_t end);
  // exact[j], for j in [begin, end): the z_j of which the roots found are the exact ones.
  void (*weights)(const SecularEquation& s, int64_t begin, int64_t end, double* exact);
  // Unit eigenvectors [begin, end) as columns of `to`, whose rows are those of `d` and `z`.
  void (*vectors_float)(const SecularEquation& s, const double* d, const double* z, int64_t begin,
                        int64_t end, float* to, int64_t stride);
  void (*vectors_double)(const SecularEquation& s, const double* d, const double* z, int64_t begin,
                         int64_t end, double* to, int64_t stride);
};

#define OLIVINE_DECLARE_SPECTRAL_KERNELS(isa)              \
  namespace isa {                                          \
  extern const ReductionKernels<float> reductions_float;   \
  extern const ReductionKernels<double> reductions_double; \
  extern const SecularKernels secular;                     \
  }
OLIVINE_DECLARE_SPECTRAL_KERNELS(plain)
OLIVINE_DECLARE_SPECTRAL_KERNELS(avx2)
OLIVINE_DECLARE_SPECTRAL_KERNELS(avx512)
#undef OLIVINE_DECLARE_SPECTRAL_KERNELS

}  // namespace olivine::cpu
