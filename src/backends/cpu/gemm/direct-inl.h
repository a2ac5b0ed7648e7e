// Products of small matrices read where they lie: nothing is packed, and edges take part of a
// vector.
#pragma once

#include "backends/cpu/gemm/kernels.h"
#include "backends/cpu/gemm/multiply-inl.h"
#include "backends/cpu/gemm/vector-inl.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

// Where a register tile begins, and how many lanes of its last vector count. S is the type of c.
template <class S>
struct DirectTile {
  const Compute<S>*a, *b;
  S* c;
  FirstLanes<Compute<S>> last;
  int64_t last_count;
  const char* ahead;   // fetched, at each step
  int64_t ahead_step;  // no more than two cache lines
};

// Keeps a pointer in a register of its own: not as a sum of others, nor in part of a vector.
template <class T>
inline void keep_apart(T*& p) {
  asm("" : "+r"(p));
}

template <class S, int rows, int vectors>
void multiply_tile(const DirectArgs& args, const DirectTile<S>& tile) {
  using T = Compute<S>;
  constexpr int lanes = kLanes<T>, end = vectors - 1;
  const int64_t a_row = args.a_row, a_step = args.a_step, b_step = args.b_step;
  const auto last = tile.last;
  const T* b = tile.b;
  // One pointer for three rows: so all fit the registers.
  const T *a0 = tile.a, *a3 = a0 + 3 * a_row, *a6 = a3 + 3 * a_row, *a9 = a6 + 3 * a_row;
  const char* ahead = tile.ahead;
  const int64_t ahead_step = tile.ahead_step;
  Vec<T> acc[rows][vectors] = {};
  for (int64_t p = args.k; p > 0; --p, b += b_step) {
    Vec<T> bv[vectors];
#pragma GCC unroll 2
    for (int j = 0; j < end; ++j) bv[j] = load(b + j * lanes);
    bv[end] = load(b + end * lanes, last);
    __builtin_prefetch(ahead, 0, 2);
    if (ahead_step > 64) __builtin_prefetch(ahead + 64, 0, 2);
    ahead += ahead_step;
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i) {
      const T* a = i < 3 ? a0 : i < 6 ? a3 : i < 9 ? a6 : a9;
      const Vec<T> av = broadcast(a[i % 3 * a_row]);
#pragma GCC unroll 2
      for (int j = 0; j < vectors; ++j) acc[i][j] = fma(av, bv[j], acc[i][j]);
    }
    keep_apart(a0 += a_step);
    if (rows > 3) keep_apart(a3 += a_step);
    if (rows > 6) keep_apart(a6 += a_step);
    if (rows > 9) keep_apart(a9 += a_step);
  }
  if constexpr (!kIsHalf<S>) {
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i) {
      if (!args.accumulate) break;
      const T* c = tile.c + i * args.c_row;
#pragma GCC unroll 2
      for (int j = 0; j < vectors; ++j) {
        const Vec<T> old = j < end ? load(c + j * lanes) : load(c + j * lanes, last);
        acc[i][j] = args.subtract ? old - acc[i][j] : old + acc[i][j];
      }
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < rows; ++i) {
    S* c = tile.c + i * args.c_row;
#pragma GCC unroll 2
    for (int j = 0; j < end; ++j) store(c + j * lanes, acc[i][j]);
    if constexpr (kIsHalf<S>) {
      store_some(c + end * lanes, acc[i][end], tile.last_count);
    } else {
      store(c + end * lanes, acc[i][end], last);
    }
  }
}

template <class S>
using DirectFunction = void (*)(const DirectArgs&, const DirectTile<S>&);

template <class S>
struct DirectFunctions {
  DirectFunction<S> at[kMaxRows][kMaxVectors];
  constexpr DirectFunctions() : at() { fill<kMaxRows>(); }
  template <int rows>
  constexpr void fill() {
    if constexpr (rows > 0) {
      at[rows - 1][0] = multiply_tile<S, rows, 1>;
      at[rows - 1][1] = multiply_tile<S, rows, 2>;
      fill<rows - 1>();
    }
  }
};
template <class S>
constexpr DirectFunctions<S> kDirectFunctions{};

template <class S>
struct RealTiles {
  static constexpr int most_rows = kMaxRows;
  static DirectFunction<S> at(int64_t rows, int64_t vectors) {
    return kDirectFunctions<S>.at[rows - 1][vectors - 1];
  }
};

// Hands out memory to fetch, tile by tile.
class FetchAhead {
 public:
  FetchAhead(const DirectArgs& args, int64_t tiles) : range_(args.ahead), end_(range_ + 3) {
    int64_t bytes = 0;
    for (const auto& r : args.ahead) bytes += r.bytes;
    step_ = min(128, (bytes + tiles * args.k - 1) / (tiles * args.k));
    tile_ = step_ * args.k;
  }
  template <class S>
  void next(DirectTile<S>& tile) {
    while (range_ != end_ && done_ >= range_->bytes) {
      ++range_;
      done_ = 0;
    }
    const bool any = range_ != end_;
    tile.ahead =
        any ? range_->begin + done_ : reinterpret_cast<const char*>(&tile);  // which is near
    tile.ahead_step = any ? step_ : 0;
    done_ += tile_;
  }

 private:
  const DirectArgs::Range *range_, *end_;
  int64_t step_, tile_, done_ = 0;
};

// A panel of b stays in the L1 cache while all rows of a pass it.
template <class S, class Tiles = RealTiles<S>>
void multiply_direct(const DirectArgs& args) {
  using T = Compute<S>;
  constexpr int64_t lanes = kLanes<T>, nr = kMaxVectors * lanes;
  const int64_t panels = (args.rows + Tiles::most_rows - 1) / Tiles::most_rows;
  FetchAhead ahead(args, panels * ((args.cols + nr - 1) / nr));
  DirectTile<S> tile{};
  tile.b = static_cast<const T*>(args.b);
  for (int64_t col = 0; col < args.cols; col += nr, tile.b += args.b_panel) {
    const int64_t cols = min(nr, args.cols - col), vectors = panel_vectors<T>(cols);
    tile.last_count = cols - (vectors - 1) * lanes;
    tile.last = first_lanes<T>(tile.last_count);
    for (int64_t i = 0, row = 0; i < panels; ++i) {
      const int64_t rows = split(i + 1, panels, args.rows) - row;
      tile.a = static_cast<const T*>(args.a) + row * args.a_row;
      tile.c = static_cast<S*>(args.c) + row * args.c_row + col;
      ahead.next(tile);
      Tiles::at(rows, vectors)(args, tile);
      row += rows;
    }
  }
}

}  // namespace
}  // namespace olivine::cpu::OLIVINE_ISA
