// Vectorization: trace on one element's shapes, then emit every op again on whole batches.
#include "core/error.h"
#include "core/location.h"
#include "olivine/ops/creation.h"
#include "olivine/ops/indexing.h"
#include "olivine/ops/shape.h"
#include "olivine/transforms_impl.h"
#include "runtime/profile.h"
#include "transforms/graph.h"
#include "transforms/replay.h"

namespace olivine {
namespace {

// What a batch of no elements gives: outputs of the right shapes without elements.
VmapResult no_elements(const VmapCall& c) {
  Arrays in;
  for (size_t k = 0; k < c.in.size(); ++k) {
    Shape shape = c.in[k].shape();
    if (c.axes[k] >= 0) shape.erase(shape.begin() + c.axes[k]);
    in.push_back(c.axes[k] < 0 ? c.in[k] : zeros(shape, c.in[k].dtype()));
  }
  VmapResult r;
  for (OutSpec& spec : c.op.infer(c.params, in)) {
    spec.shape.insert(spec.shape.begin(), 0);
    r.out.push_back(zeros(spec.shape, spec.dtype));
    r.axes.push_back(0);
  }
  return r;
}

}  // namespace

VmapResult vmap_per_element(const VmapCall& c) {
  std::vector<Arrays> columns;
  if (c.batch == 0) return no_elements(c);
  for (int64_t b = 0; b < c.batch; ++b) {
    Arrays in;
    for (size_t k = 0; k < c.in.size(); ++k) {
      in.push_back(c.axes[k] < 0 ? c.in[k] : take(c.in[k], static_cast<int>(b), c.axes[k]));
    }
    Arrays out = emit(c.op, c.params, in);
    columns.resize(out.size());
    for (size_t k = 0; k < out.size(); ++k) columns[k].push_back(out[k]);
  }
  VmapResult r;
  for (Arrays& column : columns) r.out.push_back(stack(column, 0));
  r.axes.assign(r.out.size(), 0);
  return r;
}

namespace {

// The batched outputs of one op (one unless it is a tuple) and their batch axes.
struct Batched {
  Arrays out;
  std::vector<int> axes;
};

Batched batch_op(const WalkEntry& e, const std::vector<Batched>& values, int64_t batch) {
  Node* n = e.node;
  if (n->op == &output_op) {
    const Batched& from = values[e.inputs[0]];
    int index = n->params.as<OutputParams>().index;
    return {{from.out[index]}, {from.axes[index]}};
  }
  Arrays in;
  std::vector<int> axes;
  bool any = false;
  for (size_t k = 0; k < n->inputs.size(); ++k) {
    int32_t from = e.inputs[k];
    bool mapped = from >= 0 && !values[from].out.empty();
    in.push_back(mapped ? values[from].out[0] : share(n->inputs[k]));
    axes.push_back(mapped ? values[from].axes[0] : -1);
    any |= axes.back() >= 0;
  }
  LocationScope of_the_op(n->location);
  if (!any) {
    Arrays out = emit(*n->op, n->params, in);
    return {out, std::vector<int>(out.size(), -1)};
  }
  VmapCall call{*n->op, n->params, in, axes, batch};
  VmapResult r = n->op->vmap ? n->op->vmap(call) : vmap_per_element(call);
  return {std::move(r.out), std::move(r.axes)};
}

int64_t batch_size(const Arrays& inputs, const std::vector<int>& in_axes, std::vector<int>& axes) {
  if (in_axes.size() != inputs.size()) {
    fail("[vmap] expected one in_axis per input (", inputs.size(), "); got ", in_axes.size());
  }
  int64_t batch = -1;
  for (size_t i = 0; i < inputs.size(); ++i) {
    axes.push_back(-1);
    if (in_axes[i] == -1) continue;
    axes[i] = normalize_axis(in_axes[i], inputs[i].ndim(), "vmap");
    int64_t size = inputs[i].shape()[axes[i]];
    if (batch >= 0 && size != batch) {
      fail("[vmap] expected mapped axes of one size; got ", batch, " and ", size);
    }
    batch = size;
  }
  if (batch < 0) fail("[vmap] expected at least one mapped input; got none");
  return batch;
}

array place_axis(const Batched& b, int64_t batch, int out_axis) {
  const array& a = b.out[0];
  if (b.axes[0] < 0) {
    int to = normalize_axis(out_axis, a.ndim() + 1, "vmap");
    Shape shape = a.shape();
    shape.insert(shape.begin() + to, batch);
    return broadcast_to(expand_dims(a, to), shape);
  }
  int to = normalize_axis(out_axis, a.ndim(), "vmap");
  return b.axes[0] == to ? a : moveaxis(a, b.axes[0], to);
}

// Placeholders for one element of each mapped input, and the other inputs as they are.
Arrays elements(const Arrays& inputs, const std::vector<int>& axes) {
  Arrays out;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (axes[i] < 0) {
      out.push_back(inputs[i]);
      continue;
    }
    Shape shape = inputs[i].shape();
    shape.erase(shape.begin() + axes[i]);
    out.push_back(make_placeholder(std::move(shape), inputs[i].dtype()));
  }
  return out;
}

// `arguments` are what elements() gave, `outputs` what a function made of them.
Arrays batched(const Arrays& inputs, const Arrays& arguments, const Arrays& outputs,
               const std::vector<int>& axes, int64_t batch, const std::vector<int>& out_axes) {
  if (!out_axes.empty() && out_axes.size() != outputs.size()) {
    fail("[vmap] expected one out_axis per output (", outputs.size(), "); got ", out_axes.size());
  }
  Arrays placeholders;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (axes[i] >= 0) placeholders.push_back(arguments[i]);
  }
  auto walk = walk_tracers(outputs, placeholders);
  auto sources = positions(walk, placeholders);
  auto depends = depends_on(walk, sources, true);
  std::vector<Batched> values(walk.size());
  for (size_t i = 0, p = 0; i < inputs.size(); ++i) {
    if (axes[i] >= 0) values[sources[p++]] = {{inputs[i]}, {axes[i]}};
  }
  for (size_t i = 0; i < walk.size(); ++i) {
    if (depends[i] && values[i].out.empty()) values[i] = batch_op(walk[i], values, batch);
  }
  Arrays result;
  auto at = positions(walk, outputs);
  for (size_t i = 0; i < outputs.size(); ++i) {
    bool mapped = at[i] >= 0 && !values[at[i]].out.empty();
    Batched b = mapped ? values[at[i]] : Batched{{outputs[i]}, {-1}};
    result.push_back(place_axis(b, batch, out_axes.empty() ? 0 : out_axes[i]));
  }
  return result;
}

