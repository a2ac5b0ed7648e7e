// gather_mm: many products of matrices that indices select.
//
// One trilinear pattern serves the product and all its derivatives: with indices i, j and k,
//   out[k[p]] += a[i[p]] @ b[j[p]]   for every product p.
// The cotangent of a is the same with (ct, b^T, a's place) for (a, b, out), and so on. Batching
// shifts the indices of every batch element to its own matrices.
#include <limits>

#include "core/checks.h"
#include "core/error.h"
#include "core/op.h"
#include "core/size.h"
#include "olivine/ops/creation.h"
#include "olivine/ops/elementwise.h"
#include "olivine/ops/matmul.h"
#include "ops/batching.h"
#include "ops/matmul_indices.h"
#include "ops/matmul_params.h"
#include "ops/multilinear.h"

namespace olivine {
namespace {

std::vector<OutSpec> infer_gather_mm(const ParamsRef& params, std::span<const array> in) {
  const int64_t count = params.as<GatherMatmulParams>().count;
  Shape shape{count < 0 ? in[2].size() : count, in[0].shape(1), in[1].shape(2)};
  return {{shape, in[0].dtype()}};
}

array gather_product(const Op& op, const array& a, const array& b, Arrays indices, int64_t count) {
  indices.insert(indices.begin(), {a, b});
  return emit(op, make_params(GatherMatmulParams{count}), indices)[0];
}

// Where product p is found in the output.
array places(const Op&, const ParamsRef& params, std::span<const array> in) {
  return params.as<GatherMatmulParams>().count < 0 ? arange(0, in[2].size(), 1, int64) : in[4];
}

MaybeArrays vjp_gather_mm(const VjpCall& c) {
  MaybeArrays g(c.in.size());
  const array &a = c.in[0], &b = c.in[1], &ct = c.ct[0];
  array out = places(c.op, c.params, c.in);
  if (c.wanted[0]) {
    g[0] = gather_product(c.op, ct, swapaxes(b, 1, 2), {out, c.in[3], c.in[2]}, a.shape(0));
  }
  if (c.wanted[1]) {
    g[1] = gather_product(c.op, swapaxes(a, 1, 2), ct, {c.in[2], out, c.in[3]}, b.shape(0));
  }
  return g;
}

VmapResult vmap_gather_mm(const VmapCall& c) {
  const int64_t count = c.params.as<GatherMatmulParams>().count;
  auto [a, i] = batched_operand(c, 0, 2);
  auto [b, j] = batched_operand(c, 1, 3);
  Arrays indices{i, j};
  if (count >= 0) indices.push_back(batched_index(c, 4, count));
  array out = gather_product(c.op, a, b, indices, count < 0 ? -1 : checked_mul(count, c.batch));
  return {{unflatten(out, 0, {c.batch, out.shape(0) / c.batch})}, {0}};
}

void check_gather_mm(const CheckCall& c) {
  const int64_t count = c.params.as<GatherMatmulParams>().count;
  expect_inputs(c, count < 0 ? 4 : 5);
  for (size_t i : {0, 1}) expect_ndim(c, i, 3, 3);
  expect_one_dtype(c, 0, 2);
  require(c, is_floating(c.in[0].dtype()), "floating point operands");
  require(c, c.in[0].shape(2) == c.in[1].shape(1), "operands of one inner size");
  for (size_t i = 2; i < c.in.size(); ++i) {
    expect_dtype(c, i, int64);
    expect_ndim(c, i, 1, 1);
    expect_shape(c, i, c.in[2].shape());
  }
}

const Op gather_mm_op{.name = "gather_mm",
                      .infer = infer_gather_mm,
                      .vjp = vjp_gather_mm,
                      .jvp = jvp_multilinear,
                      .vmap = vmap_gather_mm,
                      .params = &params_type<GatherMatmulParams>,
                      .check = check_gather_mm};

}  // namespace

array matrices(const array& a, StreamOrDevice s) {
  if (a.ndim() == 2) return expand_dims(a, 0, s);
  return a.ndim() == 3 ? a : flatten(a, 0, -3, s);
}

Arrays gather_indices(const array& a, const array& b, const std::optional<array>& lhs,
                      const std::optional<array>& rhs, const char* op, StreamOrDevice s) {
  auto prepare = [&](const std::optional<array>& given, const array& x) {
    if (given && !is_integer(given->dtype())) {
      fail("[", op, "] expected indices of an integer dtype; got ", given->dtype());
    }
    if (given) return astype(*given, int64, s);
    Shape lead(x.shape().begin(), x.shape().end() - 2);
    return reshape(arange(0, element_count(lead), 1, int64, s), lead, s);
  };
  return broadcast_arrays({prepare(lhs, a), prepare(rhs, b)}, s);
}

array gather_sum(const array& a, const array& b, const array& i, const array& j, const array& k,
                 int64_t count) {
  return gather_product(gather_mm_op, a, b, {i, j, k}, count);
}

std::pair<array, array> batched_operand(const VmapCall& c, size_t operand, size_t index) {
  if (c.axes[operand] < 0) return {c.in[operand], batched_index(c, index, 0)};
  array x = moveaxis(c.in[operand], c.axes[operand], 0);
  const int64_t size = x.shape(1);
  return {flatten(x, 0, 1), batched_index(c, index, size)};
}

array batched_index(const VmapCall& c, size_t index, int64_t size) {
  array i = batch_first(c, index);
  if (size > 0) {
    // Negative indices count from the end of their own element's matrices; those out of range must
    // not reach another element's.
    const array zero(int64_t{0}), count(size), never(std::numeric_limits<int64_t>::max());
    i = where(less(i, zero), add(i, count), i);
    array valid = logical_and(greater_equal(i, zero), less(i, count));
    array first = expand_dims(multiply(arange(0, c.batch, 1, int64), count), 1);
    i = where(valid, add(i, first), never);
  }
  return flatten(i);
}

array gather_mm(const array& x, const array& y, const std::optional<array>& lhs_indices,
                const std::optional<array>& rhs_indices, bool, StreamOrDevice s) {
  if (!lhs_indices && !rhs_indices) return matmul(x, y, s);
  if (x.ndim() == 0 || y.ndim() == 0) {
    fail("[gather_mm] expected operands of at least one axis; got shapes ", x.shape(), " and ",
         y.shape());
  }
  Dtype dtype = promote_types(x.dtype(), y.dtype());
  if (!is_inexact(dtype) || is_complexfloating(dtype)) {
    fail("[gather_mm] expected floating point operands; got ", x.dtype(), " and ", y.dtype());
  }
  array a = astype(x, dtype, s), b = astype(y, dtype, s);
  if (a.ndim() == 1) a = expand_dims(a, 0, s);
  if (b.ndim() == 1) b = expand_dims(b, 1, s);
  if (a.shape(-1) != b.shape(-2)) {
    fail("[gather_mm] expected the last axis of a to equal the second last of b; got shapes ",
         x.shape(), " and ", y.shape());
  }
  Arrays indices = gather_indices(a, b, lhs_indices, rhs_indices, "gather_mm", s);
  Shape shape = indices[0].shape();
  if (x.ndim() > 1) shape.push_back(a.shape(-2));
  if (y.ndim() > 1) shape.push_back(b.shape(-1));
  Arrays in{matrices(a, s), matrices(b, s), flatten(indices[0], s), flatten(indices[1], s)};
  auto params = make_params(GatherMatmulParams{-1});
  Shape products = infer_gather_mm(params, in)[0].shape;
  return reshape(make_node(gather_mm_op, params, in, products, dtype, s), shape, s);
}

}  // namespace olivine
