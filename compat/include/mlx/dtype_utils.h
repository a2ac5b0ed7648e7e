// <mlx/dtype_utils.h> by Olivine.
#pragma once

#include "mlx/namespace.h"
#include "olivine/dtype_utils.h"

// In a function that a dispatch calls: the type, or the value, that its argument stands for.
#define MLX_GET_TYPE(x) typename decltype(x)::type
#define MLX_GET_VALUE(x) decltype(x)::value
