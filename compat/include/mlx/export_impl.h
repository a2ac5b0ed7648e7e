// <mlx/export_impl.h> by Olivine.
#pragma once

#include "mlx/namespace.h"
#include "olivine/export_function.h"
