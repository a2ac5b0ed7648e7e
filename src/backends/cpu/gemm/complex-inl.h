// Products of complex matrices, on vectors of pairs: the real and the imaginary parts of a each
// multiply whole pairs of b, and the two sums are put together at the end.
#pragma once

#include "backends/cpu/gemm/direct-inl.h"
#include "backends/cpu/gemm/gemv-inl.h"
#include "backends/cpu/gemm/kernels.h"
#include "backends/cpu/gemm/multiply-inl.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

constexpr int kMaxComplexRows = kMaxRows / 2;

template <class T, int... I>
inline Vec<T> swap_pairs(Vec<T> v, std::integer_sequence<int, I...>) {
  return __builtin_shufflevector(v, v, (I ^ 1)...);
}
template <class T>
inline Vec<T> swap_pairs(Vec<T> v) {
  return swap_pairs<T>(v, std::make_integer_sequence<int, kLanes<T>>{});
}
template <class T, int... I>
inline Vec<T> pair_signs(std::integer_sequence<int, I...>) {
  return Vec<T>{T(I % 2 ? 1 : -1)...};
}
// re + i im, of products of pairs with real and with imaginary parts. The product with 1 is exact.
template <class T>
inline Vec<T> join(Vec<T> re, Vec<T> im) {
  return fma(swap_pairs<T>(im), pair_signs<T>(std::make_integer_sequence<int, kLanes<T>>{}), re);
}

// Adds one step: `at(i)` is the complex element of row i.
template <class T, int rows, int vectors, class At>
inline void add_complex(Vec<T> (&re)[rows][vectors], Vec<T> (&im)[rows][vectors],
                        const Vec<T> (&b)[vectors], const At& at) {
#pragma GCC unroll 6
  for (int i = 0; i < rows; ++i) {
    const auto [real, imaginary] = at(i);
    const Vec<T> x = broadcast(*real), y = broadcast(*imaginary);
#pragma GCC unroll 2
    for (int j = 0; j < vectors; ++j) {
      re[i][j] = fma(x, b[j], re[i][j]);
      im[i][j] = fma(y, b[j], im[i][j]);
    }
  }
}

template <class T>
struct ComplexAt {
  const T *real, *imaginary;
};

template <class T, int rows, int vectors>
void multiply_complex_panels(const T* a, const T* b, int64_t b_step, int64_t k, const Target<T>& to,
                             const Ahead&) {
  constexpr int lanes = kLanes<T>;
  Vec<T> re[rows][vectors] = {}, im[rows][vectors] = {};
#pragma GCC unroll 6
  for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 2
    for (int j = 0; j < vectors; ++j) __builtin_prefetch(to.sums + i * to.stride + j * lanes, 1);
  }
#pragma GCC unroll kUnrolledSteps
  for (int64_t p = 0; p < k; ++p, a += 2 * rows, b += b_step) {
    Vec<T> bv[vectors];
#pragma GCC unroll 2
    for (int j = 0; j < vectors; ++j) {
      bv[j] = load(b + j * lanes);
      if constexpr (kAhead > 0) __builtin_prefetch(b + kAhead * b_step + j * lanes);
    }
    add_complex<T>(re, im, bv, [a](int i) { return ComplexAt<T>{a + i, a + rows + i}; });
  }
#pragma GCC unroll 6
  for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 2
    for (int j = 0; j < vectors; ++j) {
      re[i][j] = join<T>(re[i][j], im[i][j]);
      if (to.accumulate) re[i][j] = load(to.sums + i * to.stride + j * lanes) + re[i][j];
    }
  }
  store_rows<T, rows, vectors>(to.sums, to.stride, re);
}

template <class T, int rows, int vectors>
void multiply_complex_tile(const DirectArgs& args, const DirectTile<T>& tile) {
  constexpr int lanes = kLanes<T>, end = vectors - 1;
  const int64_t a_row = args.a_row, a_step = args.a_step, b_step = args.b_step;
  const auto last = tile.last;
  const T* b = tile.b;
  const T *a0 = tile.a, *a3 = a0 + 3 * a_row;  // one pointer for three rows
  const char* ahead = tile.ahead;
  const int64_t ahead_step = tile.ahead_step;
  Vec<T> re[rows][vectors] = {}, im[rows][vectors] = {};
  for (int64_t p = args.k; p > 0; --p, b += b_step) {
    Vec<T> bv[vectors];
#pragma GCC unroll 2
    for (int j = 0; j < end; ++j) bv[j] = load(b + j * lanes);
    bv[end] = load(b + end * lanes, last);
    __builtin_prefetch(ahead, 0, 2);
    if (ahead_step > 64) __builtin_prefetch(ahead + 64, 0, 2);
    ahead += ahead_step;
    add_complex<T>(re, im, bv, [=](int i) {
      const T* a = (i < 3 ? a0 : a3) + i % 3 * a_row;
      return ComplexAt<T>{a, a + 1};
    });
    keep_apart(a0 += a_step);
    if (rows > 3) keep_apart(a3 += a_step);
  }
#pragma GCC unroll 6
  for (int i = 0; i < rows; ++i) {
    T* c = tile.c + i * args.c_row;
#pragma GCC unroll 2
    for (int j = 0; j < vectors; ++j) re[i][j] = join<T>(re[i][j], im[i][j]);
    if (args.accumulate) {
      for (int j = 0; j < end; ++j) re[i][j] = load(c + j * lanes) + re[i][j];
      re[i][end] = load(c + end * lanes, last) + re[i][end];
    }
    for (int j = 0; j < end; ++j) store(c + j * lanes, re[i][j]);
    store(c + end * lanes, re[i][end], last);
  }
}

