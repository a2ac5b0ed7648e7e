// <mlx/stream.h> by Olivine.
#pragma once

#include "mlx/namespace.h"
#include "olivine/device.h"
#include "olivine/utils.h"
