// <mlx/transforms_impl.h> by Olivine.
#pragma once

#include "mlx/namespace.h"
#include "olivine/transforms_impl.h"
