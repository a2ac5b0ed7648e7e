// <mlx/ops.h> by Olivine.
#pragma once

#include "mlx/namespace.h"
#include "olivine/ops/conv.h"
#include "olivine/ops/creation.h"
#include "olivine/ops/elementwise.h"
#include "olivine/ops/indexing.h"
#include "olivine/ops/matmul.h"
#include "olivine/ops/quantized.h"
#include "olivine/ops/reduction.h"
#include "olivine/ops/scan.h"
#include "olivine/ops/selection.h"
#include "olivine/ops/shape.h"
#include "olivine/ops/sort.h"
