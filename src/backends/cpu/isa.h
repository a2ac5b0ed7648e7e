// The instruction sets that CPU kernels are built for, and the one this process uses.
#pragma once

#include <vector>

#include "olivine/export.h"

namespace olivine::cpu {

// Each holds all of the ones before it. Kernels of one live in the namespace of the same name.
enum class Isa {
  plain,        // what every CPU of the architecture has
  avx2,         // AVX2, FMA, F16C, BMI2
  avx512,       // F, BW, DQ, VL
  avx512_bf16,  // BF16, VNNI, VBMI
  amx,          // AMX-TILE, AMX-BF16; has kernels of products alone, else those before it
};
inline constexpr int kIsaCount = 5;

// The best available set, or the one that OLIVINE_CPU_ISA names; fixed at the first call.
OLIVINE_API Isa cpu_isa();
OLIVINE_API const char* cpu_isa_name();
OLIVINE_API const char* isa_name(Isa isa);
// In rising order; always begins with plain.
OLIVINE_API std::vector<Isa> available_isas();

}  // namespace olivine::cpu
