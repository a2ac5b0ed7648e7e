// <mlx/distributed/ops.h> by Olivine.
#pragma once

#include "mlx/namespace.h"
#include "olivine/distributed.h"
