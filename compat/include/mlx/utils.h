// <mlx/utils.h> by Olivine.
#pragma once

#include "mlx/namespace.h"
#include "olivine/utils.h"
