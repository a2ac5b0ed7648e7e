// MLX's C++ names for Olivine: `#include <mlx/mlx.h>`, namespace mlx::core.
#pragma once

#include "olivine/olivine.h"

namespace mlx {
namespace core = olivine;
}
