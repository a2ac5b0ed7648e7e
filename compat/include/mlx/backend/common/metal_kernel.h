// <mlx/backend/common/metal_kernel.h> by Olivine.
#pragma once

#include "mlx/namespace.h"
#include "olivine/fast.h"

namespace olivine {
using fast::CompileOptions;
using fast::MathMode;
}  // namespace olivine
