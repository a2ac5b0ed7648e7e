// The matrix product as three loops: what the kernels are tested against.
#pragma once

#include <complex>

#include "backends/cpu/gemm/gemm.h"

namespace olivine::cpu {

namespace reference {

template <class Wide, class T>
Wide widen(T x) {
  if constexpr (sizeof(T) == 2) {
    return to_float(x);
  } else {
    return Wide(x);
  }
}
template <class T, class Wide>
T narrow(Wide x) {
  if constexpr (std::is_same_v<T, float16_t>) {
    return to_float16(static_cast<float>(x));
  } else if constexpr (std::is_same_v<T, bfloat16_t>) {
    return to_bfloat16(static_cast<float>(x));
  } else if constexpr (requires { x.imag(); }) {
    using Part = typename T::value_type;
    return {static_cast<Part>(x.real()), static_cast<Part>(x.imag())};
  } else {
    return T(x);
  }
}

}  // namespace reference

// One product (the batch is not read) of elements T, summed in Wide.
template <class T, class Wide>
void reference_gemm(const GemmArgs& args) {
  const auto at = [](const Matrix& x, int64_t i, int64_t j) {
    return reference::widen<Wide>(
        static_cast<const T*>(x.data)[i * x.row_stride + j * x.col_stride]);
  };
  for (int64_t i = 0; i < args.m; ++i) {
    for (int64_t j = 0; j < args.n; ++j) {
      Wide sum{};
      for (int64_t p = 0; p < args.k; ++p) sum += at(args.a, i, p) * at(args.b, p, j);
      Wide out = Wide(args.alpha) * sum;
      if (args.addend.data) out += Wide(args.beta) * at(args.addend, i, j);
      static_cast<T*>(args.c)[i * args.c_row_stride + j] = reference::narrow<T>(out);
    }
  }
}

}  // namespace olivine::cpu
