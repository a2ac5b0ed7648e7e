// Sums of products along runs of memory, a register tile of the result at a time.
#include "backends/cpu/gemm/runs.h"

#include "backends/cpu/gemm/multiply-inl.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

// One tile. `adjacent`: its rows lie side by side in a, else its steps do.
template <class T, int rows, int vectors, bool adjacent>
void add_tile(const RunsArgs& args, const T* a_first, T* to, int64_t stride, bool accumulate) {
  constexpr int lanes = kLanes<T>;
  const int64_t a_row = adjacent ? 1 : args.a_row, a_step = adjacent ? args.a_step : 1;
  const int64_t b_step = args.b_step;
  Vec<T> acc[rows][vectors] = {};
  for (const Run *run = args.runs, *end = run + args.count; run != end; ++run) {
    const T* a = a_first + run->a;
    const T* b = static_cast<const T*>(args.b) + run->b;
    for (int64_t p = run->steps; p > 0; --p, a += a_step, b += b_step) {
      Vec<T> bv[vectors];
#pragma GCC unroll 2
      for (int j = 0; j < vectors; ++j) bv[j] = load(b + j * lanes);
#pragma GCC unroll 16
      for (int i = 0; i < rows; ++i) {
        const Vec<T> av = broadcast(a[i * a_row]);
#pragma GCC unroll 2
        for (int j = 0; j < vectors; ++j) acc[i][j] = fma(av, bv[j], acc[i][j]);
      }
    }
  }
  if (accumulate) {
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 2
      for (int j = 0; j < vectors; ++j) {
        acc[i][j] = load(to + i * stride + j * lanes) + acc[i][j];
      }
    }
  }
  store_rows<T, rows, vectors>(to, stride, acc);
}

template <class T>
using TileFunction = void (*)(const RunsArgs&, const T*, T*, int64_t, bool);

template <class T>
struct TileFunctions {
  TileFunction<T> at[kMaxRows][kMaxVectors][2];
  constexpr TileFunctions() : at() { fill<kMaxRows>(); }
  template <int rows>
  constexpr void fill() {
    if constexpr (rows > 0) {
      at[rows - 1][0][0] = add_tile<T, rows, 1, false>;
      at[rows - 1][0][1] = add_tile<T, rows, 1, true>;
      at[rows - 1][1][0] = add_tile<T, rows, 2, false>;
      at[rows - 1][1][1] = add_tile<T, rows, 2, true>;
      fill<rows - 1>();
    }
  }
};
template <class T>
constexpr TileFunctions<T> kTileFunctions{};

template <class T>
void add_runs(const RunsArgs& args) {
  const int64_t vectors = panel_vectors<T>(args.cols), width = vectors * kLanes<T>;
  const int64_t panels = (args.rows + kMaxRows - 1) / kMaxRows;
  for (int64_t i = 0; i < panels; ++i) {
    const int64_t row = split(i, panels, args.rows), rows = split(i + 1, panels, args.rows) - row;
    const auto tile = kTileFunctions<T>.at[rows - 1][vectors - 1][args.a_row == 1];
    const T* a = static_cast<const T*>(args.a) + row * args.a_row;
    T* to = static_cast<T*>(args.acc) + row * args.acc_stride;
    if (args.cols == width) {
      tile(args, a, to, args.acc_stride, args.accumulate);
      continue;
    }
    alignas(64) T part[kMaxRows * kMaxVectors * kLanes<T>];
    tile(args, a, part, width, false);
    add_columns<T>(part, width, {to, args.acc_stride, args.accumulate, nullptr, 0}, rows,
                   args.cols);
  }
}

}  // namespace

void add_runs_f32(const RunsArgs& args) { add_runs<float>(args); }
void add_runs_f64(const RunsArgs& args) { add_runs<double>(args); }

}  // namespace olivine::cpu::OLIVINE_ISA
