// What an array's node says of its op, as it is: without a look at what programs edit
// (primitive_edits.cpp).
#pragma once

#include <memory>

#include "core/node.h"
#include "ops/primitive_params.h"

namespace olivine {

// The node whose op computes `n`: the tuple of an output. Under the graph lock.
inline Node* maker_of(Node* n) { return n->op == &output_op ? n->inputs[0] : n; }
array graph_maker(const array& a);
// The user's primitive, or for an op of Olivine's own a stand-in that has its name; none without
// an op.
std::shared_ptr<Primitive> graph_primitive(const array& a);
bool is_stand_in(const Primitive& p);
Arrays graph_inputs(const array& a);
int graph_position(const array& a);
// All outputs of the op, this one among them.
Arrays graph_outputs(const array& a);
Arrays graph_siblings(const array& a);

}  // namespace olivine
