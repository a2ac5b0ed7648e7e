// The products of quantized_fixed.h, one file each.
#pragma once

#include "backends/cpu/quantized_fixed.h"

namespace olivine::cpu::OLIVINE_ISA {

void fixed_dot(const FixedProductArgs& a);
void fixed_tile(const FixedProductArgs& a);

}  // namespace olivine::cpu::OLIVINE_ISA
