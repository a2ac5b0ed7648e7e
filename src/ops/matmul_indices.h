// Indices of the products that gather their matrices, shared by dense and quantized ones.
#pragma once

#include <optional>
#include <utility>

#include "core/op.h"
#include "olivine/ops/shape.h"

namespace olivine {

// All matrices of `a` along one axis: shape (count, rows, columns).
array matrices(const array& a, StreamOrDevice s);
// The indices of both operands in int64, of one shape. Absent ones count all matrices of a or b.
Arrays gather_indices(const array& a, const array& b, const std::optional<array>& lhs,
                      const std::optional<array>& rhs, const char* op, StreamOrDevice s);
// out[k[p]] += a[i[p]] @ b[j[p]] over all p, for `count` matrices of the output.
array gather_sum(const array& a, const array& b, const array& i, const array& j, const array& k,
                 int64_t count);

// For vmap, with flat indices: the matrices of all batch elements in one row and the indices into
// them. An operand without a batch axis is shared.
std::pair<array, array> batched_operand(const VmapCall& c, size_t operand, size_t index);
// The flat indices of all batch elements, each shifted past the `size` matrices of those before it.
array batched_index(const VmapCall& c, size_t index, int64_t size);

}  // namespace olivine
