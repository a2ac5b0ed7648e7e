// Parameters of the sparse products, and what their definitions share.
#pragma once

#include <cstdint>
#include <tuple>

#include "core/checks.h"
#include "core/op.h"

namespace olivine {

// Columns of the sparse matrix (of single elements, not blocks).
struct SparseColumnsParams {
  int64_t columns;
  auto fields() const { return std::tie(columns); }
};

struct SparseBlockParams {
  int64_t rows, columns;
  auto fields() const { return std::tie(rows, columns); }
};

// Of a sum over three matrices: the columns of b and c, and the operand (of 0 to 2) to multiply.
struct SparseTripleParams {
  int64_t columns;
  int wanted;
  auto fields() const { return std::tie(columns, wanted); }
};

struct SparsePatternParams {
  int64_t columns, nnz;
  auto fields() const { return std::tie(columns, nnz); }
};

// Row or column numbers as kernels take them, int32 or int64; an error of `op` unless integers of
// one axis.
array sparse_indices(const array& a, const char* op, StreamOrDevice s);
// Starts of rows likewise, at least one.
array sparse_indptr(const array& a, const char* op, StreamOrDevice s);
// Inputs `indices` and the next are as the two functions above give them.
void expect_sparse(const CheckCall& c, size_t indices);

}  // namespace olivine
