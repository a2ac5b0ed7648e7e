// Matrix products.
#pragma once

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

}  // namespace olivine
