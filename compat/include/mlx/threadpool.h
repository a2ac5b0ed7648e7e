// <mlx/threadpool.h> by Olivine.
#pragma once

#include "mlx/namespace.h"
#include "olivine/threadpool.h"

using olivine::ThreadPool;
