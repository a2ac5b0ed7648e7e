// <mlx/memory.h> by Olivine.
#pragma once

#include "mlx/namespace.h"
#include "olivine/memory.h"
