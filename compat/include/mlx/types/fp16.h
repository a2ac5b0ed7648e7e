// <mlx/types/fp16.h> by Olivine.
#pragma once

#include "mlx/namespace.h"
#include "olivine/dtype.h"

namespace olivine {
using _MLX_Float16 = float16_t;
inline float16_t operator-(float16_t x) { return -static_cast<float>(x); }
}  // namespace olivine
