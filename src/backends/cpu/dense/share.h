// What blocked factorizations share: the panels of the instruction set, products, slabs of columns.
#pragma once

#include <algorithm>
#include <cmath>

#include "backends/cpu/dense/blocked.h"
#include "backends/cpu/dense/panels.h"
#include "backends/cpu/gemm/gemm.h"
#include "backends/cpu/scratch.h"
#include "backends/cpu/scratch_meter.h"
#include "runtime/interrupt.h"
#include "runtime/thread_pool.h"

namespace olivine::cpu::blocked {

inline constexpr int64_t kWidestSlab = 128;  // columns of a task
inline constexpr int64_t kNarrowestSlab = 32;
inline constexpr double kSharedWork = 3e5;  // multiplications from which threads share slabs

template <class T>
const PanelKernels<T>& panels() {
#define OLIVINE_PANELS(isa)     \
  if constexpr (sizeof(T) == 4) \
    return isa::panels_float;   \
  else                          \
    return isa::panels_double;
  switch (cpu_isa()) {
#if OLIVINE_HAS_ISA_AVX512
    case Isa::amx:
    case Isa::avx512_bf16:
    case Isa::avx512:
      OLIVINE_PANELS(avx512)
#endif
#if OLIVINE_HAS_ISA_AVX2
    case Isa::avx2:
      OLIVINE_PANELS(avx2)
#endif
    default:
      OLIVINE_PANELS(plain)
  }
#undef OLIVINE_PANELS
}

// c = a b, or c - a b, where b and c are row-major.
template <class T>
void multiply(int64_t m, int64_t n, int64_t k, Matrix a, const T* b, int64_t b_stride, T* c,
              int64_t c_stride, bool subtract = false) {
  GemmArgs args;
  args.dtype = dtype_of<T>;
  args.m = m;
  args.n = n;
  args.k = k;
  args.a = a;
  args.b = {b, b_stride, 1};
  args.c = c;
  args.c_row_stride = c_stride;
  if (subtract) args.addend = {c, c_stride, 1};
  if (subtract) args.alpha = -1;
  gemm(args);
}

// c -= a b.
template <class T>
void subtract_product(int64_t m, int64_t n, int64_t k, Matrix a, const T* b, int64_t b_stride, T* c,
                      int64_t c_stride) {
  multiply(m, n, k, a, b, b_stride, c, c_stride, true);
}

inline double cost(int64_t n, int64_t columns) {
  return static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(columns);
}

// About half, in whole panels.
inline int64_t half(int64_t n) { return (n / 2 + kPanel - 1) / kPanel * kPanel; }

// b <- t^-1 b on the calling thread and those that share its products.
template <class T>
void solve_in_place(const Triangle<T>& t, T* b, int64_t stride, int64_t columns) {
  if (t.n <= kPanel) {
    if (ScratchMeter::is_on()) return;
    poll_interrupt();
    return panels<T>().solve({t.data, t.row_step, t.column_step, t.n, t.upper, t.unit}, b, stride,
                             columns);
  }
  const int64_t top = half(t.n), rest = t.n - top;
  const T* corner = t.data + top * (t.row_step + t.column_step);
  const Triangle<T> head{t.data, t.row_step, t.column_step, top, t.upper, t.unit};
  const Triangle<T> tail{corner, t.row_step, t.column_step, rest, t.upper, t.unit};
  T* lower_rows = b + top * stride;
  if (t.upper) {
    solve_in_place(tail, lower_rows, stride, columns);
    const Matrix side{t.data + top * t.column_step, t.row_step, t.column_step};
    subtract_product(top, columns, rest, side, lower_rows, stride, b, stride);
    solve_in_place(head, b, stride, columns);
  } else {
    solve_in_place(head, b, stride, columns);
    const Matrix side{t.data + top * t.row_step, t.row_step, t.column_step};
    subtract_product(rest, columns, top, side, b, stride, lower_rows, stride);
    solve_in_place(tail, lower_rows, stride, columns);
  }
}

// body(begin, end) over columns, in slabs for each thread where so many multiplications pay. With
// `parts` there are about so many, whatever the number of threads.
template <class F>
void for_slabs(double work, int64_t columns, F&& body, int64_t parts = 2 * thread_count()) {
  int64_t width = columns;
  if (work >= kSharedWork) {
    const int64_t fair = (columns / parts + kNarrowestSlab - 1) / kNarrowestSlab;
    width = std::clamp(fair * kNarrowestSlab, kNarrowestSlab, kWidestSlab);
  }
  ScratchMeter::parallel(columns, width, [&](int64_t begin, int64_t end) {
    for (; begin < end; begin += width) body(begin, std::min(begin + width, end));
  });
}

// The power of two to divide by so that the largest element is near 1; 0 if it is anyway.
template <class T>
int scale_of(const T* a, int64_t count) {
  constexpr int64_t kLanes = 16;  // the compiler makes vectors of them
  T lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int64_t l = 0; l < kLanes; ++l) {
      const T size = std::abs(a[i + l]);
      lanes[l] = lanes[l] < size ? size : lanes[l];
    }
  }
  for (; i < count; ++i) lanes[0] = std::max(lanes[0], std::abs(a[i]));
  const T largest = *std::max_element(lanes, lanes + kLanes);
  if (largest == T(0)) return 0;
  const int exponent = std::ilogb(largest);
  return exponent >= -10 && exponent <= 10 ? 0 : exponent;
}

}  // namespace olivine::cpu::blocked
