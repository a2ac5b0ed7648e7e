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
// Of runs (runs.h): the last three of an odd number go together where vectors are short, as one
// alone has too few accumulators to hide the latency of each.
#if defined(__AVX2__) && !defined(__AVX512F__)
constexpr int kMaxRunVectors = 3;
#else
constexpr int kMaxRunVectors = kMaxVectors;
#endif
// A block of a panel of b takes 32 to 48 KiB; longer ones measured no faster.
template <class T>
constexpr int kKBlock = 384 * 4 / static_cast<int>(sizeof(T));
// Panels of a that are packed at a time where that pays. With the long vectors came L2 caches that
// hold all panels of b of a tile, which pass one panel of a in the L1 cache. Smaller ones hold
// several of a's, past which one panel of b after the other comes from the L3 cache.
// Panels of b in the L2 cache are prefetched kAhead steps ahead. Those in the L1 cache are not, and
// steps are not counted one by one: that costs time where another hyperthread shares the decoder.
#if defined(__AVX512F__)
constexpr int kGroupPanels = 1;
constexpr int kAhead = 8, kUnrolledSteps = 1;
#else
constexpr int kGroupPanels = 16;
constexpr int kAhead = 0, kUnrolledSteps = 4;
#endif

// What one call reads ahead: lines `step` bytes apart, or nothing if null, and more. Passed by
// reference: a copy would wait until the stores before it are done.
struct Ahead {
  const char* line;
  int64_t step;
  Fetch* more;
};

inline void fetch_some(Fetch& f) {
  for (int64_t i = min(f.rate, f.all); i > 0; --i) {
    __builtin_prefetch(f.next, 0, 2);
    f.next += 64;
    --f.all;
    if (--f.left == 0) {
      f.left = f.lines;
      f.next += f.gap;
    }
  }
}

// Where the products of two panels go: sums (+)= a @ b, or out = sums (+)= a @ b if out is not
// null.
template <class S>
struct Target {
  Compute<S>* sums;
  int64_t stride;
  bool accumulate;
  S* out;
  int64_t out_stride;
  bool subtract = false;  // instead of adding to sums
};

template <class S, int rows, int vectors>
inline void store_rows(S* to, int64_t stride, const Vec<Compute<S>> (&v)[rows][vectors]) {
#pragma GCC unroll 16
  for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 2
    for (int j = 0; j < vectors; ++j) store(to + i * stride + j * kLanes<Compute<S>>, v[i][j]);
  }
}

// For `rows` rows and `vectors` vectors of columns over k steps. Within a step, a has its rows side
// by side, and the steps of b are b_step apart.
template <class S, int rows, int vectors>
void multiply_panels(const Compute<S>* a, const Compute<S>* b, int64_t b_step, int64_t k,
                     const Target<S>& to, const Ahead& from) {
  using T = Compute<S>;
  constexpr int lanes = kLanes<T>;
  Vec<T> acc[rows][vectors] = {};
  const char* ahead = from.line;
  const int64_t ahead_step = from.step;
  Fetch* const more = from.more;
  if (to.sums) {
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 2
      for (int j = 0; j < vectors; ++j) __builtin_prefetch(to.sums + i * to.stride + j * lanes, 1);
    }
  }
  if (kIsHalf<S> && to.out) {
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i) __builtin_prefetch(to.out + i * to.out_stride, 1);
  }
  for (int64_t done = 0; done < k; done += kPrefetchSteps) {
    const int64_t steps = min(kPrefetchSteps, k - done);
    if (ahead) {
      __builtin_prefetch(ahead, 0, 2);
      ahead += ahead_step;
    }
    if (more) fetch_some(*more);
#pragma GCC unroll kUnrolledSteps
    for (int64_t p = 0; p < steps; ++p) {
      Vec<T> bv[vectors];
#pragma GCC unroll 2
      for (int j = 0; j < vectors; ++j) bv[j] = load(b + j * lanes);
      if constexpr (kAhead > 0) {
#pragma GCC unroll 2
        for (int j = 0; j < vectors; ++j) __builtin_prefetch(b + kAhead * b_step + j * lanes);
      }
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
  if (to.accumulate) {
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i) {
      const T* sums = to.sums + i * to.stride;
#pragma GCC unroll 2
      for (int j = 0; j < vectors; ++j) {
        const Vec<T> old = load(sums + j * lanes);
        acc[i][j] = to.subtract ? old - acc[i][j] : old + acc[i][j];
      }
    }
  }
  if (kIsHalf<S> && to.out) {
    store_rows<S, rows, vectors>(to.out, to.out_stride, acc);
  } else {
    store_rows<T, rows, vectors>(to.sums, to.stride, acc);
  }
}

