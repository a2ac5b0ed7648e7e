// <mlx/compile.h> by Olivine.
#pragma once

#include "mlx/namespace.h"
#include "olivine/compile.h"
