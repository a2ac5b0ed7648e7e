// <mlx/einsum.h> by Olivine.
#pragma once

#include "mlx/namespace.h"
#include "olivine/ops/einsum.h"
