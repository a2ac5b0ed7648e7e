// Sorting and searching along an axis (without one: the flattened array). NaN counts as largest.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "olivine/array.h"
#include "olivine/device.h"

namespace olivine {

// The elements in rising order.
OLIVINE_API array sort(const array& a, std::optional<int> axis = std::nullopt,
                       StreamOrDevice s = {});
// The indices that sort; equal elements keep their order.
OLIVINE_API array argsort(const array& a, std::optional<int> axis = std::nullopt,
                          StreamOrDevice s = {});
// The elements so that the kth is where sorting would put it, none before it larger, none after
// it smaller.
OLIVINE_API array partition(const array& a, int kth, std::optional<int> axis = std::nullopt,
                            StreamOrDevice s = {});
// The indices that partition.
OLIVINE_API array argpartition(const array& a, int kth, std::optional<int> axis = std::nullopt,
                               StreamOrDevice s = {});
// The k largest elements, in no particular order.
OLIVINE_API array topk(const array& a, int k, std::optional<int> axis = std::nullopt,
                       StreamOrDevice s = {});
// Where to insert `values` into a rising 1-D array: before ("left") or after ("right") equal ones.
OLIVINE_API array searchsorted(const array& sorted_sequence, const array& values,
                               const std::string& side = "left", StreamOrDevice s = {});

// The distinct elements in rising order, all of them or the first `size`, missing ones replaced by
// `fill_value` (the smallest element without it); then, if asked for, the index where each first
// occurs, where each element went (clipped to size - 1), and how often each occurs (0 for missing
// ones). Without a size the elements are computed first.
OLIVINE_API std::vector<array> unique(const array& a, std::optional<int64_t> size = std::nullopt,
                                      bool return_index = false, bool return_inverse = false,
                                      bool return_counts = false,
                                      const std::optional<array>& fill_value = std::nullopt,
                                      StreamOrDevice s = {});
// The same by the names of the array API standard, all positions int32: values, indices, inverse
// and counts; values and counts; values and inverse; values.
OLIVINE_API std::vector<array> unique_all(const array& x,
                                          std::optional<int64_t> size = std::nullopt,
                                          const std::optional<array>& fill_value = std::nullopt,
                                          StreamOrDevice s = {});
OLIVINE_API std::vector<array> unique_counts(const array& x,
                                             std::optional<int64_t> size = std::nullopt,
                                             const std::optional<array>& fill_value = std::nullopt,
                                             StreamOrDevice s = {});
OLIVINE_API std::vector<array> unique_inverse(const array& x,
                                              std::optional<int64_t> size = std::nullopt,
                                              const std::optional<array>& fill_value = std::nullopt,
                                              StreamOrDevice s = {});
OLIVINE_API array unique_values(const array& x, std::optional<int64_t> size = std::nullopt,
                                const std::optional<array>& fill_value = std::nullopt,
                                StreamOrDevice s = {});

// Over the flattened array, on a stream.
inline array sort(const array& a, StreamOrDevice s) { return sort(a, std::nullopt, s); }
inline array argsort(const array& a, StreamOrDevice s) { return argsort(a, std::nullopt, s); }
inline array partition(const array& a, int kth, StreamOrDevice s) {
  return partition(a, kth, std::nullopt, s);
}
inline array argpartition(const array& a, int kth, StreamOrDevice s) {
  return argpartition(a, kth, std::nullopt, s);
}
inline array topk(const array& a, int k, StreamOrDevice s) { return topk(a, k, std::nullopt, s); }

}  // namespace olivine
