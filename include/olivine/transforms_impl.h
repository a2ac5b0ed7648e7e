// For bindings that trace functions in their own way: what tells a trace, and the two halves of
// vmap.
#pragma once

#include <utility>
#include <vector>

#include "olivine/transforms.h"

namespace olivine::detail {

// One placeholder per mapped input (in_axes not -1), without its mapped axis, and the inputs that
// are not mapped as they are; and what fn gives for them.
OLIVINE_API std::pair<std::vector<array>, std::vector<array>> vmap_trace(
    const ArrayFn& fn, const std::vector<array>& inputs, const std::vector<int>& in_axes);
// The traced outputs for whole batches in the places of the placeholders.
OLIVINE_API std::vector<array> vmap_replace(const std::vector<array>& inputs,
                                            const std::vector<array>& traced_inputs,
                                            const std::vector<array>& traced_outputs,
                                            const std::vector<int>& in_axes,
                                            const std::vector<int>& out_axes);

// While one lives, this thread traces: evaluating an array that depends on a marked input
// (array::set_tracer, or one of a transformation) keeps how it is computed. Transformations that
// are running on the thread count as well. `dynamic`: for any sizes; `grad`: to differentiate.
class OLIVINE_API InTracing {
 public:
  explicit InTracing(bool dynamic = false, bool grad = false);
  ~InTracing();
  InTracing(const InTracing&) = delete;
  InTracing& operator=(const InTracing&) = delete;

  static bool in_tracing();
  static bool in_dynamic_tracing();
  static bool in_grad_tracing();

 private:
  bool dynamic_, grad_;
};
// Says that this thread traces in order to export, as export_function does.
class OLIVINE_API InExportTracing {
 public:
  InExportTracing();
  ~InExportTracing();
  InExportTracing(const InExportTracing&) = delete;
  InExportTracing& operator=(const InExportTracing&) = delete;

  static bool in_export_tracing();
};
// While one lives, evaluations on this thread keep how arrays are computed.
class OLIVINE_API RetainGraph {
 public:
  RetainGraph();
  ~RetainGraph();
  RetainGraph(const RetainGraph&) = delete;
  RetainGraph& operator=(const RetainGraph&) = delete;

  static bool retain_graph();
};
inline bool in_tracing() { return InTracing::in_tracing(); }
inline bool in_dynamic_tracing() { return InTracing::in_dynamic_tracing(); }
inline bool in_grad_tracing() { return InTracing::in_grad_tracing(); }
inline bool in_export_tracing() { return InExportTracing::in_export_tracing(); }
inline bool retain_graph() { return RetainGraph::retain_graph(); }

}  // namespace olivine::detail
