// The kernel of load: reads an extent of a file into memory.
#include "backends/cpu/kernel_table.h"
#include "io/extent.h"

namespace olivine::cpu {
namespace {

void run_load(const KernelCall& c) {
  void* out[4] = {};
  for (size_t i = 0; i < c.out.size(); ++i) out[i] = c.out[i].data;
  c.as<LoadParams>().extent->read(out);
}

}  // namespace

void register_load(KernelTable& table) {
  for (int i = 0; i < Dtype::kCount; ++i) {
    table.add("load", Dtype(static_cast<Dtype::Val>(i)), {.run = run_load});
  }
}

}  // namespace olivine::cpu
