// <mlx/io.h> by Olivine.
#pragma once

#include "mlx/namespace.h"
#include "olivine/io.h"
