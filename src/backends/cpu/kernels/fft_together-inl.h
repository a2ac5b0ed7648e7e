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

// Asks for the cache lines of a vector of complex numbers: of lines that come next, or of results.
template <class T>
OLIVINE_INLINE void prefetch_vectors(const T* p) {
#pragma GCC unroll 2
  for (int64_t byte = 0; byte < 2 * kVectorBytes; byte += 64) {
    __builtin_prefetch(reinterpret_cast<const char*>(p) + byte);
  }
}

// How lines lie in memory: pairs of re and im, or all re before all im.
template <bool kSwapIn, bool kSwapOut, bool kSplitIn, bool kSplitOut>
struct LineForm {
  static constexpr bool swap_in = kSwapIn, swap_out = kSwapOut;
  static constexpr bool split_in = kSplitIn, split_out = kSplitOut;
};

template <int kFirst, class Form, class T>
OLIVINE_INLINE void transform_first(const FftPlan<T>& p, const FewLines<const T>& in,
                                    const FewLines<T>& out, int64_t j, int64_t count, Native<T>* re,
                                    Native<T>* im) {
  constexpr int lanes = kFftLanes<T>, together = lanes / kFirst;
  const int64_t n = p.rest.n;
  const T* roots = p.rest_roots + j * kFirst * 2;
#pragma GCC unroll 4
  for (int g = 0; g < together; ++g) {
    Pair<T> x[kFirst];
#pragma GCC unroll 16
    for (int k = 0; k < kFirst; ++k) {
      if constexpr (Form::split_in) {
        const T* from = in.line[g] + n * k + j;
        x[k] = {load_lanes(from, count), load_lanes(from + p.n, count)};
      } else {
        const T* from = in.line[g] + 2 * (n * k + j);
        x[k] = load_complex(from, count);
        prefetch_vectors(from + 2 * together * p.n);
      }
      if (Form::split_in) prefetch_vectors(out.line[g] + 2 * (n * k + j));
      if (Form::swap_in) x[k] = {x[k].im, x[k].re};
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

template <int kFirst, class Form, class T>
void begin_together(const FftPlan<T>& p, const FewLines<const T>& in, const FewLines<T>& out,
                    T* rows) {
  constexpr int64_t lanes = kFftLanes<T>;
  const int64_t n = p.rest.n;
  Native<T> re[lanes], im[lanes];
  int64_t j = 0;
  for (; j + lanes <= n; j += lanes) {
    transform_first<kFirst, Form>(p, in, out, j, lanes, re, im);
    transpose<T>(re);
    transpose<T>(im);
#pragma GCC unroll 16
    for (int64_t l = 0; l < lanes; ++l) store_pair<T>(rows + (j + l) * 2 * lanes, {re[l], im[l]});
  }
  if (j == n) return;
  transform_first<kFirst, Form>(p, in, out, j, n - j, re, im);
  transpose<T>(re);
  transpose<T>(im);
  for (int64_t l = 0; l < n - j; ++l) store_pair<T>(rows + (j + l) * 2 * lanes, {re[l], im[l]});
}

// Element i of the columns is elements [first * i, first * (i + 1)) of the lines.
template <int kFirst, bool kSwap, bool kSplit, class T>
struct TogetherSink {
  FewLines<T> out;
  int64_t n;
  T scale;
  bool streams;
  OLIVINE_INLINE void store(int64_t i, Pair<T> x) const {
    constexpr int lanes = kFftLanes<T>, together = lanes / kFirst;
    x = scaled(x, scale);
    if (kSwap) x = {x.im, x.re};
    if constexpr (kSplit) {
#pragma GCC unroll 4
      for (int g = 0; g < together; ++g) {
        store_part<kFirst>(x.re, g, out.line[g] + kFirst * i);
        store_part<kFirst>(x.im, g, out.line[g] + kFirst * i + n);
      }
    } else if constexpr (together == 1) {
      store(zip_low<T>(x.re, x.im), out.line[0] + 2 * lanes * i);
      store(zip_high<T>(x.re, x.im), out.line[0] + 2 * lanes * i + lanes);
    } else if constexpr (together == 2) {
      store(zip_low<T>(x.re, x.im), out.line[0] + lanes * i);
      store(zip_high<T>(x.re, x.im), out.line[1] + lanes * i);
    } else {
      const Native<T> low = zip_low<T>(x.re, x.im), high = zip_high<T>(x.re, x.im);
#pragma GCC unroll 4
      for (int g = 0; g < together; ++g) {
        store_part<2 * kFirst>(g < together / 2 ? low : high, g % (together / 2),
                               out.line[g] + 2 * kFirst * i);
      }
    }
  }
  OLIVINE_INLINE void store(Native<T> x, T* to) const {
    if (streams) {
      store_streaming(to, x);
    } else {
      store_native(to, x);
    }
  }
  // Part `at` of so many lanes.
  template <int kSize>
  OLIVINE_INLINE static void store_part(const Native<T>& from, int at, T* to) {
    __builtin_memcpy(to, reinterpret_cast<const T*>(&from) + at * kSize, kSize * sizeof(T));
  }
};

template <int kFirst, class Form, class T>
void transform_lanes(const LineTask<T>& task, const FewLines<const T>& in, const FewLines<T>& out,
                     T* work) {
  const FftPlan<T>& p = task.plan;
  T *a = work, *b = a + block_size<T>(p.rest.n);
  begin_together<kFirst, Form>(p, in, out, a);
  transform_columns(
      p.rest, BlockSource<T>{a}, b, a,
      TogetherSink<kFirst, Form::swap_out, Form::split_out, T>{out, p.n, task.scale, task.streams});
}

template <class Form, class T>
void transform_together(const LineTask<T>& task, const FewLines<const T>& in,
                        const FewLines<T>& out, T* work) {
  constexpr int lanes = kFftLanes<T>;
  switch (task.plan.together) {
    case 1:
      return transform_lanes<lanes, Form>(task, in, out, work);
    case 2:
      return transform_lanes<(lanes > 2 ? lanes / 2 : 2), Form>(task, in, out, work);
    default:
      return transform_lanes<(lanes > 4 ? lanes / 4 : 2), Form>(task, in, out, work);
  }
}

// `count` lines so many complex numbers apart; missing ones repeat the last.
template <class T>
FewLines<T> few_lines(T* data, int64_t step, int64_t count) {
  FewLines<T> lines;
  for (int64_t g = 0; g < kMostTogether; ++g)
    lines.line[g] = data + 2 * step * smaller(g, count - 1);
  return lines;
}

// Whether so many lines, at most p.together, are transformed together.
template <class T>
bool takes_together(const FftPlan<T>& p, int64_t lines) {
  return p.rest.n > 0 && 2 * lines > p.together;
}

}  // namespace
}  // namespace olivine::cpu::OLIVINE_ISA
