// The end of a product: scaling, the addend and the conversion to the dtype of c.
#pragma once

#include "backends/cpu/gemm/kernels.h"
#include "backends/cpu/gemm/vector-inl.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

// Lane i is part i % parts of element i / parts; elements are `stride` apart.
template <class S, int parts>
Vec<Compute<S>> load_elements(const S* p, int64_t stride, int64_t count) {
  constexpr int lanes = kLanes<Compute<S>>;
  if (stride == 1 && count == lanes) return load(p);
  S values[lanes] = {};
  for (int64_t i = 0; i < count; ++i) values[i] = p[i / parts * parts * stride + i % parts];
  return load(values);
}

template <class S, int parts>
void finish(const FinishArgs& args) {
  using T = Compute<S>;
  constexpr int lanes = kLanes<T>;
  const Vec<T> alpha = broadcast(static_cast<T>(args.alpha));
  const Vec<T> beta = broadcast(static_cast<T>(args.beta));
  const int64_t cols = args.cols * parts;
  for (int64_t i = 0; i < args.rows; ++i) {
    const T* acc = static_cast<const T*>(args.acc) + i * args.acc_stride;
    S* c = static_cast<S*>(args.c) + i * args.c_row_stride * parts;
    const S* addend = static_cast<const S*>(args.addend);
    if (addend) addend += i * args.addend_row_stride * parts;
    int64_t j = 0;
    if (!addend) {
      for (; j + lanes <= cols; j += lanes) store(c + j, alpha * load(acc + j));
    }
    for (; j < cols; j += lanes) {
      const int64_t count = min(lanes, cols - j);
      Vec<T> v = alpha * (count == lanes ? load(acc + j) : load_some(acc + j, count));
      if (addend) {
        const S* from = addend + j * args.addend_col_stride;
        v = fma(beta, load_elements<S, parts>(from, args.addend_col_stride, count), v);
      }
      if (count == lanes) {
        store(c + j, v);
      } else {
        store_some(c + j, v, count);
      }
    }
  }
}

}  // namespace
}  // namespace olivine::cpu::OLIVINE_ISA
