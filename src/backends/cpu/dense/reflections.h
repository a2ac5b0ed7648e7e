// Householder reflections kept as rows of vectors, and their products applied in blocks:
// H_0 H_1 ... = I - V^T T V, where row k of V is the k-th vector (Schreiber and Van Loan, "A
// storage-efficient WY representation for products of Householder transformations", 1989).
#pragma once

#include <cmath>
#include <type_traits>

#include "backends/cpu/dense/share.h"
#include "backends/cpu/dense/spectral_kernels.h"
#include "backends/cpu/linalg_batch.h"
#include "runtime/interrupt.h"

namespace olivine::cpu::blocked {

template <class T>
const ReductionKernels<T>& reductions() {
#define OLIVINE_REDUCTIONS(isa)   \
  if constexpr (sizeof(T) == 4)   \
    return isa::reductions_float; \
  else                            \
    return isa::reductions_double;
  switch (cpu_isa()) {
#if OLIVINE_HAS_ISA_AVX512
    case Isa::amx:
    case Isa::avx512_bf16:
    case Isa::avx512:
      OLIVINE_REDUCTIONS(avx512)
#endif
#if OLIVINE_HAS_ISA_AVX2
    case Isa::avx2:
      OLIVINE_REDUCTIONS(avx2)
#endif
    default:
      OLIVINE_REDUCTIONS(plain)
  }
#undef OLIVINE_REDUCTIONS
}

inline int64_t block_up(int64_t n) {
  return (n + kSpectralBlock - 1) / kSpectralBlock * kSpectralBlock;
}
inline int64_t block_down(int64_t n) { return n / kSpectralBlock * kSpectralBlock; }
// Elements from one row to the next: whole blocks, and no power of two, which few sets of a cache
// would hold.
inline int64_t spectral_stride(int64_t n) {
  const int64_t up = block_up(n);
  return up % 128 == 0 ? up + kSpectralBlock : up;
}

// Turns x, n elements, into tau and the vector of the reflection that takes it to (beta, 0, ...),
// and returns beta. A rest below the rounding errors of a matrix of size 1 counts as 0.
template <class T>
T make_reflection(T* x, int64_t n, T& tau) {
  constexpr double least = sizeof(T) == 4 ? 1e-30 : 1e-280;
  const T alpha = x[0];
  const double squares = reductions<T>().squares(x + 1, n - 1);
  x[0] = T(1);
  if (!(squares > least)) {
    std::fill(x + 1, x + n, T(0));
    tau = T(0);
    return alpha;
  }
  const double norm = std::sqrt(static_cast<double>(alpha) * alpha + squares);
  const double beta = alpha > T(0) ? -norm : norm;
  tau = static_cast<T>((beta - alpha) / beta);
  const T scale = static_cast<T>(1 / (alpha - beta));
  for (int64_t i = 1; i < n; ++i) x[i] *= scale;
  return static_cast<T>(beta);
}

// `count` reflections in rows of `length` elements, those of vector k zero before k + `shift`.
template <class T>
class Reflections {
 public:
  Reflections(int64_t count, int64_t length, int64_t shift)
      : count_(count),
        length_(length),
        shift_(shift),
        stride_(spectral_stride(length)),
        v_(count * stride_),
        triangles_((count + kPanel - 1) / kPanel * kPanel * kPanel),
        tau_(count) {
    if (!ScratchMeter::is_on()) std::fill(v_ + 0, v_ + count * stride_, T(0));
  }

  int64_t stride() const { return stride_; }
  T* row(int64_t k) const { return v_ + k * stride_; }
  T& tau(int64_t k) const { return tau_[k]; }

  // From the products of the vectors of each block of kPanel.
  void make_triangles();
  // c <- H_0 H_1 ... c, where c has `length` rows and any columns.
  void apply(T* c, int64_t stride, int64_t columns) const;

 private:
  void apply_block(int64_t first, T* c, int64_t stride, int64_t columns, T* work) const;
  T* triangle(int64_t first) const { return triangles_ + first * kPanel; }

  int64_t count_, length_, shift_, stride_;
  Scratch<T> v_, triangles_, tau_;
};

}  // namespace olivine::cpu::blocked