// By rows and vectors.
template <class T>
struct ComplexFunctions {
  PanelFunction<T> panels[kMaxComplexRows][kMaxVectors];
  DirectFunction<T> tiles[kMaxComplexRows][kMaxVectors];
  constexpr ComplexFunctions() : panels(), tiles() { fill<kMaxComplexRows>(); }
  template <int rows>
  constexpr void fill() {
    if constexpr (rows > 0) {
      panels[rows - 1][0] = multiply_complex_panels<T, rows, 1>;
      panels[rows - 1][1] = multiply_complex_panels<T, rows, 2>;
      tiles[rows - 1][0] = multiply_complex_tile<T, rows, 1>;
      tiles[rows - 1][1] = multiply_complex_tile<T, rows, 2>;
      fill<rows - 1>();
    }
  }
};
template <class T>
constexpr ComplexFunctions<T> kComplexFunctions{};

template <class T>
struct ComplexPanels {
  static constexpr int parts = 2;
  static PanelFunction<T> at(int64_t rows, int64_t vectors) {
    return kComplexFunctions<T>.panels[rows - 1][vectors - 1];
  }
};
template <class T>
struct ComplexTiles {
  static constexpr int most_rows = kMaxComplexRows;
  static DirectFunction<T> at(int64_t rows, int64_t vectors) {
    return kComplexFunctions<T>.tiles[rows - 1][vectors - 1];
  }
};

// ---- Vectors. Counts are those of packed elements.

// The sum of products of two lines.
template <class T>
void dot_complex(const T* x, const T* m, int64_t count, T* y) {
  constexpr int lanes = kLanes<T>, unroll = 4;
  Vec<T> straight[unroll] = {}, crossed[unroll] = {};  // re re, im im, …; im re, re im, …
  const auto add = [&](int u, Vec<T> xv, Vec<T> mv) {
    straight[u] = fma(xv, mv, straight[u]);
    crossed[u] = fma(swap_pairs<T>(xv), mv, crossed[u]);
  };
  int64_t p = 0;
  for (; p + unroll * lanes <= count; p += unroll * lanes) {
#pragma GCC unroll 4
    for (int u = 0; u < unroll; ++u) {
      if (kGemvAhead > 0) {
        __builtin_prefetch(m + p + u * lanes + kGemvAhead / static_cast<int64_t>(sizeof(T)));
      }
      add(u, load(x + p + u * lanes), load(m + p + u * lanes));
    }
  }
  for (; p < count; p += lanes) {
    add(0, load_some(x + p, min(lanes, count - p)), load_some(m + p, min(lanes, count - p)));
  }
  const Vec<T> a = (straight[0] + straight[1]) + (straight[2] + straight[3]);
  const Vec<T> b = (crossed[0] + crossed[1]) + (crossed[2] + crossed[3]);
  const Vec<T> signs = -pair_signs<T>(std::make_integer_sequence<int, lanes>{});
  y[0] = sum<T>(a * signs);
  y[1] = sum<T>(b);
}

template <class T>
void gemv_dot_complex(const GemvArgs& args) {
  for (int64_t j = 0; j < args.n; ++j) {
    dot_complex<T>(static_cast<const T*>(args.x),
                   static_cast<const T*>(args.matrix) + 2 * j * args.stride, 2 * args.k,
                   static_cast<T*>(args.y) + 2 * j);
  }
}

// y (+)= x[0] * row 0 + … of `rows` rows.
template <class T, int rows>
void add_complex_rows(const T* x, const T* matrix, int64_t stride, int64_t n, T* y,
                      bool accumulate) {
  constexpr int lanes = kLanes<T>;
  Vec<T> xr[rows], xi[rows];
  for (int i = 0; i < rows; ++i) {
    xr[i] = broadcast(x[2 * i]);
    xi[i] = broadcast(x[2 * i + 1]);
  }
  for (int64_t j = 0; j < n; j += lanes) {
    const int64_t left = n - j;
    const bool full = left >= lanes;
    Vec<T> re{}, im{};
    if (accumulate) re = full ? load(y + j) : load_some(y + j, left);
#pragma GCC unroll 8
    for (int i = 0; i < rows; ++i) {
      const T* row = matrix + i * stride + j;
      const Vec<T> m = full ? load(row) : load_some(row, left);
      re = fma(xr[i], m, re);
      im = fma(xi[i], m, im);
    }
    if (full) {
      store(y + j, join<T>(re, im));
    } else {
      store_some(y + j, join<T>(re, im), left);
    }
  }
}

template <class T>
void gemv_axpy_complex(const GemvArgs& args) {
  const T* x = static_cast<const T*>(args.x);
  const T* matrix = static_cast<const T*>(args.matrix);
  T* y = static_cast<T*>(args.y);
  const int64_t stride = 2 * args.stride, n = 2 * args.n;
  int64_t p = 0;
  for (; p + 8 <= args.k; p += 8) {
    add_complex_rows<T, 8>(x + 2 * p, matrix + p * stride, stride, n, y, p > 0);
  }
  for (; p < args.k; ++p) {
    add_complex_rows<T, 1>(x + 2 * p, matrix + p * stride, stride, n, y, p > 0);
  }
}

}  // namespace
}  // namespace olivine::cpu::OLIVINE_ISA
