// <mlx/backend/metal/metal.h>: there is no such device in builds for CPUs.
#pragma once

#include "mlx/namespace.h"

namespace olivine::metal {
inline bool is_available() { return false; }
}  // namespace olivine::metal
