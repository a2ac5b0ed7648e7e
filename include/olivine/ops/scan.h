// Scans: running sums, products and extremes along an axis (without one: of the flattened array).
// `reverse` runs from the end; without `inclusive` an element's own value does not count yet.
#pragma once

#include <concepts>
#include <optional>

#include "olivine/array.h"
#include "olivine/device.h"

namespace olivine {

// Running sum, in `dtype` if given; bool counts in int32.
OLIVINE_API array cumsum(const array& a, std::optional<int> axis = std::nullopt,
                         bool reverse = false, bool inclusive = true,
                         std::optional<Dtype> dtype = std::nullopt, StreamOrDevice s = {});
// Running product, in `dtype` if given.
OLIVINE_API array cumprod(const array& a, std::optional<int> axis = std::nullopt,
                          bool reverse = false, bool inclusive = true,
                          std::optional<Dtype> dtype = std::nullopt, StreamOrDevice s = {});
// Running maximum and minimum; NaN stays.
OLIVINE_API array cummax(const array& a, std::optional<int> axis = std::nullopt,
                         bool reverse = false, bool inclusive = true, StreamOrDevice s = {});
OLIVINE_API array cummin(const array& a, std::optional<int> axis = std::nullopt,
                         bool reverse = false, bool inclusive = true, StreamOrDevice s = {});
// Running log(sum(exp(a))), without overflow.
OLIVINE_API array logcumsumexp(const array& a, std::optional<int> axis = std::nullopt,
                               bool reverse = false, bool inclusive = true, StreamOrDevice s = {});
// y[i] = a[i] * y[i - 1] + b[i] along an axis, from y = 0: what derivatives of scans are made of.
OLIVINE_API array linear_recurrence(const array& a, const array& b, int axis, bool reverse = false,
                                    StreamOrDevice s = {});

// Differences of neighbours along an axis, taken `n` times; of bools, whether they differ.
OLIVINE_API array diff(const array& a, int n = 1, int axis = -1, StreamOrDevice s = {});

// The forms f(a, reverse, …) over the flattened array. As templates they take no int for a bool.
#define OLIVINE_OVER_FLATTENED(f)                    \
  template <std::same_as<bool> B, class... Rest>     \
  array f(const array& a, B reverse, Rest... rest) { \
    return f(a, std::nullopt, reverse, rest...);     \
  }
OLIVINE_OVER_FLATTENED(cumsum)
OLIVINE_OVER_FLATTENED(cumprod)
OLIVINE_OVER_FLATTENED(cummax)
OLIVINE_OVER_FLATTENED(cummin)
OLIVINE_OVER_FLATTENED(logcumsumexp)
#undef OLIVINE_OVER_FLATTENED
inline array cumsum(const array& a, int axis, bool reverse, bool inclusive, StreamOrDevice s) {
  return cumsum(a, axis, reverse, inclusive, std::nullopt, s);
}
inline array cumprod(const array& a, int axis, bool reverse, bool inclusive, StreamOrDevice s) {
  return cumprod(a, axis, reverse, inclusive, std::nullopt, s);
}
inline array cumsum(const array& a, bool reverse, bool inclusive, StreamOrDevice s) {
  return cumsum(a, std::nullopt, reverse, inclusive, std::nullopt, s);
}
inline array cumprod(const array& a, bool reverse, bool inclusive, StreamOrDevice s) {
  return cumprod(a, std::nullopt, reverse, inclusive, std::nullopt, s);
}

}  // namespace olivine
