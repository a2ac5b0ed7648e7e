// <mlx/backend/cuda/cuda.h>: there is no such device in builds for CPUs.
#pragma once

#include "mlx/namespace.h"

namespace olivine::cu {
inline bool is_available() { return false; }
}  // namespace olivine::cu
