// Walking several strided arrays of one shape: axes are merged where all operands allow it, the
// innermost run goes to a loop, an odometer steps through the rest.
//
// Included by kernels only; everything lives in the namespace of the instruction set.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>

#include "backends/backend.h"
#include "backends/kernel_errors.h"
#include "runtime/thread_pool.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

constexpr int kMaxRank = 32;
// Elements that one chunk of parallel work moves.
constexpr int64_t kChunk = 32768;

// The merged axes of N operands, outermost first; sizes are > 1.
template <int N>
struct Dims {
  int rank = 0;
  int64_t size[kMaxRank];
  int64_t stride[N][kMaxRank];

  void add(int64_t n, const int64_t (&step)[N]) {
    if (n == 1) return;
    bool merge = rank > 0;
    for (int k = 0; k < N && merge; ++k) merge = stride[k][rank - 1] == step[k] * n;
    if (merge) {
      size[rank - 1] *= n;
    } else {
      if (rank == kMaxRank) too_many_axes(rank + 1, kMaxRank);
      size[rank++] = n;
    }
    for (int k = 0; k < N; ++k) stride[k][rank - 1] = step[k];
  }
  int64_t inner() const { return rank ? size[rank - 1] : 1; }
  int64_t inner_stride(int k) const { return rank ? stride[k][rank - 1] : 1; }
  int64_t count() const {
    int64_t n = 1;
    for (int i = 0; i < rank; ++i) n *= size[i];
    return n;
  }
};

// Offsets of the N operands at one index of the outer axes (all but the innermost).
template <int N>
struct Odometer {
  const Dims<N>& dims;
  int64_t at[kMaxRank];
  int64_t offset[N];

  Odometer(const Dims<N>& d, int64_t row) : dims(d) {
    for (int k = 0; k < N; ++k) offset[k] = 0;
    for (int i = d.rank - 2; i >= 0; --i) {
      at[i] = row % d.size[i];
      row /= d.size[i];
      for (int k = 0; k < N; ++k) offset[k] += at[i] * d.stride[k][i];
    }
  }
  void next() {
    for (int i = dims.rank - 2; i >= 0; --i) {
      for (int k = 0; k < N; ++k) offset[k] += dims.stride[k][i];
      if (++at[i] < dims.size[i]) return;
      for (int k = 0; k < N; ++k) offset[k] -= dims.stride[k][i] * dims.size[i];
      at[i] = 0;
    }
  }
};

// Calls run(offsets, n) for the runs along the innermost axis that make up elements [begin, end) of
// the row-major order; a run at either end may be part of an axis.
template <int N, class F>
void for_runs(const Dims<N>& d, int64_t begin, int64_t end, F&& run) {
  int64_t inner = d.inner();
  int64_t col = begin % inner;
  Odometer<N> row(d, begin / inner);
  int64_t offset[N];
  while (begin < end) {
    int64_t n = inner - col < end - begin ? inner - col : end - begin;
    for (int k = 0; k < N; ++k) offset[k] = row.offset[k] + col * d.inner_stride(k);
    run(offset, n);
    begin += n;
    col = 0;
    if (begin < end) row.next();
  }
}

struct Bytes16 {
  uint64_t lo, hi;
};

// Calls f with a value of the unsigned type of that many bytes.
template <class F>
void by_itemsize(size_t bytes, F&& f) {
  switch (bytes) {
    case 1:
      return f(uint8_t{});
    case 2:
      return f(uint16_t{});
    case 4:
      return f(uint32_t{});
    case 8:
      return f(uint64_t{});
    default:
      return f(Bytes16{});
  }
}

template <class T>
inline void copy_run(const T* in, int64_t in_step, T* out, int64_t out_step, int64_t n) {
  if (in_step == 1 && out_step == 1) {
    std::memcpy(out, in, static_cast<size_t>(n) * sizeof(T));
  } else if (in_step == 0 && out_step == 1) {
    T v = *in;
    for (int64_t i = 0; i < n; ++i) out[i] = v;
  } else if (out_step == 1) {
    for (int64_t i = 0; i < n; ++i) out[i] = in[i * in_step];
  } else {
    for (int64_t i = 0; i < n; ++i) out[i * out_step] = in[i * in_step];
  }
}

// Copies between any two layouts of one shape that do not overlap.
inline void copy_strided(size_t itemsize, std::span<const int64_t> shape, const void* in,
                         std::span<const int64_t> in_strides, void* out,
                         std::span<const int64_t> out_strides) {
  Dims<2> d;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 0) return;
    d.add(shape[i], {in_strides[i], out_strides[i]});
  }
  by_itemsize(itemsize, [&](auto zero) {
    using T = decltype(zero);
    parallel_for(d.count(), kChunk, [&](int64_t begin, int64_t end) {
      for_runs(d, begin, end, [&](const int64_t(&at)[2], int64_t n) {
        copy_run(static_cast<const T*>(in) + at[0], d.inner_stride(0), static_cast<T*>(out) + at[1],
                 d.inner_stride(1), n);
      });
    });
  });
}

}  // namespace
}  // namespace olivine::cpu::OLIVINE_ISA
