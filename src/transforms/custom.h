// What other transformations have to know of custom functions.
#pragma once

#include "core/node.h"

namespace olivine {

// Whether a node is that of a checkpoint: its outputs are its first inputs, and only its gradient
// is another.
bool is_checkpoint(const Node* n);

}  // namespace olivine
