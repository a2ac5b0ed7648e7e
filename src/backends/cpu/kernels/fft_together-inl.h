// Fourier transforms of a few lines at once, whose values fill the lanes of short columns.
//
// A line of first * n values is a matrix with rows of n. Its columns are transformed in registers,
// multiplied by roots of unity and transposed, so that vectors are full where first * lines is the
// number of lanes; the rows are then transformed as columns.
#pragma once

#include "backends/cpu/kernels/fft_blocks-inl.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

template <class T>
struct FewLines {
  T* line[kMostTogether];
};

// Asks for the cache lines of the same place in the lines that come next.
template <class T>
OLIVINE_INLINE void prefetch_vectors(const T* p) {
#pragma GCC unroll 2
  for (int64_t byte = 0; byte < 2 * kVectorBytes; byte += 64) {
    __builtin_prefetch(reinterpret_cast<const char*>(p) + byte);
  }
}

template <int kFirst, bool kSwap, class T>
OLIVINE_INLINE void transform_first(const FftPlan<T>& p, const FewLines<const T>& in, int64_t j,
                                    int64_t count, Native<T>* re, Native<T>* im) {
  constexpr int lanes = kFftLanes<T>, together = lanes / kFirst;
  const int64_t n = p.rest.n;
  const T* roots = p.rest_roots + j * kFirst * 2;
#pragma GCC unroll 4
  for (int g = 0; g < together; ++g) {
    Pair<T> x[kFirst];
#pragma GCC unroll 16
    for (int k = 0; k < kFirst; ++k) {
      const T* from = in.line[g] + 2 * (n * k + j);
      const Pair<T> a = load_complex(from, count);
      x[k] = kSwap ? Pair<T>{a.im, a.re} : a;
      prefetch_vectors(from + 2 * together * p.n);
    }
    Butterfly<kFirst>::template run<T>(x, nullptr);
    re[g * kFirst] = x[0].re;
    im[g * kFirst] = x[0].im;
#pragma GCC unroll 16
    for (int k = 1; k < kFirst; ++k) {
      const Pair<T> y = product(x[k], load_pair(roots + k * 2 * lanes));
      re[g * kFirst + k] = y.re;
      im[g * kFirst + k] = y.im;
    }
  }
}

template <int kFirst, bool kSwap, class T>
void begin_together(const FftPlan<T>& p, const FewLines<const T>& in, T* rows) {
  constexpr int64_t lanes = kFftLanes<T>;
  const int64_t n = p.rest.n;
  Native<T> re[lanes], im[lanes];
  int64_t j = 0;
  for (; j + lanes <= n; j += lanes) {
    transform_first<kFirst, kSwap>(p, in, j, lanes, re, im);
    transpose<T>(re);
    transpose<T>(im);
#pragma GCC unroll 16
    for (int64_t l = 0; l < lanes; ++l) store_pair<T>(rows + (j + l) * 2 * lanes, {re[l], im[l]});
  }
  if (j == n) return;
  transform_first<kFirst, kSwap>(p, in, j, n - j, re, im);
  transpose<T>(re);
  transpose<T>(im);
  for (int64_t l = 0; l < n - j; ++l) store_pair<T>(rows + (j + l) * 2 * lanes, {re[l], im[l]});
}

// Element i of the columns is elements [first * i, first * (i + 1)) of the lines.
template <int kFirst, bool kSwap, class T>
struct TogetherSink {
  FewLines<T> out;
  T scale;
  OLIVINE_INLINE void store(int64_t i, Pair<T> x) const {
    constexpr int lanes = kFftLanes<T>, together = lanes / kFirst;
    x = scaled(x, scale);
    if (kSwap) x = {x.im, x.re};
    if constexpr (together == 1) return store_complex(out.line[0] + 2 * lanes * i, x);
    const Native<T> low = zip_low<T>(x.re, x.im), high = zip_high<T>(x.re, x.im);
#pragma GCC unroll 4
    for (int g = 0; g < together; ++g) {
      const Native<T>& from = g < together / 2 ? low : high;
      const int at = g % (together / 2) * 2 * kFirst;
      __builtin_memcpy(out.line[g] + 2 * kFirst * i, reinterpret_cast<const T*>(&from) + at,
                       2 * kFirst * sizeof(T));
    }
  }
};

template <int kFirst, class T>
void transform_together(const LineTask<T>& task, const FewLines<const T>& in,
                        const FewLines<T>& out, T* work) {
  const FftPlan<T>& p = task.plan;
  T *a = work, *b = a + block_size<T>(p.rest.n);
  with_swap(task.swap, [&]<bool kSwap>(std::bool_constant<kSwap>) {
    begin_together<kFirst, kSwap>(p, in, a);
    transform_columns(p.rest, BlockSource<T>{a}, b, a,
                      TogetherSink<kFirst, kSwap, T>{out, task.scale});
  });
}

// Whether so many lines, at most p.together, are transformed together.
template <class T>
bool takes_together(const FftPlan<T>& p, int64_t lines) {
  return p.rest.n > 0 && 2 * lines > p.together;
}

}  // namespace
}  // namespace olivine::cpu::OLIVINE_ISA
