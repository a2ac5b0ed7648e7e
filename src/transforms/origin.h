// How the operands of an op came to be, for its error.
#pragma once

#include <string>

#include "core/node.h"

namespace olivine {

// A short tree of the ops that its inputs are made of, each with its shape and the user's line; one
// line each, empty if all of them were there before. The node must stay while it is read.
std::string describe_origin(const Node* n);

}  // namespace olivine
