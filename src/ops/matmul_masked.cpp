// block_masked_mm: a product whose operands and result are masked block by block.
#include "core/error.h"
#include "olivine/ops/elementwise.h"
#include "olivine/ops/indexing.h"
#include "olivine/ops/matmul.h"
#include "olivine/ops/shape.h"

namespace olivine {
namespace {

// `a` with whole blocks of its last two axes multiplied by an entry of the mask. A bool mask
// selects, so that what it leaves out may be infinite or NaN.
array masked(const array& a, const array& mask, int64_t block, const char* what, StreamOrDevice s) {
  auto blocks = [&](int64_t size) { return size / block + (size % block != 0); };
  Shape grid = a.shape();
  const size_t last = grid.size() - 1;
  grid[last - 1] = blocks(grid[last - 1]);
  grid[last] = blocks(grid[last]);
  bool fits = mask.ndim() >= 2 && mask.ndim() <= a.ndim() && mask.shape(-2) == grid[last - 1] &&
              mask.shape(-1) == grid[last];
  for (int i = 3; fits && i <= mask.ndim(); ++i) {
    fits = mask.shape(-i) == 1 || mask.shape(-i) == a.shape(-i);
  }
  if (!fits) {
    fail("[block_masked_mm] expected ", what, " of one entry per block, ", grid, "; got shape ",
         mask.shape());
  }
  // Blocks beyond the edge are cut.
  array full = repeat(repeat(mask, static_cast<int>(block), -1, s), static_cast<int>(block), -2, s);
  Shape stop = full.shape();
  stop[stop.size() - 2] = std::min(stop[stop.size() - 2], a.shape(-2));
  stop.back() = std::min(stop.back(), a.shape(-1));
  full = slice(full, Shape(stop.size(), 0), stop, s);
  if (mask.dtype() == bool_) return where(full, a, array(0.0, a.dtype()), s);
  return multiply(a, astype(full, a.dtype(), s), s);
}

}  // namespace

array block_masked_mm(const array& x, const array& y, int block_size,
                      const std::optional<array>& mask_out, const std::optional<array>& mask_lhs,
                      const std::optional<array>& mask_rhs, StreamOrDevice s) {
  Dtype dtype = promote_types(x.dtype(), y.dtype());
  if (!is_inexact(dtype) || is_complexfloating(dtype)) {
    fail("[block_masked_mm] expected floating point operands; got ", x.dtype(), " and ", y.dtype());
  }
  if (block_size <= 0) fail("[block_masked_mm] expected block_size > 0; got ", block_size);
  for (const auto& mask : {mask_out, mask_lhs, mask_rhs}) {
    if (mask && is_complexfloating(mask->dtype())) {
      fail("[block_masked_mm] expected real masks; got ", mask->dtype());
    }
  }
  if (x.ndim() == 0 || y.ndim() == 0) {
    fail("[block_masked_mm] expected operands of at least one axis; got shapes ", x.shape(),
         " and ", y.shape());
  }
  array a = astype(x.ndim() == 1 ? expand_dims(x, 0, s) : x, dtype, s);
  array b = astype(y.ndim() == 1 ? expand_dims(y, 1, s) : y, dtype, s);
  if (a.shape(-1) != b.shape(-2)) {
    fail("[block_masked_mm] expected the last axis of a to equal the second last of b; got shapes ",
         x.shape(), " and ", y.shape());
  }
  if (mask_lhs) a = masked(a, *mask_lhs, block_size, "mask_lhs", s);
  if (mask_rhs) b = masked(b, *mask_rhs, block_size, "mask_rhs", s);
  array out = matmul(a, b, s);
  if (mask_out) out = masked(out, *mask_out, block_size, "mask_out", s);
  if (y.ndim() == 1) out = squeeze(out, -1, s);
  return x.ndim() == 1 ? squeeze(out, y.ndim() == 1 ? -1 : -2, s) : out;
}

}  // namespace olivine
