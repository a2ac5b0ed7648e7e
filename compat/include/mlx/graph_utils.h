// <mlx/graph_utils.h> by Olivine.
#pragma once

#include "mlx/namespace.h"
#include "olivine/graph_utils.h"
