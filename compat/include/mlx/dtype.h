// <mlx/dtype.h> by Olivine.
#pragma once

#include "mlx/namespace.h"
#include "olivine/dtype.h"
#include "olivine/utils.h"
