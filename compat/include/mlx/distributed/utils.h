// <mlx/distributed/utils.h> by Olivine.
#pragma once

#include "mlx/namespace.h"
#include "olivine/tcp_socket.h"
