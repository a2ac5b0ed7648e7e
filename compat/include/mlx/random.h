// <mlx/random.h> by Olivine.
#pragma once

#include "mlx/namespace.h"
#include "olivine/ops/random.h"
