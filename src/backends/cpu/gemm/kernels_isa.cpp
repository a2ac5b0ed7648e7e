// The table of matrix-product kernels of one instruction set, for real dtypes.
#include "backends/cpu/gemm/direct-inl.h"
#include "backends/cpu/gemm/finish-inl.h"
#include "backends/cpu/gemm/gemv-inl.h"
#include "backends/cpu/gemm/kernels.h"
#include "backends/cpu/gemm/multiply-inl.h"
#include "backends/cpu/gemm/pack-inl.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

template <class S>
constexpr GemmKernels real_kernels() {
  using T = Compute<S>;
  return {kMaxRows,
          kMaxVectors * kLanes<T>,
          kKBlock<T>,
          kGroupPanels,
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
          kMaxRunVectors * kLanes<T>,
          sizeof(T) == 4 ? spread_f32 : spread_f64,
          sizeof(T) == 4 ? &winograd_kernels : nullptr};
}

}  // namespace

const GemmKernels gemm_kernels[kRealGemmDtypes] = {
    real_kernels<float16_t>(),
    real_kernels<bfloat16_t>(),
    real_kernels<float>(),
    real_kernels<double>(),
};

}  // namespace olivine::cpu::OLIVINE_ISA
