// The matrix-product ops as kernels over gemm.
#include "backends/cpu/gemm/gemm.h"
#include "backends/cpu/kernel_table.h"
#include "backends/cpu/workspace.h"
#include "core/layout.h"
#include "ops/matmul_params.h"

namespace olivine::cpu {
namespace {

Matrix last_two(const View& v) {
  size_t r = v.strides.size();
  return {v.data, v.strides[r - 2], v.strides[r - 1]};
}

// Strides of the leading axes when broadcast to those of the output.
Strides batch_strides(const View& v, const View& out) {
  size_t lead = out.shape.size() - 2, own = v.shape.size() - 2;
  return broadcast_strides({v.shape.data(), own}, {v.strides.data(), own},
                           {out.shape.data(), lead});
}

GemmArgs product_args(const View& a, const View& b, const View& out) {
  size_t r = out.shape.size();
  GemmArgs g;
  g.dtype = out.dtype;
  g.m = out.shape[r - 2];
  g.n = out.shape[r - 1];
  g.k = a.shape.back();
  g.a = last_two(a);
  g.b = last_two(b);
  g.c = out.data;
  g.c_row_stride = g.n;
  g.batch = Shape(out.shape.begin(), out.shape.end() - 2);
  g.a_batch = batch_strides(a, out);
  g.b_batch = batch_strides(b, out);
  g.c_batch = Strides(out.strides.begin(), out.strides.end() - 2);
  g.addend_batch = Strides(r - 2, 0);
  return g;
}

void run_matmul(const KernelCall& c) { gemm(product_args(c.in[0], c.in[1], c.out[0])); }

GemmArgs addmm_args(const KernelCall& c) {
  const auto& p = c.as<AddmmParams>();
  GemmArgs g = product_args(c.in[1], c.in[2], c.out[0]);
  const View& out = c.out[0];
  View addend = c.in[0];
  addend.strides = broadcast_strides(addend.shape, addend.strides, out.shape);
  addend.shape = out.shape;
  g.addend = last_two(addend);
  g.addend_batch = Strides(addend.strides.begin(), addend.strides.end() - 2);
  g.alpha = p.alpha;
  g.beta = p.beta;
  return g;
}

void run_addmm(const KernelCall& c) { gemm(addmm_args(c)); }

}  // namespace

int64_t matmul_workspace(const KernelCall& c) {
  return gemm_workspace(product_args(c.in[0], c.in[1], c.out[0]));
}
int64_t addmm_workspace(const KernelCall& c) {
  GemmArgs g = addmm_args(c);
  static const char some = 0;
  g.addend.data = &some;  // that there is one
  return gemm_workspace(g);
}

void register_matmul(KernelTable& table) {
  auto dtypes = {float16, bfloat16, float32, float64, complex64, complex128};
  table.add_all("matmul", dtypes, {.run = run_matmul});
  table.add_all("addmm", dtypes, {.run = run_addmm});
}

}  // namespace olivine::cpu
