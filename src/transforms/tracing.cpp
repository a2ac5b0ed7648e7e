// What a thread says of the traces that it runs.
#include "core/node.h"
#include "olivine/transforms_impl.h"

namespace olivine::detail {
namespace {

thread_local constinit int dynamic_traces = 0, grad_traces = 0, export_traces = 0;

}  // namespace

InTracing::InTracing(bool dynamic, bool grad) : dynamic_(dynamic), grad_(grad) {
  Tracing::enter();
  dynamic_traces += dynamic;
  grad_traces += grad;
}
InTracing::~InTracing() {
  dynamic_traces -= dynamic_;
  grad_traces -= grad_;
  Tracing::leave();
}
bool InTracing::in_tracing() { return Tracing::here > 0; }
bool InTracing::in_dynamic_tracing() { return dynamic_traces > 0 || ShapelessTrace::running(); }
bool InTracing::in_grad_tracing() { return grad_traces > 0; }

InExportTracing::InExportTracing() { ++export_traces; }
InExportTracing::~InExportTracing() { --export_traces; }
bool InExportTracing::in_export_tracing() { return export_traces > 0; }

RetainGraph::RetainGraph() { Retention::enter(); }
RetainGraph::~RetainGraph() { Retention::leave(); }
bool RetainGraph::retain_graph() { return Retention::here > 0; }

}  // namespace olivine::detail
