// The kernels of products by tiles.
#include "backends/cpu/amx/tiles-inl.h"

namespace olivine::cpu::OLIVINE_ISA {

extern const TileKernels tile_kernels;
const TileKernels tile_kernels = {pack<true>, pack<false>, multiply};

}  // namespace olivine::cpu::OLIVINE_ISA
