// <mlx/distributed/distributed_impl.h> by Olivine.
#pragma once

#include "mlx/namespace.h"
#include "olivine/distributed_impl.h"
