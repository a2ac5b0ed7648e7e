// <mlx/fence.h> by Olivine.
#pragma once

#include "mlx/namespace.h"
#include "olivine/event.h"
