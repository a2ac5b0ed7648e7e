// Products of a vector and a matrix, which are bound by reading the matrix once.
#pragma once

#include "backends/cpu/gemm/kernels.h"
#include "backends/cpu/gemm/vector-inl.h"
#include "backends/cpu/scratch.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

// How long columns are read: how many at a time, and bytes that are fetched ahead of those in use.
// Cores with AVX-512, as Zen 4, read half as fast by themselves, and best in order. Earlier ones,
// as Zen 3, read several columns faster than one, and fetching slows them down by a fifth.
#if defined(__AVX512F__)
constexpr int kGemvColumns = 1;
constexpr int64_t kGemvAhead = 4096;
#else
constexpr int kGemvColumns = 4;
constexpr int64_t kGemvAhead = 0;
#endif

// In elements: whole lines where several are that far apart.
template <class S>
inline int64_t gemv_ahead(int64_t stride, int64_t lines) {
  constexpr int64_t size = sizeof(S);
  if (stride <= 0 || stride * size > kGemvAhead) return kGemvAhead / size;
  const int64_t rows = (kGemvAhead + stride * size - 1) / (stride * size);
  return stride * (rows > lines ? rows : lines);
}

// Two vectors that lie side by side.
template <class S>
inline void load_both(const S* p, Vec<Compute<S>>& v, Vec<Compute<S>>& w) {
#if defined(__SSE2__) && !defined(__AVX2__)
  if constexpr (std::is_same_v<S, ScaledFloat16>) return load_scaled(p, v, w);
#endif
  v = load(p);
  w = load(p + kLanes<Compute<S>>);
}

// `count` columns that are contiguous along k: `unroll` sums of lanes each, in registers. `ahead`:
// elements from those in use to those that are fetched.
template <class S, int count, int unroll>
void dot_columns(const Compute<S>* x, const S* matrix, int64_t stride, int64_t k, int64_t ahead,
                 Compute<S>* y) {
  using T = Compute<S>;
  constexpr int lanes = kLanes<T>;
  Vec<T> acc[count][unroll];
#pragma GCC unroll 4
  for (int j = 0; j < count; ++j) {
#pragma GCC unroll 8
    for (int u = 0; u < unroll; ++u) acc[j][u] = Vec<T>{};
  }
  int64_t p = 0;
  for (; p + unroll * lanes <= k; p += unroll * lanes) {
#pragma GCC unroll 8
    for (int u = 0; u < unroll; u += 2) {
      const Vec<T> xv = load(x + p + u * lanes), xw = load(x + p + (u + 1) * lanes);
#pragma GCC unroll 4
      for (int j = 0; j < count; ++j) {
        const S* m = matrix + j * stride + p + u * lanes;
#pragma GCC unroll 2
        for (int h = 0; h < 2 && kGemvAhead > 0; ++h) {
          if ((u + h) * lanes * sizeof(S) % 64 == 0) __builtin_prefetch(m + h * lanes + ahead);
        }
        Vec<T> mv, mw;
        load_both(m, mv, mw);
        acc[j][u] = fma(xv, mv, acc[j][u]);
        acc[j][u + 1] = fma(xw, mw, acc[j][u + 1]);
      }
    }
  }
  for (; p + lanes <= k; p += lanes) {
    const Vec<T> xv = load(x + p);
#pragma GCC unroll 4
    for (int j = 0; j < count; ++j) acc[j][0] = fma(xv, load(matrix + j * stride + p), acc[j][0]);
  }
  if (const int64_t left = k - p; left > 0) {
    const bool whole = k >= lanes;  // then the last vector is one that ends at k
    const Vec<T> xv = whole ? last_lanes<T>(load(x + k - lanes), left) : load_some(x, left);
#pragma GCC unroll 4
    for (int j = 0; j < count; ++j) {
      const S* m = matrix + j * stride;
      const Vec<T> mv = whole ? last_lanes<T>(load(m + k - lanes), left) : load_some(m, left);
      acc[j][unroll - 1] = fma(xv, mv, acc[j][unroll - 1]);
    }
  }
#pragma GCC unroll 4
  for (int j = 0; j < count; ++j) {
#pragma GCC unroll 8
    for (int half = unroll / 2; half > 0; half /= 2) {
#pragma GCC unroll 4
      for (int u = 0; u < half; ++u) acc[j][u] = acc[j][u] + acc[j][u + half];
    }
    y[j] = sum<T>(acc[j][0]);
  }
}

