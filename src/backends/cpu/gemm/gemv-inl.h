// Products of a vector and a matrix, which are bound by reading the matrix once.
#pragma once

#include "backends/cpu/gemm/kernels.h"
#include "backends/cpu/gemm/vector-inl.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

// `count` columns that are contiguous along k: one sum of lanes each.
template <class S, int count>
void dot_columns(const Compute<S>* x, const S* matrix, int64_t stride, int64_t k, Compute<S>* y) {
  using T = Compute<S>;
  constexpr int lanes = kLanes<T>;
  constexpr int unroll = 2;
  Vec<T> acc[count][unroll] = {};
  int64_t p = 0;
  for (; p + unroll * lanes <= k; p += unroll * lanes) {
#pragma GCC unroll 2
    for (int u = 0; u < unroll; ++u) {
      const Vec<T> xv = load(x + p + u * lanes);
#pragma GCC unroll 4
      for (int j = 0; j < count; ++j) {
        acc[j][u] = fma(xv, load(matrix + j * stride + p + u * lanes), acc[j][u]);
      }
    }
  }
  for (; p < k; p += lanes) {
    const int64_t left = min(lanes, k - p);
    const Vec<T> xv = load_some(x + p, left);
    for (int j = 0; j < count; ++j) {
      acc[j][0] = fma(xv, load_some(matrix + j * stride + p, left), acc[j][0]);
    }
  }
  for (int j = 0; j < count; ++j) y[j] = sum<T>(acc[j][0] + acc[j][1]);
}

template <class S>
void gemv_dot(const GemvArgs& args) {
  using T = Compute<S>;
  const T* x = static_cast<const T*>(args.x);
  const S* matrix = static_cast<const S*>(args.matrix);
  T* y = static_cast<T*>(args.y);
  int64_t j = 0;
  for (; j + 4 <= args.n; j += 4) {
    dot_columns<S, 4>(x, matrix + j * args.stride, args.stride, args.k, y + j);
  }
  for (; j < args.n; ++j) {
    dot_columns<S, 1>(x, matrix + j * args.stride, args.stride, args.k, y + j);
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