template <class S>
using PanelFunction = void (*)(const Compute<S>*, const Compute<S>*, int64_t, int64_t,
                               const Target<S>&, const Ahead&);

template <class S, int rows>
constexpr void fill_panel_functions(PanelFunction<S> (&table)[kMaxRows][kMaxVectors]) {
  if constexpr (rows > 0) {
    table[rows - 1][0] = multiply_panels<S, rows, 1>;
    table[rows - 1][1] = multiply_panels<S, rows, 2>;
    fill_panel_functions<S, rows - 1>(table);
  }
}
template <class S>
struct PanelFunctions {
  PanelFunction<S> at[kMaxRows][kMaxVectors];
  constexpr PanelFunctions() : at() { fill_panel_functions<S, kMaxRows>(at); }
};
template <class S>
constexpr PanelFunctions<S> kPanelFunctions{};

// The functions above, and how many packed elements an element of a takes.
template <class S>
struct RealPanels {
  static constexpr int parts = 1;
  static PanelFunction<S> at(int64_t rows, int64_t vectors) {
    return kPanelFunctions<S>.at[rows - 1][vectors - 1];
  }
};

// A last panel of columns may be half as wide.
template <class T>
constexpr int64_t panel_vectors(int64_t cols) {
  return cols > kLanes<T> ? 2 : 1;
}

// The end of multiply_panels for columns that fill no whole vectors.
template <class S>
void add_columns(const Compute<S>* from, int64_t from_stride, const Target<S>& to, int64_t rows,
                 int64_t cols) {
  using T = Compute<S>;
  constexpr int lanes = kLanes<T>;
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < cols; j += lanes) {
      const int64_t count = min(lanes, cols - j);
      Vec<T> v = load(from + i * from_stride + j);
      if (to.accumulate) {
        const Vec<T> old = load_some(to.sums + i * to.stride + j, count);
        v = to.subtract ? old - v : old + v;
      }
      if (to.out) {
        store_some(to.out + i * to.out_stride + j, v, count);
      } else {
        store_some(to.sums + i * to.stride + j, v, count);
      }
    }
  }
}

// Each panel of a stays in the L1 cache while those of b pass it.
template <class S, class Panels = RealPanels<S>>
void multiply(const MultiplyArgs& args) {
  using T = Compute<S>;
  constexpr int lanes = kLanes<T>;
  constexpr int64_t nr = kMaxVectors * lanes;
  const T* a = static_cast<const T*>(args.a);
  Target<S> row{static_cast<T*>(args.acc), args.acc_stride, args.accumulate,
                static_cast<S*>(args.out), args.out_stride, args.subtract};
  for (int64_t i = args.row_begin; i < args.row_end; ++i) {
    const int64_t rows =
        split(i + 1, args.row_panels, args.rows) - split(i, args.row_panels, args.rows);
    for (int64_t col = 0; col < args.cols; col += nr) {
      const int64_t cols = min(nr, args.cols - col);
      const int64_t vectors = panel_vectors<T>(cols);
      const int64_t width = vectors * lanes;
      const auto panels = Panels::at(rows, vectors);
      const T* b = static_cast<const T*>(args.b) + col * (args.b_step ? 1 : args.k);
      const int64_t b_step = args.b_step ? args.b_step : width;
      Target<S> to = row;
      if (to.sums) to.sums += col;
      if (to.out) to.out += col;
      Ahead ahead{args.ahead, args.ahead_line, args.fetch};
      if (ahead.line) {
        const int64_t panel = col / nr + i - args.row_begin;
        ahead.line = panel < args.ahead_panels ? ahead.line + panel * args.ahead_panel : nullptr;
      }
      if (cols == width) {
        panels(a, b, b_step, args.k, to, ahead);
      } else {
        alignas(64) T part[kMaxRows * nr];
        if (args.b_step) b = static_cast<const T*>(args.b_narrow);
        panels(a, b, width, args.k, {part, width, false, nullptr, 0}, ahead);
        add_columns(part, width, to, rows, cols);
      }
    }
    a += rows * Panels::parts * args.k;
    if (row.sums) row.sums += rows * row.stride;
    if (row.out) row.out += rows * row.out_stride;
  }
}

}  // namespace
}  // namespace olivine::cpu::OLIVINE_ISA
