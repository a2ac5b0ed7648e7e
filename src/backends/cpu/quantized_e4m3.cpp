// Products of few rows with codes of e4m3: the work of tasks.
#include "backends/cpu/quantized_e4m3.h"

#include <algorithm>

#include "backends/cpu/scratch.h"
#include "backends/cpu/scratch_meter.h"
#include "core/size.h"
#include "runtime/thread_pool.h"

namespace olivine::cpu {
namespace {

constexpr int64_t kTask = 1 << 17;  // codes that a task reads

const E4m3Kernels* kernels() {
#if OLIVINE_HAS_ISA_AVX512_BF16
  if (cpu_isa() >= Isa::avx512_bf16) return &avx512_bf16::e4m3_kernels;
#endif
  return nullptr;
}

}  // namespace

bool has_e4m3_product(const PackedProduct& p) {
  return kernels() && p.transpose && p.matrix.format.mode == QuantMode::mxfp8 &&
         p.m <= kernels()->most_rows;
}

void multiply_e4m3(const PackedProduct& p) {
  ScratchBytes prepared(checked_mul(p.m, e4m3_row_size(p.k)), sizeof(float));
  float* x = static_cast<float*>(prepared.data());
  if (ScratchMeter::is_on()) return;
  kernels()->prepare(p, x);
  const int64_t share = (p.n + 2 * thread_count() - 1) / (2 * thread_count());
  const int64_t grain = std::clamp<int64_t>(kTask / p.k, 1, share);
  parallel_for(p.n, grain, [&](int64_t begin, int64_t end) { kernels()->dot(p, x, begin, end); });
}

}  // namespace olivine::cpu
