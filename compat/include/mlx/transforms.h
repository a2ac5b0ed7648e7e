// <mlx/transforms.h> by Olivine.
#pragma once

#include "mlx/namespace.h"
#include "olivine/transforms.h"
