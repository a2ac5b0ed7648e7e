// A function as a graph from placeholders to outputs: what compile plans and export writes.
#pragma once

#include <memory>
#include <string>

#include "olivine/transforms.h"
#include "transforms/graph.h"

namespace olivine {

struct TracedGraph {
  Arrays placeholders;
  Arrays outputs;  // all that the function returned
  // Where an output comes from: number `index` of `computed` or of the inputs, or a constant.
  struct Source {
    enum class Kind : uint8_t { computed, input, constant } kind;
    int index;
  };
  std::vector<Source> sources;
  Arrays computed;              // outputs that need work, without repeats
  std::vector<OutSpec> specs;   // of `computed`
  std::vector<WalkEntry> walk;  // inputs before users, the placeholders first
  // What its results are looked at for (nonfinite.h); functions are traced again when that changes.
  int checked = 0;
  // Why the graph holds for the sizes of its placeholders only; empty: it holds for any.
  std::string fixed_by = "it was not traced for other sizes";
  // How it came to be, where that is more than its ops; of what was traced for any sizes.
  std::shared_ptr<Recording> recording;
  Arrays results;  // of the recorded function
};

// Whether a trace holds for the sizes of its inputs; for others too, by its ops alone, which can be
// written to a file (where that cannot be had, `fixed_by` says why); or by its recording as well.
enum class Sizes : uint8_t { given, any, recorded };
// What `fn` does with inputs of these shapes and dtypes. What it does not do with them is computed.
std::shared_ptr<TracedGraph> trace(const ArrayFn& fn, const Arrays& inputs, Sizes sizes);
// A graph from `inputs`, placeholders, to `outputs` that needs nothing else: what was captured is
// given out, in order, and stands before the inputs.
std::shared_ptr<TracedGraph> close_graph(const Arrays& inputs, const Arrays& outputs,
                                         Arrays& captured);
// A graph whose placeholders and outputs were put together by hand.
void finish_graph(TracedGraph& g);
// The same for inputs of other sizes. Throws if an op refuses them, or its recording does.
std::shared_ptr<TracedGraph> resized(const TracedGraph& g, const Arrays& inputs);
// The node's op on other inputs, of other sizes maybe.
array remake(Node* n, const Arrays& in);
// Whether the inputs have the placeholders' dtypes, and their shapes or, if `any_size`, ranks.
bool same_signature(const TracedGraph& g, const Arrays& inputs, bool any_size);
// A hash of shapes and dtypes.
size_t signature_hash(const Arrays& inputs);
// Whether they are of sizes 0, 1 or more where the placeholders are: rules may branch on that.
bool alike(const TracedGraph& g, const Arrays& inputs);

// The graph on other inputs of the same shapes, as nodes like any other.
Arrays inline_graph(const TracedGraph& g, const Arrays& inputs);
// The outputs, given those that are computed.
Arrays collect_outputs(const TracedGraph& g, const Arrays& inputs, const Arrays& computed);

// Throws unless the op may be made of these inputs and parameters, wherever they come from.
void check_op(const Op& op, const ParamsRef& params, std::span<const array> in);
// Throws unless the node can be written to a file.
void check_exportable(const Node* n);

}  // namespace olivine
