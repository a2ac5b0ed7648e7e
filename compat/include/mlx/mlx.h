// MLX's C++ names for Olivine: `#include <mlx/mlx.h>`, namespace mlx::core.
#pragma once

#include "mlx/backend/common/metal_kernel.h"
#include "mlx/backend/cuda/cuda.h"
#include "mlx/backend/gpu/device_info.h"
#include "mlx/backend/metal/metal.h"
#include "mlx/namespace.h"
#include "mlx/small_vector.h"
#include "mlx/threadpool.h"
#include "mlx/types/complex.h"
#include "mlx/types/half_types.h"
#include "mlx/version.h"
#include "olivine/olivine.h"
