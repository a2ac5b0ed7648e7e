// Neural networks: modules, layers, losses, initializers, training and checkpoints.
#pragma once

#include "olivine/nn/activations.h"
#include "olivine/nn/containers.h"
#include "olivine/nn/embedding.h"
#include "olivine/nn/init.h"
#include "olivine/nn/linear.h"
#include "olivine/nn/losses.h"
#include "olivine/nn/module.h"
#include "olivine/nn/quantized.h"
#include "olivine/nn/tree.h"
#include "olivine/nn/utils.h"
