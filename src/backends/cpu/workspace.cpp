// Which kernels take workspace, and how much of it: asked of the code that allocates it, by its
// sizes or by running it without data (scratch_meter.h).
#include "backends/workspace.h"

#include <algorithm>
#include <iterator>
#include <string_view>

#include "backends/cpu/attention_tiles.h"
#include "backends/cpu/isa.h"
#include "backends/cpu/scratch_meter.h"
#include "backends/cpu/workspace.h"
#include "core/op.h"
#include "olivine/parallel.h"

namespace olivine {
namespace cpu {
namespace {

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

using attention_tiles::kRows;

attention_tiles::Depths depths_of(const View& q, const View& v) {
  const int64_t lanes = cpu_isa() >= Isa::avx512 ? 16 : cpu_isa() >= Isa::avx2 ? 8 : 4;
  return {ceil_div(q.shape.back(), lanes) * lanes, ceil_div(v.shape.back(), lanes) * lanes};
}

int64_t attention(const KernelCall& c) {
  const View &q = c.in[0], &v = c.in[2];
  const attention_tiles::Depths depths = depths_of(q, v);
  const int64_t heads = v.shape[0] * v.shape[1];
  const int64_t tiles = ceil_div(q.shape[1] / v.shape[1] * q.shape[2], kRows);
  const int64_t shared = depths.shared(heads * tiles);
  return std::min<int64_t>(thread_count(), heads * ceil_div(tiles, shared)) *
         counted_scratch(depths.forward_floats(shared), sizeof(float));
}
int64_t attention_vjp(const KernelCall& c) {
  const View &q = c.in[0], &k = c.in[1], &v = c.in[2];
  return std::min<int64_t>(thread_count(), k.shape[0] * k.shape[1]) *
         counted_scratch(depths_of(q, v).backward_floats(k.shape[2]), sizeof(float));
}

// Of kernels that a meter may run.
int64_t metered(const KernelCall& c, int op) {
  ScratchMeter meter;
  cpu_backend().kernel(op, c.in[0].dtype)->run(c);
  return meter.most();
}
constexpr std::string_view kMetered[] = {
    "cholesky",
    "lu",
    "lu_solve",
    "triangular_solve",
    "qr",
    "svd",
    "svdvals",
    "eigh",
    "eigvalsh",
    "eig",
    "eigvals",
    "adjugate",
    "orthogonal_complement",
    "expm",
    "logm",
    "sqrtm",
    "fft",
    "quantized_matmul",
    "gather_qmm",
    "layer_norm_vjp",
    "rms_norm_vjp",
    "sort",
    "argsort",
    "partition",
    "argpartition",
};

struct Rule {
  std::string_view op;
  int64_t (*bytes)(const KernelCall&);
};
constexpr Rule kRules[] = {
    {"matmul", matmul_workspace}, {"addmm", addmm_workspace},
    {"conv", conv_workspace},     {"conv_weight", conv_weight_workspace},
    {"attention", attention},     {"attention_vjp", attention_vjp},
};

}  // namespace
}  // namespace cpu

size_t kernel_workspace(int op, const KernelCall& call) {
  for (const View& v : call.out) {
    if (v.size() == 0) return 0;
  }
  const std::string_view name = op_name(op);
  if (std::ranges::find(cpu::kMetered, name) != std::end(cpu::kMetered)) {
    return static_cast<size_t>(cpu::metered(call, op));
  }
  const auto* rule = std::ranges::find(cpu::kRules, name, &cpu::Rule::op);
  return rule == std::end(cpu::kRules) ? 0 : static_cast<size_t>(rule->bytes(call));
}

}  // namespace olivine
