// Sparse matrices times dense ones: the product, its transpose, and the product sampled at
// nonzeros.
//
// A sparse matrix is the blocks `data` (nnz, R, C), the block column of each in `indices` (nnz,),
// and for each block row the number of blocks before it in `indptr`; CSR has blocks of 1 x 1. In
// nodes, everything has one batch axis more in front, of size 1 where the batch shares it. The ops
// are each other's transposes in every operand, so that three make derivatives of any order.
#include "olivine/ops/sparse.h"

#include "core/error.h"
#include "core/size.h"
#include "olivine/ops/elementwise.h"
#include "olivine/ops/shape.h"
#include "ops/broadcasting.h"
#include "ops/multilinear.h"
#include "ops/sparse_params.h"

namespace olivine {

array sparse_indices(const array& a, const char* op, StreamOrDevice s) {
  if (a.ndim() != 1 || !is_integer(a.dtype())) {
    fail("[", op, "] expected indices of one axis and an integer dtype; got ", a.dtype(),
         " of shape ", a.shape());
  }
  if (a.dtype() == int32 || a.dtype() == int64) return a;
  return astype(a, a.dtype().size() < 4 ? int32 : int64, s);
}

array sparse_indptr(const array& a, const char* op, StreamOrDevice s) {
  if (a.ndim() != 1 || a.shape(0) == 0 || !is_integer(a.dtype())) {
    fail("[", op,
         "] expected an indptr of one axis, one more than rows, and an integer dtype; got ",
         a.dtype(), " of shape ", a.shape());
  }
  return sparse_indices(a, op, s);
}

void expect_sparse(const CheckCall& c, size_t indices) {
  for (size_t i : {indices, indices + 1}) {
    expect_ndim(c, i, 1, 1);
    require(c, c.in[i].dtype() == int32 || c.in[i].dtype() == int64, "indices of int32 or int64");
  }
  require(c, c.in[indices + 1].shape(0) > 0, "an indptr of at least one element");
}

namespace {

extern const Op csr_matmul_op, csr_matmul_transposed_op, sampled_matmul_op;

array product(const array& data, const array& indices, const array& indptr, const array& dense) {
  return emit(csr_matmul_op, {}, Arrays{data, indices, indptr, dense})[0];
}
array transposed(const array& data, const array& indices, const array& indptr, const array& dense,
                 int64_t columns) {
  return emit(csr_matmul_transposed_op, make_params(SparseColumnsParams{columns}),
              Arrays{data, indices, indptr, dense})[0];
}
array sampled(const array& a, const array& b, const array& indices, const array& indptr,
              int64_t rows, int64_t columns) {
  return emit(sampled_matmul_op, make_params(SparseBlockParams{rows, columns}),
              Arrays{a, b, indices, indptr})[0];
}
array conjugated(const array& a) { return is_complexfloating(a.dtype()) ? conjugate(a) : a; }

// Of inputs whose first axis has the batch's size or 1.
int64_t batch_of(std::span<const array> in) {
  for (const array& a : in) {
    if (a.shape(0) != 1) return a.shape(0);
  }
  return 1;
}

// A trace for any sizes may bring inputs that do not fit.
void expect_fit(bool fits, const char* op, const array& a, const array& b) {
  if (!fits)
    fail("[", op, "] expected operands that fit; got shapes ", a.shape(), " and ", b.shape());
}

std::vector<OutSpec> infer_product(const ParamsRef&, std::span<const array> in) {
  const array &data = in[0], &indices = in[1], &dense = in[3];
  expect_fit(data.shape(1) == indices.shape(1), "csr_matmul", data, indices);
  expect_fit(dense.shape(1) % data.shape(3) == 0, "csr_matmul", data, dense);
  const int64_t rows = checked_mul(in[2].shape(1) - 1, data.shape(2));
  return {{{batch_of(in), rows, dense.shape(2)}, data.dtype()}};
}
std::vector<OutSpec> infer_transposed(const ParamsRef& p, std::span<const array> in) {
  return {{{batch_of(in), p.as<SparseColumnsParams>().columns, in[3].shape(2)}, in[0].dtype()}};
}
std::vector<OutSpec> infer_sampled(const ParamsRef& p, std::span<const array> in) {
  const auto& block = p.as<SparseBlockParams>();
  const array &a = in[0], &b = in[1], &indptr = in[3];
  expect_fit(a.shape(2) == b.shape(2), "sampled_matmul", a, b);
  expect_fit(a.shape(1) == (indptr.shape(1) - 1) * block.rows, "sampled_matmul", a, indptr);
  expect_fit(b.shape(1) % block.columns == 0, "sampled_matmul", a, b);
  return {{{batch_of(in), in[2].shape(1), block.rows, block.columns}, a.dtype()}};
}

MaybeArrays vjp_product(const VjpCall& c) {
  MaybeArrays g(4);
  const array &data = c.in[0], &dense = c.in[3], &ct = c.ct[0];
  if (c.wanted[0]) {
    g[0] = sum_to(sampled(ct, conjugated(dense), c.in[1], c.in[2], data.shape(2), data.shape(3)),
                  data.shape());
  }
  if (c.wanted[3]) {
    g[3] =
        sum_to(transposed(conjugated(data), c.in[1], c.in[2], ct, dense.shape(1)), dense.shape());
  }
  return g;
}
MaybeArrays vjp_transposed(const VjpCall& c) {
  MaybeArrays g(4);
  const array &data = c.in[0], &dense = c.in[3], &ct = c.ct[0];
  if (c.wanted[0]) {
    g[0] = sum_to(sampled(conjugated(dense), ct, c.in[1], c.in[2], data.shape(2), data.shape(3)),
                  data.shape());
  }
  if (c.wanted[3]) {
    g[3] = sum_to(product(conjugated(data), c.in[1], c.in[2], ct), dense.shape());
  }
  return g;
}
MaybeArrays vjp_sampled(const VjpCall& c) {
  MaybeArrays g(4);
  const array &a = c.in[0], &b = c.in[1], &ct = c.ct[0];
  if (c.wanted[0]) g[0] = sum_to(product(ct, c.in[2], c.in[3], conjugated(b)), a.shape());
  if (c.wanted[1]) {
    g[1] = sum_to(transposed(ct, c.in[2], c.in[3], conjugated(a), b.shape(1)), b.shape());
  }
  return g;
}

// Many dense matrices for one sparse one: their columns side by side.
VmapResult columns_side_by_side(const VmapCall& c) {
  array dense = squeeze(moveaxis(c.in[3], c.axes[3], 2), 0);
  const Shape shape = dense.shape();  // rows, batch, columns
  Arrays in(c.in.begin(), c.in.end());
  in[3] = expand_dims(reshape(dense, {shape[0], shape[1] * shape[2]}), 0);
  array out = emit(c.op, c.params, in)[0];
  return {{reshape(out, {1, out.shape(1), shape[1], shape[2]})}, {2}};
}

// The new batch axis merges with the old one; what the whole batch shares stays of size 1.
VmapResult vmap_sparse(const VmapCall& c) {
  Arrays moved;
  for (size_t i = 0; i < c.in.size(); ++i) {
    moved.push_back(c.axes[i] < 0 ? expand_dims(c.in[i], 0) : moveaxis(c.in[i], c.axes[i], 0));
  }
  int64_t old = 1;
  for (const array& a : moved) old = a.shape(1) != 1 ? a.shape(1) : old;
  if (&c.op != &sampled_matmul_op && old == 1 && c.axes[3] >= 0 && c.axes[0] < 0 && c.axes[1] < 0 &&
      c.axes[2] < 0) {
    return columns_side_by_side(c);
  }
  for (size_t i = 0; i < c.in.size(); ++i) {
    Shape shape = moved[i].shape();
    if (c.axes[i] >= 0 || shape[1] != 1) {
      shape[0] = c.batch;
      shape[1] = old;
      moved[i] = broadcast_to(moved[i], shape);
    }
    moved[i] = flatten(moved[i], 0, 1);
  }
  array out = emit(c.op, c.params, moved)[0];
  Shape shape = out.shape();
  shape[0] = old;
  shape.insert(shape.begin(), c.batch);
  return {{reshape(out, shape)}, {0}};
}

// Batch sizes agree, and the structure at `indices` fits `nnz` blocks.
void check_batched(const CheckCall& c, size_t indices) {
  const int64_t batch = batch_of(c.in);
  for (size_t i = 0; i < c.in.size(); ++i) {
    expect_ndim(c, i, 2);
    require(c, c.in[i].shape(0) == 1 || c.in[i].shape(0) == batch, "operands of one batch size");
  }
  for (size_t i : {indices, indices + 1}) {
    expect_ndim(c, i, 2, 2);
    require(c, c.in[i].dtype() == int32 || c.in[i].dtype() == int64, "indices of int32 or int64");
  }
  require(c, c.in[indices + 1].shape(1) > 0, "an indptr of at least one element");
}

template <bool kTransposed>
void check_product(const CheckCall& c) {
  expect_inputs(c, 4);
  check_batched(c, 1);
  expect_ndim(c, 0, 4, 4);
  expect_ndim(c, 3, 3, 3);
  expect_dtype(c, 3, c.in[0].dtype());
  const array &data = c.in[0], &dense = c.in[3];
  require(c, is_inexact(data.dtype()), "floating point or complex operands");
  require(c, data.shape(2) > 0 && data.shape(3) > 0, "blocks that are not empty");
  require(c, data.shape(1) == c.in[1].shape(1), "one index per block");
  int64_t columns = dense.shape(1);
  if (kTransposed) {
    columns = c.params.as<SparseColumnsParams>().columns;
    require(c, dense.shape(1) == checked_mul(c.in[2].shape(1) - 1, data.shape(2)),
            "as many rows as the sparse matrix has");
  }
  require(c, columns >= 0 && columns <= INT32_MAX && columns % data.shape(3) == 0,
          "a number of columns in whole blocks and below 2^31");
}

void check_sampled(const CheckCall& c) {
  expect_inputs(c, 4);
  check_batched(c, 2);
  expect_ndim(c, 0, 3, 3);
  expect_ndim(c, 1, 3, 3);
  expect_one_dtype(c, 0, 2);
  const array &a = c.in[0], &b = c.in[1];
  const auto& block = c.params.as<SparseBlockParams>();
  require(c, is_inexact(a.dtype()), "floating point or complex operands");
  require(c, a.shape(2) == b.shape(2), "operands of one inner size");
  require(c, block.rows > 0 && block.columns > 0, "blocks that are not empty");
  require(c, a.shape(1) == checked_mul(c.in[3].shape(1) - 1, block.rows),
          "as many rows as the sparse matrix has");
  require(c, b.shape(1) <= INT32_MAX && b.shape(1) % block.columns == 0,
          "a number of columns in whole blocks and below 2^31");
}

const Op csr_matmul_op{.name = "csr_matmul",
                       .infer = infer_product,
                       .vjp = vjp_product,
                       .jvp = jvp_multilinear,
                       .vmap = vmap_sparse,
                       .check = check_product<false>,
                       .any_size = true};
const Op csr_matmul_transposed_op{.name = "csr_matmul_transposed",
                                  .infer = infer_transposed,
                                  .vjp = vjp_transposed,
                                  .jvp = jvp_multilinear,
                                  .vmap = vmap_sparse,
                                  .params = &params_type<SparseColumnsParams>,
                                  .check = check_product<true>};
const Op sampled_matmul_op{.name = "sampled_matmul",
                           .infer = infer_sampled,
                           .vjp = vjp_sampled,
                           .jvp = jvp_multilinear,
                           .vmap = vmap_sparse,
                           .params = &params_type<SparseBlockParams>,
                           .check = check_sampled,
                           .any_size = true};

Dtype product_dtype(const array& a, const array& b, const char* op) {
  Dtype t = promote_types(a.dtype(), b.dtype());
  if (!is_inexact(t)) {
    fail("[", op, "] expected floating point or complex operands; got ", a.dtype(), " and ",
         b.dtype());
  }
  return t;
}

// What both products take, as their nodes do: data, indices, indptr, dense.
Arrays operands(const array& data, const array& indices, const array& indptr, const array& dense,
                const char* op, StreamOrDevice s) {
  Dtype dtype = product_dtype(data, dense, op);
  if (data.ndim() != 1 && data.ndim() != 3) {
    fail("[", op, "] expected data of shape (nnz,) or (nnz, R, C); got ", data.shape());
  }
  if (data.ndim() == 3 && (data.shape(1) == 0 || data.shape(2) == 0)) {
    fail("[", op, "] expected blocks that are not empty; got data of shape ", data.shape());
  }
  if (dense.ndim() != 1 && dense.ndim() != 2) {
    fail("[", op, "] expected a dense vector or matrix; got shape ", dense.shape());
  }
  if (indices.shape() != Shape{data.shape(0)}) {
    fail("[", op, "] expected one index per element or block of data; got shapes ", indices.shape(),
         " and ", data.shape());
  }
  array blocks = astype(data, dtype, s), matrix = astype(dense, dtype, s);
  return {data.ndim() == 1 ? expand_dims(blocks, {0, 2, 3}, s) : expand_dims(blocks, 0, s),
          expand_dims(sparse_indices(indices, op, s), 0, s),
          expand_dims(sparse_indptr(indptr, op, s), 0, s),
          dense.ndim() == 1 ? expand_dims(matrix, {0, 2}, s) : expand_dims(matrix, 0, s)};
}

void check_columns(int64_t columns, int64_t block, const char* op) {
  if (columns < 0 || columns > INT32_MAX || columns % block) {
    fail("[", op, "] expected a number of columns in whole blocks of ", block,
         " and below 2^31; got ", columns);
  }
}

array without_batch(const array& a, const array& dense, StreamOrDevice s) {
  return dense.ndim() == 1 ? squeeze(a, {0, 2}, s) : squeeze(a, 0, s);
}

}  // namespace

array csr_matmul(const array& data, const array& indices, const array& indptr, const array& dense,
                 StreamOrDevice s) {
  Arrays in = operands(data, indices, indptr, dense, "csr_matmul", s);
  check_columns(dense.shape(0), in[0].shape(3), "csr_matmul");
  OutSpec out = infer_product({}, in)[0];
  return without_batch(make_node(csr_matmul_op, {}, in, out.shape, out.dtype, s), dense, s);
}

array csr_matmul_transposed(const array& data, const array& indices, const array& indptr,
                            const array& dense, int columns, StreamOrDevice s) {
  const char* op = "csr_matmul_transposed";
  Arrays in = operands(data, indices, indptr, dense, op, s);
  check_columns(columns, in[0].shape(3), op);
  const int64_t rows = (indptr.shape(0) - 1) * in[0].shape(2);
  if (dense.shape(0) != rows) {
    fail("[", op, "] expected a dense operand of ", rows, " rows; got shape ", dense.shape());
  }
  ParamsRef params = make_params(SparseColumnsParams{columns});
  OutSpec out = infer_transposed(params, in)[0];
  return without_batch(make_node(csr_matmul_transposed_op, params, in, out.shape, out.dtype, s),
                       dense, s);
}

array sampled_matmul(const array& a, const array& b, const array& indices, const array& indptr,
                     int block_rows, int block_columns, StreamOrDevice s) {
  const char* op = "sampled_matmul";
  Dtype dtype = product_dtype(a, b, op);
  if (a.ndim() < 1 || a.ndim() > 2 || b.ndim() != a.ndim() ||
      (a.ndim() == 2 && a.shape(1) != b.shape(1))) {
    fail("[", op, "] expected two vectors, or two matrices of one number of columns; got shapes ",
         a.shape(), " and ", b.shape());
  }
  if (block_rows < 1 || block_columns < 1) {
    fail("[", op, "] expected blocks of at least 1 x 1; got ", block_rows, " x ", block_columns);
  }
  array starts = sparse_indptr(indptr, op, s);
  check_columns(b.shape(0), block_columns, op);
  if (a.shape(0) != checked_mul(indptr.shape(0) - 1, block_rows)) {
    fail("[", op, "] expected a of ", (indptr.shape(0) - 1) * block_rows, " rows; got shape ",
         a.shape());
  }
  auto matrix = [&](const array& x) {
    array y = astype(x, dtype, s);
    return x.ndim() == 1 ? expand_dims(y, {0, 2}, s) : expand_dims(y, 0, s);
  };
  Arrays in{matrix(a), matrix(b), expand_dims(sparse_indices(indices, op, s), 0, s),
            expand_dims(starts, 0, s)};
  ParamsRef params = make_params(SparseBlockParams{block_rows, block_columns});
  OutSpec out = infer_sampled(params, in)[0];
  array blocks = squeeze(make_node(sampled_matmul_op, params, in, out.shape, out.dtype, s), 0, s);
  return block_rows == 1 && block_columns == 1 ? squeeze(blocks, {1, 2}, s) : blocks;
}

}  // namespace olivine
