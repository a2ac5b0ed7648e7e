// Matrix products.
#pragma once

#include <optional>
#include <vector>

#include "olivine/array.h"
#include "olivine/device.h"

namespace olivine {

// Matrix product with broadcasting of leading axes; 1-d operands act as row or column vectors.
OLIVINE_API array matmul(const array& a, const array& b, StreamOrDevice s = {});
// alpha * (a @ b) + beta * c.
OLIVINE_API array addmm(const array& c, const array& a, const array& b, double alpha = 1,
                        double beta = 1, StreamOrDevice s = {});
// Sum of products over the last axis of both; 0-d operands multiply.
OLIVINE_API array inner(const array& a, const array& b, StreamOrDevice s = {});
// Sum of conj(a) * b over one axis of each; the other axes broadcast.
OLIVINE_API array vecdot(const array& a, const array& b, int axis = -1, StreamOrDevice s = {});
// All products of an element of a and an element of b, shape (a.size, b.size).
OLIVINE_API array outer(const array& a, const array& b, StreamOrDevice s = {});
// Kronecker product: every element of a times all of b, shapes multiplied axis by axis.
OLIVINE_API array kron(const array& a, const array& b, StreamOrDevice s = {});
// Sum of products over the last `axis` axes of a and the first of b.
OLIVINE_API array tensordot(const array& a, const array& b, int axis = 2, StreamOrDevice s = {});
// Sum of products over the paired axes.
OLIVINE_API array tensordot(const array& a, const array& b, const std::vector<int>& axes_a,
                            const std::vector<int>& axes_b, StreamOrDevice s = {});
// One product per pair of indices into the matrices of a and of b, which are counted over all
// leading axes; without indices, all of them in order.
OLIVINE_API array gather_mm(const array& a, const array& b,
                            const std::optional<array>& lhs_indices = std::nullopt,
                            const std::optional<array>& rhs_indices = std::nullopt,
                            bool sorted_indices = false, StreamOrDevice s = {});
// (a * mask_lhs) @ (b * mask_rhs) * mask_out, each mask one entry per square block of block_size.
OLIVINE_API array block_masked_mm(const array& a, const array& b, int block_size = 64,
                                  const std::optional<array>& mask_out = std::nullopt,
                                  const std::optional<array>& mask_lhs = std::nullopt,
                                  const std::optional<array>& mask_rhs = std::nullopt,
                                  StreamOrDevice s = {});
// a[:, begin:end] @ b[begin:end] for every pair in segments (…, 2): shape (…, M, N).
OLIVINE_API array segmented_mm(const array& a, const array& b, const array& segments,
                               StreamOrDevice s = {});
// Product of the last axis, of size m 2^k with m in 1, 12, 20, 28, with a Hadamard matrix, times
// scale (1 / sqrt(size)).
OLIVINE_API array hadamard_transform(const array& a, std::optional<float> scale = std::nullopt,
                                     StreamOrDevice s = {});

}  // namespace olivine
