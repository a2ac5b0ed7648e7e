// <mlx/io/load.h> by Olivine.
#pragma once

#include "mlx/namespace.h"
#include "olivine/io_files.h"
