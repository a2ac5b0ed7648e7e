// The table of matrix-product kernels of one instruction set, for complex dtypes.
#include "backends/cpu/gemm/complex-inl.h"
#include "backends/cpu/gemm/finish-inl.h"
#include "backends/cpu/gemm/pack-inl.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

template <class T>
constexpr GemmKernels complex_kernels() {
  return {kMaxComplexRows,
          kMaxVectors * kLanes<T>,
          kKBlock<T>,
          kGroupPanels,
          2,
          sizeof(T),
          pack_complex_a<T>,
          pack_complex_b<T>,
          multiply<T, ComplexPanels<T>>,
          finish<T, 2>,
          gemv_dot_complex<T>,
          gemv_axpy_complex<T>,
          multiply_direct<T, ComplexTiles<T>>,
          multiply_direct<T, ComplexTiles<T>>,
          nullptr,
          0,
          nullptr,
          nullptr};
}

}  // namespace

const GemmKernels complex_gemm_kernels[kComplexGemmDtypes] = {complex_kernels<float>(),
                                                              complex_kernels<double>()};

}  // namespace olivine::cpu::OLIVINE_ISA
