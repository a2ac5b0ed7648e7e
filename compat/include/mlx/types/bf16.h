// <mlx/types/bf16.h> by Olivine.
#pragma once

#include "mlx/namespace.h"
#include "olivine/dtype.h"

namespace olivine {
using _MLX_BFloat16 = bfloat16_t;
inline bfloat16_t operator-(bfloat16_t x) { return -static_cast<float>(x); }
}  // namespace olivine
