// <mlx/linalg.h> by Olivine.
#pragma once

#include "mlx/namespace.h"
#include "olivine/ops/linalg.h"
