// Selecting by conditions, in row-major order, and repeating by counts.
//
// Without `size` the number of hits is computed first and is the size of the result. With it the
// result has that size whatever the values are, as traced functions need: hits beyond it are
// dropped, and `fill_value` (0 by default) stands in the place of missing ones.
#pragma once

#include <optional>
#include <vector>

#include "olivine/array.h"
#include "olivine/device.h"

namespace olivine {

// Where the elements are not zero: one array of positions per axis, int32 (int64 for an axis of
// 2^31 or more).
OLIVINE_API std::vector<array> nonzero(const array& a, std::optional<int64_t> size = std::nullopt,
                                       int64_t fill_value = 0, StreamOrDevice s = {});
// The same positions in the flattened array.
OLIVINE_API array flatnonzero(const array& a, std::optional<int64_t> size = std::nullopt,
                              int64_t fill_value = 0, StreamOrDevice s = {});
// The same positions as rows of one array.
OLIVINE_API array argwhere(const array& a, std::optional<int64_t> size = std::nullopt,
                           int64_t fill_value = 0, StreamOrDevice s = {});
// What a[condition] is in Python: the parts of `a` where the condition, of the shape of its leading
// axes, is not zero.
OLIVINE_API array extract(const array& condition, const array& a,
                          std::optional<int64_t> size = std::nullopt,
                          const std::optional<array>& fill_value = std::nullopt,
                          StreamOrDevice s = {});
// The slices across an axis (without one: elements of the flattened array) whose condition is not
// zero. Slices beyond the conditions are left out.
OLIVINE_API array compress(const array& condition, const array& a,
                           std::optional<int> axis = std::nullopt,
                           std::optional<int64_t> size = std::nullopt,
                           const std::optional<array>& fill_value = std::nullopt,
                           StreamOrDevice s = {});
// Each element as often as its own number says, or all as often as one. Without
// `total_repeat_length` the numbers are computed first; with it they are cut off there, or the last
// element goes on.
OLIVINE_API array repeat(const array& a, const array& repeats,
                         std::optional<int> axis = std::nullopt,
                         std::optional<int64_t> total_repeat_length = std::nullopt,
                         StreamOrDevice s = {});

}  // namespace olivine
