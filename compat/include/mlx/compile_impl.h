// <mlx/compile_impl.h> by Olivine.
#pragma once

#include "mlx/namespace.h"
#include "olivine/compile_impl.h"
