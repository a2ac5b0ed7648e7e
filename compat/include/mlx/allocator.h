// <mlx/allocator.h> by Olivine.
#pragma once

#include "mlx/namespace.h"
#include "olivine/allocator.h"
