// <mlx/version.h>: the version of MLX whose interface this is. Olivine's own is in
// olivine/version.h.
#pragma once

#include "mlx/namespace.h"
#include "olivine/version.h"

#define MLX_VERSION_MAJOR 0
#define MLX_VERSION_MINOR 32
#define MLX_VERSION_PATCH 4
#define MLX_VERSION_NUMERIC \
  (100000 * MLX_VERSION_MAJOR + 1000 * MLX_VERSION_MINOR + MLX_VERSION_PATCH)
