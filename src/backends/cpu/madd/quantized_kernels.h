// The product of quantized_fixed.h without dot products of bytes.
#pragma once

#include "backends/cpu/quantized_fixed.h"

namespace olivine::cpu::OLIVINE_ISA {

void fixed_dot(const FixedProductArgs& a);

}  // namespace olivine::cpu::OLIVINE_ISA