Arrays run_vmap(const ArrayFn& fn, const std::vector<int>& in_axes,
                const std::vector<int>& out_axes, const Arrays& inputs) {
  if (Recording* recording = Recording::running()) {
    auto step = [in_axes, out_axes](const std::vector<ArrayFn>& fns, const Arrays& in) {
      return run_vmap(fns[0], in_axes, out_axes, in);
    };
    return recording->follow({fn}, inputs, step);
  }
  profile::Scope transforming(profile::Phase::transforming);
  std::vector<int> axes;
  int64_t batch = batch_size(inputs, in_axes, axes);
  Tracing tracing;
  Arrays arguments = elements(inputs, axes);
  return batched(inputs, arguments, fn(arguments), axes, batch, out_axes);
}

}  // namespace

ArrayFn vmap(ArrayFn fn, std::vector<int> in_axes, std::vector<int> out_axes) {
  return [fn = std::move(fn), in_axes = std::move(in_axes),
          out_axes = std::move(out_axes)](const Arrays& inputs) {
    bool all = in_axes.empty() && !inputs.empty();
    return run_vmap(fn, all ? std::vector<int>(inputs.size(), 0) : in_axes, out_axes, inputs);
  };
}

namespace detail {

std::pair<Arrays, Arrays> vmap_trace(const ArrayFn& fn, const Arrays& inputs,
                                     const std::vector<int>& in_axes) {
  std::vector<int> axes;
  batch_size(inputs, in_axes, axes);
  Tracing tracing;
  Arrays arguments = elements(inputs, axes);
  Arrays outputs = fn(arguments);
  return {std::move(arguments), std::move(outputs)};
}

Arrays vmap_replace(const Arrays& inputs, const Arrays& traced_inputs, const Arrays& traced_outputs,
                    const std::vector<int>& in_axes, const std::vector<int>& out_axes) {
  std::vector<int> axes;
  int64_t batch = batch_size(inputs, in_axes, axes);
  if (traced_inputs.size() != inputs.size()) {
    fail("[vmap_replace] expected one traced input per input (", inputs.size(), "); got ",
         traced_inputs.size());
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    Shape shape = inputs[i].shape();
    if (axes[i] >= 0) shape.erase(shape.begin() + axes[i]);
    if (traced_inputs[i].shape() != shape || traced_inputs[i].dtype() != inputs[i].dtype()) {
      fail("[vmap_replace] expected a traced input of shape ", shape, " and dtype ",
           inputs[i].dtype(), "; got ", traced_inputs[i].shape(), " and ",
           traced_inputs[i].dtype());
    }
  }
  if (out_axes.size() != traced_outputs.size()) {
    fail("[vmap_replace] expected one out_axis per output (", traced_outputs.size(), "); got ",
         out_axes.size());
  }
  Tracing tracing;
  return batched(inputs, traced_inputs, traced_outputs, axes, batch, out_axes);
}

}  // namespace detail

}  // namespace olivine
