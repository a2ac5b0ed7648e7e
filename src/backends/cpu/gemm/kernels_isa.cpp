// The table of matrix-product kernels of one instruction set.
#include "backends/cpu/gemm/direct-inl.h"
#include "backends/cpu/gemm/finish-inl.h"
#include "backends/cpu/gemm/gemv-inl.h"
#include "backends/cpu/gemm/kernels.h"
#include "backends/cpu/gemm/multiply-inl.h"
#include "backends/cpu/gemm/pack-inl.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

// A block of a panel of b takes 32 to 48 KiB; longer ones measured no faster.
template <class T>
constexpr int kKBlock = 384 * 4 / static_cast<int>(sizeof(T));

template <class S>
constexpr GemmKernels real_kernels() {
  using T = Compute<S>;
  return {kMaxRows,
          kMaxVectors * kLanes<T>,
          kKBlock<T>,
          1,
          static_cast<int>(sizeof(T)),
          pack<S>,
          pack<S>,
          multiply<S>,
          finish<S, 1>,
          gemv_dot<S>,
          gemv_axpy<S>,
          multiply_direct<S>,
          multiply_direct<T>,
          sizeof(T) == 4 ? add_runs_f32 : add_runs_f64,
          sizeof(T) == 4 ? spread_f32 : spread_f64};
}

template <class T>
constexpr GemmKernels complex_kernels() {
  return {kMaxRows,
          kMaxVectors * kLanes<T>,
          kKBlock<T>,
          2,
          sizeof(T),
          pack_complex_a<T>,
          pack_complex_b<T>,
          multiply<T>,
          finish<T, 2>,
          nullptr,
          nullptr,
          nullptr,
          nullptr,
          nullptr,
          nullptr};
}

}  // namespace

const GemmKernels gemm_kernels[kGemmDtypes] = {
    real_kernels<float16_t>(), real_kernels<bfloat16_t>(), real_kernels<float>(),
    real_kernels<double>(),    complex_kernels<float>(),   complex_kernels<double>(),
};

}  // namespace olivine::cpu::OLIVINE_ISA
