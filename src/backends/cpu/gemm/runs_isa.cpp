// Sums of products along runs of memory, a register tile of the result at a time.
#include "backends/cpu/gemm/runs.h"

#include "backends/cpu/gemm/multiply-inl.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

// Where rows lie side by side, neither operand is read in the order of memory, and both mostly come
// from the L2 cache.
constexpr int kStepsAhead = 4;

// Three vectors leave registers for fewer rows.
constexpr int most_rows(int vectors) { return vectors == 3 ? 4 : kMaxRows; }

// What lies side by side in a.
enum Adjacent { kSteps, kRows, kLaneValues, kAdjacents };

// One tile.
template <class T, int rows, int vectors, Adjacent adjacent>
void add_tile(const RunsArgs& args, const T* a_first, T* to, int64_t stride, bool accumulate) {
  constexpr int lanes = kLanes<T>, line = 64 / (lanes * static_cast<int>(sizeof(T)));
  const int64_t a_row = adjacent == kRows ? 1 : args.a_row;
  const int64_t a_step = adjacent == kSteps ? 1 : args.a_step;
  const int64_t b_step = args.b_step;
  Vec<T> acc[rows][vectors] = {};
  if (accumulate) {
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 3
      for (int j = 0; j < vectors; ++j) __builtin_prefetch(to + i * stride + j * lanes, 1);
    }
  }
  for (const Run *run = args.runs, *end = run + args.count; run != end; ++run) {
    const T* a = a_first + run->a;
    const T* b = static_cast<const T*>(args.b) + run->b;
    for (int64_t p = run->steps; p > 0; --p, a += a_step, b += b_step) {
      Vec<T> bv[vectors];
#pragma GCC unroll 3
      for (int j = 0; j < vectors; ++j) bv[j] = load(b + j * lanes);
      if constexpr (adjacent == kRows) {
        __builtin_prefetch(a + kStepsAhead * a_step);
        for (int j = 0; j < vectors; j += line) {
          __builtin_prefetch(b + kStepsAhead * b_step + j * lanes);
        }
      }
#pragma GCC unroll 16
      for (int i = 0; i < rows; ++i) {
        const Vec<T> av = adjacent == kLaneValues ? load(a + i * a_row) : broadcast(a[i * a_row]);
#pragma GCC unroll 3
        for (int j = 0; j < vectors; ++j) acc[i][j] = fma(av, bv[j], acc[i][j]);
      }
    }
  }
  if (accumulate) {
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 3
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
  TileFunction<T> at[kMaxRows][kMaxRunVectors][kAdjacents];
  constexpr TileFunctions() : at() { fill<kMaxRows, 1>(); }
  template <int rows, int vectors>
  constexpr void fill() {
    at[rows - 1][vectors - 1][kSteps] = add_tile<T, rows, vectors, kSteps>;
    at[rows - 1][vectors - 1][kRows] = add_tile<T, rows, vectors, kRows>;
    if constexpr (vectors == 1) at[rows - 1][0][kLaneValues] = add_tile<T, rows, 1, kLaneValues>;
    if constexpr (rows > 1) {
      fill<rows - 1, vectors>();
    } else if constexpr (vectors < kMaxRunVectors) {
      fill<most_rows(vectors + 1), vectors + 1>();
    }
  }
};
template <class T>
constexpr TileFunctions<T> kTileFunctions{};

template <class T>
void add_runs(const RunsArgs& args) {
  const int64_t vectors = (args.cols + kLanes<T> - 1) / kLanes<T>, width = vectors * kLanes<T>;
  const int64_t most = most_rows(static_cast<int>(vectors));
  const int64_t panels = (args.rows + most - 1) / most;
  const Adjacent adjacent = args.lanes ? kLaneValues : args.a_row == 1 ? kRows : kSteps;
  for (int64_t i = 0; i < panels; ++i) {
    const int64_t row = split(i, panels, args.rows), rows = split(i + 1, panels, args.rows) - row;
    const auto tile = kTileFunctions<T>.at[rows - 1][vectors - 1][adjacent];
    const T* a = static_cast<const T*>(args.a) + row * args.a_row;
    T* to = static_cast<T*>(args.acc) + row * args.acc_stride;
    if (args.cols == width) {
      tile(args, a, to, args.acc_stride, args.accumulate);
      continue;
    }
    alignas(64) T part[kMaxRows * kMaxRunVectors * kLanes<T>];
    tile(args, a, part, width, false);
    add_columns<T>(part, width, {to, args.acc_stride, args.accumulate, nullptr, 0}, rows,
                   args.cols);
  }
}

#if defined(__AVX512F__)
constexpr int64_t kSpreadFrom = 32;  // elements that one instruction permutes
inline Vec<float> permute(const float* from, const int32_t* index) {
  const __m512i i = _mm512_loadu_si512(index);
  return _mm512_permutex2var_ps(load(from), i, load(from + 16));
}
#elif defined(__AVX2__)
constexpr int64_t kSpreadFrom = 8;
inline Vec<float> permute(const float* from, const int32_t* index) {
  const __m256i i = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(index));
  return _mm256_permutevar8x32_ps(load(from), i);
}
#else
constexpr int64_t kSpreadFrom = 0;
inline Vec<float> permute(const float*, const int32_t*) { return Vec<float>{}; }
#endif

template <class T>
void spread(const SpreadArgs& args) {
  constexpr int lanes = kLanes<T>;
  const T* src = static_cast<const T*>(args.src);
  T* dst = static_cast<T*>(args.dst);
  for (int64_t p = 0; p < args.positions; ++p, src += args.span) {
    const int32_t* index = args.index;
    for (int64_t v = 0; v < args.vectors; ++v, index += lanes, dst += lanes) {
      if constexpr (sizeof(T) == 4) {
        if (args.span <= kSpreadFrom) {
          store(dst, permute(src, index));
          continue;
        }
      }
      for (int i = 0; i < lanes; ++i) dst[i] = src[index[i]];
    }
  }
}

}  // namespace

void spread_f32(const SpreadArgs& args) { spread<float>(args); }
void spread_f64(const SpreadArgs& args) { spread<double>(args); }
void add_runs_f32(const RunsArgs& args) { add_runs<float>(args); }
void add_runs_f64(const RunsArgs& args) { add_runs<double>(args); }

}  // namespace olivine::cpu::OLIVINE_ISA
