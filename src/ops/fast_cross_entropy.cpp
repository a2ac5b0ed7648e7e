// Cross entropy of logits and class indices, with a gradient that makes no one-hot array.
#include "core/checks.h"
#include "core/error.h"
#include "core/op.h"
#include "olivine/fast.h"
#include "olivine/ops/elementwise.h"
#include "olivine/ops/indexing.h"
#include "olivine/ops/reduction.h"
#include "olivine/ops/shape.h"

namespace olivine {
namespace {

Dtype wide(Dtype t) { return t == float64 ? float64 : float32; }

Arrays cross_entropy_composite(const ParamsRef&, std::span<const array> in) {
  array x = astype(in[0], wide(in[0].dtype())), at = expand_dims(in[1], -1);
  return {subtract(logsumexp(x, -1), squeeze(take_along_axis(x, at, -1), -1))};
}

std::vector<OutSpec> infer_cross_entropy(const ParamsRef&, std::span<const array> in) {
  return {{in[1].shape(), wide(in[0].dtype())}};
}

// ct * (softmax(logits) - onehot(targets)).
MaybeArrays vjp_cross_entropy(const VjpCall& c) {
  if (!c.wanted[0]) return MaybeArrays(2);
  array x = astype(c.in[0], wide(c.in[0].dtype()));
  array ct = expand_dims(c.ct[0], -1), at = expand_dims(c.in[1], -1);
  array g = scatter_add_axis(multiply(softmax(x, -1), ct), at, negative(ct), -1);
  return {astype(g, c.in[0].dtype()), std::nullopt};
}

// Rows are independent: the batch is one more leading axis.
VmapResult vmap_cross_entropy(const VmapCall& c) {
  Arrays in(c.in.begin(), c.in.end());
  for (size_t i = 0; i < 2; ++i) {
    if (c.axes[i] >= 0) {
      in[i] = moveaxis(in[i], c.axes[i], 0);
      continue;
    }
    Shape shape = in[i].shape();
    shape.insert(shape.begin(), c.batch);
    in[i] = broadcast_to(in[i], shape);
  }
  return {emit(c.op, c.params, in), {0}};
}

Op make_cross_entropy() {
  Op op = fused("cross_entropy", infer_cross_entropy, cross_entropy_composite);
  op.vjp = vjp_cross_entropy;
  op.vmap = vmap_cross_entropy;
  op.check = [](const CheckCall& c) {
    expect_inputs(c, 2);
    expect_ndim(c, 0, 1);
    require(c, is_floating(c.in[0].dtype()), "logits of a real floating dtype");
    require(c, c.in[0].shape(-1) > 0, "a last axis of classes");
    expect_indices(c, 1);
    Shape rows = c.in[0].shape();
    rows.pop_back();
    expect_shape(c, 1, rows);
  };
  op.any_size = true;
  return op;
}
const Op cross_entropy_op = make_cross_entropy();

}  // namespace

array fast::cross_entropy(const array& logits, const array& targets, StreamOrDevice s) {
  if (logits.ndim() == 0 || logits.shape(-1) == 0) {
    fail("[cross_entropy] expected logits with a last axis of classes; got shape ", logits.shape());
  }
  if (!is_floating(logits.dtype())) {
    fail("[cross_entropy] expected logits of a real floating dtype; got ", logits.dtype());
  }
  if (!is_integer(targets.dtype())) {
    fail("[cross_entropy] expected class indices of an integer dtype as targets; got ",
         targets.dtype());
  }
  Shape rows = logits.shape();
  rows.erase(rows.end() - 1);
  if (targets.shape() != rows) {
    fail("[cross_entropy] expected targets of shape ", rows, "; got ", targets.shape());
  }
  return make_node(cross_entropy_op, {}, {logits, targets}, rows, wide(logits.dtype()), s);
}

}  // namespace olivine
