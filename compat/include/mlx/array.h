// <mlx/array.h> by Olivine.
#pragma once

#include "mlx/namespace.h"
#include "olivine/array.h"
