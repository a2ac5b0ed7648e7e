// <mlx/scheduler.h> by Olivine.
#pragma once

#include "mlx/namespace.h"
#include "olivine/scheduler.h"
