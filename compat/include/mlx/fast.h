// <mlx/fast.h> by Olivine.
#pragma once

#include "mlx/namespace.h"
#include "olivine/fast.h"
