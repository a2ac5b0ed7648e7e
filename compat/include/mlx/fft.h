// <mlx/fft.h> by Olivine.
#pragma once

#include "mlx/namespace.h"
#include "olivine/ops/fft.h"
