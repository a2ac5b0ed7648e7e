// <mlx/error.h> by Olivine.
#pragma once

#include "mlx/namespace.h"
#include "olivine/error.h"
