// segmented_mm: products of ranges of the inner axis.
//
// The product out[s] = a[:, range s] @ b[range s] and its adjoint in a,
//   adjoint(ct, b)[:, range s] += ct[s] @ b[range s]^T,
// are each other's transposes in every operand, so that two ops make derivatives of any order.
#include "core/checks.h"
#include "core/error.h"
#include "core/op.h"
#include "olivine/ops/elementwise.h"
#include "olivine/ops/matmul.h"
#include "olivine/ops/shape.h"
#include "ops/multilinear.h"

namespace olivine {
namespace {

extern const Op segmented_mm_op, segmented_mm_adjoint_op;

// Of (S, M, N) products for ranges (S, 2).
array product(const array& a, const array& b, const array& segments) {
  return emit(segmented_mm_op, {}, Arrays{a, b, segments})[0];
}
array adjoint(const array& ct, const array& b, const array& segments) {
  return emit(segmented_mm_adjoint_op, {}, Arrays{ct, b, segments})[0];
}
array transposed(const array& a) { return swapaxes(a, -1, -2); }

std::vector<OutSpec> infer_product(const ParamsRef&, std::span<const array> in) {
  return {{{in[2].shape(0), in[0].shape(0), in[1].shape(1)}, in[0].dtype()}};
}
MaybeArrays vjp_product(const VjpCall& c) {
  MaybeArrays g(3);
  const array &a = c.in[0], &b = c.in[1], &ct = c.ct[0];
  if (c.wanted[0]) g[0] = adjoint(ct, b, c.in[2]);
  if (c.wanted[1]) g[1] = transposed(adjoint(transposed(ct), transposed(a), c.in[2]));
  return g;
}

std::vector<OutSpec> infer_adjoint(const ParamsRef&, std::span<const array> in) {
  return {{{in[0].shape(1), in[1].shape(0)}, in[0].dtype()}};
}
MaybeArrays vjp_adjoint(const VjpCall& c) {
  MaybeArrays g(3);
  const array &ct = c.in[0], &b = c.in[1], &u = c.ct[0];
  if (c.wanted[0]) g[0] = product(u, b, c.in[2]);
  if (c.wanted[1]) g[1] = transposed(adjoint(transposed(ct), transposed(u), c.in[2]));
  return g;
}

template <bool kAdjoint>
void check_segmented(const CheckCall& c) {
  expect_inputs(c, 3);
  expect_ndim(c, 0, kAdjoint ? 3 : 2, kAdjoint ? 3 : 2);
  expect_ndim(c, 1, 2, 2);
  expect_one_dtype(c, 0, 2);
  require(c, is_floating(c.in[0].dtype()), "floating point operands");
  require(c, c.in[0].shape(-1) == c.in[1].shape(kAdjoint ? 1 : 0), "operands of one inner size");
  expect_dtype(c, 2, int64);
  expect_ndim(c, 2, 2, 2);
  require(c, c.in[2].shape(1) == 2, "segments of two bounds");
  require(c, !kAdjoint || c.in[0].shape(0) == c.in[2].shape(0), "one product per segment");
}

const Op segmented_mm_op{.name = "segmented_mm",
                         .infer = infer_product,
                         .vjp = vjp_product,
                         .jvp = jvp_multilinear,
                         .vmap = vmap_per_element,
                         .check = check_segmented<false>,
                         .any_size = true};
const Op segmented_mm_adjoint_op{.name = "segmented_mm_adjoint",
                                 .infer = infer_adjoint,
                                 .vjp = vjp_adjoint,
                                 .jvp = jvp_multilinear,
                                 .vmap = vmap_per_element,
                                 .check = check_segmented<true>,
                                 .any_size = true};

}  // namespace

array segmented_mm(const array& x, const array& y, const array& segments, StreamOrDevice s) {
  Dtype dtype = promote_types(x.dtype(), y.dtype());
  if (!is_inexact(dtype) || is_complexfloating(dtype)) {
    fail("[segmented_mm] expected floating point operands; got ", x.dtype(), " and ", y.dtype());
  }
  if (x.ndim() != 2 || y.ndim() != 2 || x.shape(1) != y.shape(0)) {
    fail("[segmented_mm] expected two matrices that share their inner size; got shapes ", x.shape(),
         " and ", y.shape());
  }
  if (!is_integer(segments.dtype())) {
    fail("[segmented_mm] expected segments of an integer dtype; got ", segments.dtype());
  }
  if (segments.ndim() == 0 || segments.shape(-1) != 2) {
    fail("[segmented_mm] expected segments of shape (..., 2); got ", segments.shape());
  }
  Shape shape(segments.shape().begin(), segments.shape().end() - 1);
  shape.push_back(x.shape(0));
  shape.push_back(y.shape(1));
  Arrays in{astype(x, dtype, s), astype(y, dtype, s),
            astype(segments.ndim() == 1 ? expand_dims(segments, 0, s) : flatten(segments, 0, -2, s),
                   int64, s)};
  Shape products = infer_product({}, in)[0].shape;
  return reshape(make_node(segmented_mm_op, {}, in, products, dtype, s), shape, s);
}

}  // namespace olivine
