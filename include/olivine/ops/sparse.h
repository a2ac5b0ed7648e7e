// Sparse matrices by rows (CSR, or BSR in blocks), given as arrays: products and structures.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "olivine/array.h"
#include "olivine/device.h"

namespace olivine {

// The sparse matrix (data, indices, indptr) times a dense vector or matrix; data is (nnz,), or
// (nnz, R, C) in blocks.
OLIVINE_API array csr_matmul(const array& data, const array& indices, const array& indptr,
                             const array& dense, StreamOrDevice s = {});
// The transposed sparse matrix, which has `columns` columns untransposed, times a dense one.
OLIVINE_API array csr_matmul_transposed(const array& data, const array& indices,
                                        const array& indptr, const array& dense, int columns,
                                        StreamOrDevice s = {});
// The elements of a @ b.T at the nonzeros (or blocks) of a sparse matrix.
OLIVINE_API array sampled_matmul(const array& a, const array& b, const array& indices,
                                 const array& indptr, int block_rows = 1, int block_columns = 1,
                                 StreamOrDevice s = {});
// The structure of the transpose: where its nonzeros are in the data, their columns, its indptr.
OLIVINE_API std::vector<array> csr_transpose(const array& indices, const array& indptr, int columns,
                                             StreamOrDevice s = {});
// The indices and indptr of a product of two sparse matrices; evaluates the operands unless `nnz`
// bounds the count.
OLIVINE_API std::pair<array, array> csr_pattern(const array& indices_a, const array& indptr_a,
                                                const array& indices_b, const array& indptr_b,
                                                int columns, std::optional<int> nnz = std::nullopt,
                                                StreamOrDevice s = {});
// The elements of a product of two sparse matrices at the nonzeros of a third.
OLIVINE_API array csr_csr_matmul(const array& data_a, const array& indices_a, const array& indptr_a,
                                 const array& data_b, const array& indices_b, const array& indptr_b,
                                 const array& indices, const array& indptr, int columns,
                                 StreamOrDevice s = {});

}  // namespace olivine