#if defined(__SSE2__) && !defined(__AVX2__)
// Columns of float16: where all of one is finite, x takes the factor that its elements lack.
inline void gemv_dot_float16(const GemvArgs& args) {
  const float* x = static_cast<const float*>(args.x);
  const float16_t* matrix = static_cast<const float16_t*>(args.matrix);
  float* y = static_cast<float*>(args.y);
  ScratchBytes scratch(args.k, sizeof(float));
  float* scaled = static_cast<float*>(scratch.data());
  for (int64_t p = 0; p < args.k; ++p) scaled[p] = x[p] * 0x1p112f;
  const int64_t ahead = gemv_ahead<float16_t>(args.stride, 1);
  for (int64_t j = 0; j < args.n; ++j) {
    const float16_t* column = matrix + j * args.stride;
    if (all_finite(column, args.k)) {
      const auto* s = reinterpret_cast<const ScaledFloat16*>(column);
      dot_columns<ScaledFloat16, 1, 8>(scaled, s, args.stride, args.k, ahead, y + j);
    } else {
      dot_columns<float16_t, 1, 8>(x, column, args.stride, args.k, ahead, y + j);
    }
  }
}
#endif

// Short columns are read four at a time everywhere, long ones where that is faster.
template <class S>
void gemv_dot(const GemvArgs& args) {
  using T = Compute<S>;
  const T* x = static_cast<const T*>(args.x);
  const S* matrix = static_cast<const S*>(args.matrix);
  T* y = static_cast<T*>(args.y);
#if defined(__SSE2__) && !defined(__AVX2__)
  if constexpr (std::is_same_v<S, float16_t>) {
    if (args.k >= 8 * kLanes<T>) return gemv_dot_float16(args);
  }
#endif
  const int64_t ahead = gemv_ahead<S>(args.stride, 4), next = gemv_ahead<S>(args.stride, 1);
  int64_t j = 0;
  const bool several = kGemvColumns == 4 || args.k < 8 * kLanes<T>;
  for (; several && j + 4 <= args.n; j += 4) {
    dot_columns<S, 4, 2>(x, matrix + j * args.stride, args.stride, args.k, ahead, y + j);
  }
  for (; j < args.n; ++j) {
    dot_columns<S, 1, 8>(x, matrix + j * args.stride, args.stride, args.k, next, y + j);
  }
}

// y (+)= x[0] * row 0 + … of `count` rows that are contiguous along n.
template <class S, int count>
void add_rows(const Compute<S>* x, const S* matrix, int64_t stride, int64_t n, Compute<S>* y,
              bool accumulate) {
  using T = Compute<S>;
  constexpr int lanes = kLanes<T>;
  Vec<T> xv[count];
  for (int i = 0; i < count; ++i) xv[i] = broadcast(x[i]);
  for (int64_t j = 0; j < n; j += lanes) {
    const int64_t left = n - j;
    const bool full = left >= lanes;
    Vec<T> acc{};
    if (accumulate) acc = full ? load(y + j) : load_some(y + j, left);
#pragma GCC unroll 8
    for (int i = 0; i < count; ++i) {
      const S* row = matrix + i * stride + j;
      acc = fma(xv[i], full ? load(row) : load_some(row, left), acc);
    }
    if (full) {
      store(y + j, acc);
    } else {
      store_some(y + j, acc, left);
    }
  }
}

template <class S>
void gemv_axpy(const GemvArgs& args) {
  using T = Compute<S>;
  const T* x = static_cast<const T*>(args.x);
  const S* matrix = static_cast<const S*>(args.matrix);
  T* y = static_cast<T*>(args.y);
  int64_t p = 0;
  for (; p + 8 <= args.k; p += 8) {
    add_rows<S, 8>(x + p, matrix + p * args.stride, args.stride, args.n, y, p > 0);
  }
  for (; p < args.k; ++p) {
    add_rows<S, 1>(x + p, matrix + p * args.stride, args.stride, args.n, y, p > 0);
  }
}

}  // namespace
}  // namespace olivine::cpu::OLIVINE_ISA
