// <mlx/array.h> by Olivine.
#pragma once

#include "mlx/allocator.h"
#include "mlx/dtype.h"
#include "mlx/event.h"
#include "mlx/namespace.h"
#include "mlx/small_vector.h"
#include "olivine/array.h"
