// <mlx/backend/gpu/device_info.h>: there is no such device in builds for CPUs.
#pragma once

#include "mlx/namespace.h"

namespace olivine::gpu {
inline bool is_available() { return false; }
}  // namespace olivine::gpu
