// Products of two sparse matrices, and the structures that they and transposes have.
//
// Structures are integers and have no derivatives.
#include <array>

#include "core/error.h"
#include "core/size.h"
#include "olivine/ops/elementwise.h"
#include "olivine/ops/indexing.h"
#include "olivine/ops/sparse.h"
#include "ops/multilinear.h"
#include "ops/sparse_params.h"

namespace olivine {
namespace {

extern const Op csr_csr_matmul_op;

// Of structures.
MaybeArrays no_cotangents(const VjpCall& c) { return MaybeArrays(c.in.size()); }
MaybeArrays no_tangents(const JvpCall& c) { return MaybeArrays(c.out.size()); }

// ---- Transposes

std::vector<OutSpec> infer_transpose(const ParamsRef& p, std::span<const array> in) {
  const Shape nonzeros{in[0].shape(0)};
  const int64_t starts = checked_add(p.as<SparseColumnsParams>().columns, 1);
  return {{nonzeros, int32}, {nonzeros, int32}, {{starts}, int64}};
}

void check_columns(const CheckCall& c, int64_t columns) {
  require(c, columns >= 0 && columns <= INT32_MAX, "a number of columns below 2^31");
}

const Op csr_transpose_op{.name = "csr_transpose",
                          .infer = infer_transpose,
                          .vjp = no_cotangents,
                          .jvp = no_tangents,
                          .vmap = vmap_per_element,
                          .params = &params_type<SparseColumnsParams>,
                          .check = [](const CheckCall& c) {
                            expect_inputs(c, 2);
                            expect_sparse(c, 0);
                            check_columns(c, c.params.as<SparseColumnsParams>().columns);
                            require(c, c.in[0].size() <= INT32_MAX, "fewer than 2^31 nonzeros");
                          }};

// ---- Structures of products

// indptr of the product, exact; and the indices, in order, padded with zeros to `nnz`.
std::vector<OutSpec> infer_count(const ParamsRef&, std::span<const array> in) {
  return {{{in[1].shape(0)}, int64}};
}
std::vector<OutSpec> infer_pattern(const ParamsRef& p, std::span<const array>) {
  return {{{p.as<SparsePatternParams>().nnz}, int32}};
}

void check_operands(const CheckCall& c) {
  expect_sparse(c, 0);
  expect_sparse(c, 2);
}

const Op csr_pattern_count_op{.name = "csr_pattern_count",
                              .infer = infer_count,
                              .vjp = no_cotangents,
                              .jvp = no_tangents,
                              .vmap = vmap_per_element,
                              .params = &params_type<SparseColumnsParams>,
                              .check = [](const CheckCall& c) {
                                expect_inputs(c, 4);
                                check_operands(c);
                                check_columns(c, c.params.as<SparseColumnsParams>().columns);
                              }};
const Op csr_pattern_op{.name = "csr_pattern",
                        .infer = infer_pattern,
                        .vjp = no_cotangents,
                        .jvp = no_tangents,
                        .vmap = vmap_per_element,
                        .params = &params_type<SparsePatternParams>,
                        .check = [](const CheckCall& c) {
                          expect_inputs(c, 5);
                          check_operands(c);
                          expect_dtype(c, 4, int64);
                          expect_shape(c, 4, c.in[1].shape());
                          const auto& p = c.params.as<SparsePatternParams>();
                          check_columns(c, p.columns);
                          require(c, p.nnz >= 0, "a count of at least 0");
                        }};

// ---- Elements of products
//
// Sums over all nonzeros a(i, k), b(k, j) and c(i, j) of three matrices of a b c are linear in
// each. The op is what such sums multiply in one of them, given the other two: in c, the product a
// @ b. Inputs: the values of those two in order; indices and indptr of a, of b and of c.

std::vector<OutSpec> infer_product(const ParamsRef& p, std::span<const array> in) {
  const size_t wanted = static_cast<size_t>(p.as<SparseTripleParams>().wanted);
  return {{{in[2 + 2 * wanted].shape(0)}, in[0].dtype()}};
}

// The op for operand `wanted`, of the values that the others have.
array product(int wanted, std::array<const array*, 3> values, const ParamsRef& params,
              std::span<const array> structures) {
  Arrays in;
  for (int k = 0; k < 3; ++k) {
    if (k != wanted) in.push_back(*values[static_cast<size_t>(k)]);
  }
  in.insert(in.end(), structures.begin(), structures.end());
  const int64_t columns = params.as<SparseTripleParams>().columns;
  return emit(csr_csr_matmul_op, make_params(SparseTripleParams{columns, wanted}), in)[0];
}

MaybeArrays vjp_product(const VjpCall& c) {
  MaybeArrays g(8);
  const int out = c.params.as<SparseTripleParams>().wanted;
  const int first = out == 0 ? 1 : 0, second = out == 2 ? 1 : 2;
  for (int k : {0, 1}) {
    if (!c.wanted[static_cast<size_t>(k)]) continue;
    const array& value = c.in[static_cast<size_t>(1 - k)];
    const array other = is_complexfloating(value.dtype()) ? conjugate(value) : value;
    std::array<const array*, 3> values{};
    values[static_cast<size_t>(out)] = &c.ct[0];
    values[static_cast<size_t>(k == 0 ? second : first)] = &other;
    g[static_cast<size_t>(k)] = product(k == 0 ? first : second, values, c.params, c.in.subspan(2));
  }
  return g;
}

void check_product(const CheckCall& c) {
  expect_inputs(c, 8);
  const auto& p = c.params.as<SparseTripleParams>();
  require(c, p.wanted >= 0 && p.wanted < 3, "one of three operands");
  check_columns(c, p.columns);
  size_t value = 0;
  for (size_t k = 0; k < 3; ++k) {
    expect_sparse(c, 2 + 2 * k);
    if (static_cast<int>(k) != p.wanted) expect_shape(c, value++, c.in[2 + 2 * k].shape());
  }
  expect_one_dtype(c, 0, 2);
  require(c, is_inexact(c.in[0].dtype()), "floating point or complex operands");
  require(c, c.in[7].shape(0) == c.in[3].shape(0), "as many rows in the result as in a");
  require(c, c.in[5].shape(0) <= INT32_MAX, "fewer than 2^31 rows of b");
}

const Op csr_csr_matmul_op{.name = "csr_csr_matmul",
                           .infer = infer_product,
                           .vjp = vjp_product,
                           .jvp = jvp_multilinear,
                           .vmap = vmap_per_element,
                           .params = &params_type<SparseTripleParams>,
                           .check = check_product};

void require_columns(int columns, const char* op) {
  if (columns < 0) fail("[", op, "] expected a number of columns; got ", columns);
}

}  // namespace

std::vector<array> csr_transpose(const array& indices, const array& indptr, int columns,
                                 StreamOrDevice s) {
  const char* op = "csr_transpose";
  require_columns(columns, op);
  Arrays in{sparse_indices(indices, op, s), sparse_indptr(indptr, op, s)};
  if (indices.size() > INT32_MAX) {
    fail("[", op, "] expected fewer than 2^31 nonzeros; got ", indices.size());
  }
  ParamsRef params = make_params(SparseColumnsParams{columns});
  return make_nodes(csr_transpose_op, params, in, infer_transpose(params, in), s);
}

std::pair<array, array> csr_pattern(const array& indices_a, const array& indptr_a,
                                    const array& indices_b, const array& indptr_b, int columns,
                                    std::optional<int> nnz, StreamOrDevice s) {
  const char* op = "csr_pattern";
  require_columns(columns, op);
  if (nnz && *nnz < 0) fail("[", op, "] expected a count of at least 0; got ", *nnz);
  Arrays in{sparse_indices(indices_a, op, s), sparse_indptr(indptr_a, op, s),
            sparse_indices(indices_b, op, s), sparse_indptr(indptr_b, op, s)};
  array indptr = make_node(csr_pattern_count_op, make_params(SparseColumnsParams{columns}), in,
                           {indptr_a.shape(0)}, int64, s);
  in.push_back(indptr);
  const int64_t count = nnz ? *nnz : take(indptr, array(-1), 0, s).item<int64_t>();
  array indices = make_node(csr_pattern_op, make_params(SparsePatternParams{columns, count}), in,
                            {count}, int32, s);
  return {indices, indptr};
}

array csr_csr_matmul(const array& data_a, const array& indices_a, const array& indptr_a,
                     const array& data_b, const array& indices_b, const array& indptr_b,
                     const array& indices, const array& indptr, int columns, StreamOrDevice s) {
  const char* op = "csr_csr_matmul";
  require_columns(columns, op);
  Dtype dtype = promote_types(data_a.dtype(), data_b.dtype());
  if (!is_inexact(dtype)) {
    fail("[", op, "] expected floating point or complex operands; got ", data_a.dtype(), " and ",
         data_b.dtype());
  }
  if (data_a.shape() != indices_a.shape() || data_b.shape() != indices_b.shape()) {
    fail("[", op, "] expected one index per element of data; got shapes ", indices_a.shape(),
         " for ", data_a.shape(), " and ", indices_b.shape(), " for ", data_b.shape());
  }
  Arrays in{astype(data_a, dtype, s),         astype(data_b, dtype, s),
            sparse_indices(indices_a, op, s), sparse_indptr(indptr_a, op, s),
            sparse_indices(indices_b, op, s), sparse_indptr(indptr_b, op, s),
            sparse_indices(indices, op, s),   sparse_indptr(indptr, op, s)};
  if (indptr.shape(0) != indptr_a.shape(0)) {
    fail("[", op, "] expected as many rows in the result as in a; got ", indptr.shape(0) - 1,
         " and ", indptr_a.shape(0) - 1);
  }
  return make_node(csr_csr_matmul_op, make_params(SparseTripleParams{columns, 2}), in,
                   indices.shape(), dtype, s);
}

}  // namespace olivine
