// <mlx/device.h> by Olivine.
#pragma once

#include "mlx/namespace.h"
#include "olivine/device.h"
