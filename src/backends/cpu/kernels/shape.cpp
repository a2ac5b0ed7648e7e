// The kernel of concatenate; every other shape op is a view.
#include "backends/cpu/kernel_table.h"
#include "backends/cpu/kernels/strided-inl.h"
#include "ops/indexing_params.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

void concatenate(const KernelCall& c) {
  const View& out = c.out[0];
  int axis = c.as<AxisParams>().axis;
  char* at = out.as<char>();
  for (const View& in : c.in) {
    copy_strided(out.dtype.size(), in.shape, in.data, in.strides, at, out.strides);
    at += in.shape[axis] * out.strides[axis] * static_cast<int64_t>(out.dtype.size());
  }
}

}  // namespace

void register_shape(KernelTable& t) {
  for (int i = 0; i < Dtype::kCount; ++i) {
    t.add("concatenate", Dtype(static_cast<Dtype::Val>(i)), {.run = concatenate});
  }
}

}  // namespace olivine::cpu::OLIVINE_ISA
