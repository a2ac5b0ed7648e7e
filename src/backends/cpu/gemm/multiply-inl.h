// The inner product of packed panels: a register tile of c per pair of panels, looped over a tile.
#pragma once

#include "backends/cpu/gemm/kernels.h"
#include "backends/cpu/gemm/vector-inl.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

// Two vectors of b and one of a stay in registers beside the accumulators.
#if defined(__AVX512F__)
constexpr int kMaxRows = 12;
#elif defined(__AVX2__)
constexpr int kMaxRows = 6;
#else
constexpr int kMaxRows = 4;
#endif
constexpr int kMaxVectors = 2;
constexpr int kAhead = 8;  // steps that the panel of b is prefetched ahead

// What one call reads ahead: lines `step` bytes apart, or nothing if null.
struct Ahead {
  const char* line;
  int64_t step;
};

// c (+)= a @ b for `rows` rows and `vectors` vectors of columns over k steps. Within a step, a has
// its rows side by side, and the steps of b are b_step apart.
template <class T, int rows, int vectors>
void multiply_panels(const T* a, const T* b, int64_t b_step, int64_t k, T* c, int64_t c_stride,
                     bool accumulate, Ahead ahead) {
  constexpr int lanes = kLanes<T>;
  Vec<T> acc[rows][vectors] = {};
#pragma GCC unroll 16
  for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 2
    for (int j = 0; j < vectors; ++j) __builtin_prefetch(c + i * c_stride + j * lanes, 1);
  }
  for (int64_t done = 0; done < k; done += kPrefetchSteps) {
    const int64_t steps = min(kPrefetchSteps, k - done);
    if (ahead.line) {
      __builtin_prefetch(ahead.line, 0, 2);
      ahead.line += ahead.step;
    }
    for (int64_t p = 0; p < steps; ++p) {
      Vec<T> bv[vectors];
#pragma GCC unroll 2
      for (int j = 0; j < vectors; ++j) bv[j] = load(b + j * lanes);
#pragma GCC unroll 2
      for (int j = 0; j < vectors; ++j) __builtin_prefetch(b + kAhead * b_step + j * lanes);
#pragma GCC unroll 16
      for (int i = 0; i < rows; ++i) {
        Vec<T> av = broadcast(a[i]);
#pragma GCC unroll 2
        for (int j = 0; j < vectors; ++j) acc[i][j] = fma(av, bv[j], acc[i][j]);
      }
      a += rows;
      b += b_step;
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < rows; ++i) {
    T* row = c + i * c_stride;
#pragma GCC unroll 2
    for (int j = 0; j < vectors; ++j) {
      Vec<T> v = acc[i][j];
      store(row + j * lanes, accumulate ? load(row + j * lanes) + v : v);
    }
  }
}

template <class T>
using PanelFunction = void (*)(const T*, const T*, int64_t, int64_t, T*, int64_t, bool, Ahead);

template <class T, int rows>
constexpr void fill_panel_functions(PanelFunction<T> (&table)[kMaxRows][kMaxVectors]) {
  if constexpr (rows > 0) {
    table[rows - 1][0] = multiply_panels<T, rows, 1>;
    table[rows - 1][1] = multiply_panels<T, rows, 2>;
    fill_panel_functions<T, rows - 1>(table);
  }
}
template <class T>
struct PanelFunctions {
  PanelFunction<T> at[kMaxRows][kMaxVectors];
  constexpr PanelFunctions() : at() { fill_panel_functions<T, kMaxRows>(at); }
};
template <class T>
constexpr PanelFunctions<T> kPanelFunctions{};

// A last panel of columns may be half as wide.
template <class T>
constexpr int64_t panel_vectors(int64_t cols) {
  return cols > kLanes<T> ? 2 : 1;
}

template <class T>
void add_columns(const T* from, int64_t from_stride, T* to, int64_t to_stride, int64_t rows,
                 int64_t cols, bool accumulate) {
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < cols; ++j) {
      T v = from[i * from_stride + j];
      T* out = to + i * to_stride + j;
      *out = accumulate ? *out + v : v;
    }
  }
}

// The panel of a stays in the L1 cache while those of b stream past it from the L2 cache.
template <class T>
void multiply(const MultiplyArgs& args) {
  constexpr int lanes = kLanes<T>;
  constexpr int64_t nr = kMaxVectors * lanes;
  const T* a = static_cast<const T*>(args.a);
  T* acc_row = static_cast<T*>(args.acc);
  for (int64_t i = args.row_begin; i < args.row_end; ++i) {
    const int64_t rows =
        split(i + 1, args.row_panels, args.rows) - split(i, args.row_panels, args.rows);
    for (int64_t col = 0; col < args.cols; col += nr) {
      const int64_t cols = min(nr, args.cols - col);
      const int64_t vectors = panel_vectors<T>(cols);
      const int64_t width = vectors * lanes;
      const auto panels = kPanelFunctions<T>.at[rows - 1][vectors - 1];
      const T* b = static_cast<const T*>(args.b) + col * (args.b_step ? 1 : args.k);
      const int64_t b_step = args.b_step ? args.b_step : width;
      T* acc = acc_row + col;
      Ahead ahead{args.ahead, args.ahead_line};
      if (ahead.line) {
        ahead.line =
            col / nr < args.ahead_panels ? ahead.line + col / nr * args.ahead_panel : nullptr;
      }
      if (cols == width) {
        panels(a, b, b_step, args.k, acc, args.acc_stride, args.accumulate, ahead);
      } else {
        alignas(64) T part[kMaxRows * nr];
        if (args.b_step) b = static_cast<const T*>(args.b_narrow);
        panels(a, b, width, args.k, part, width, false, ahead);
        add_columns(part, width, acc, args.acc_stride, rows, cols, args.accumulate);
      }
    }
    a += rows * args.k;
    acc_row += rows * args.acc_stride;
  }
}

}  // namespace
}  // namespace olivine::cpu::OLIVINE_ISA
