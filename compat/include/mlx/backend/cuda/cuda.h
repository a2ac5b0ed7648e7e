// <mlx/backend/cuda/cuda.h>: there is no such device in builds for CPUs.
#pragma once

#include "mlx/backend/gpu/device_info.h"

namespace olivine::cu {
inline bool is_available() { return false; }
using olivine::gpu::device_info;
}  // namespace olivine::cu
