// Reductions: sums, products, extremes and moments along axes. `keepdims` leaves axes of size 1.
#pragma once

#include <concepts>
#include <optional>
#include <tuple>

#include "olivine/array.h"
#include "olivine/axes.h"
#include "olivine/device.h"

namespace olivine {

// Sum; bool and small integers are summed in 32 bits.
OLIVINE_API array sum(const array& a, const Axes& axes = {}, bool keepdims = false,
                      StreamOrDevice s = {});
// Product; bool and small integers are multiplied in 32 bits.
OLIVINE_API array prod(const array& a, const Axes& axes = {}, bool keepdims = false,
                       StreamOrDevice s = {});
// Largest element; NaN if one is NaN.
OLIVINE_API array max(const array& a, const Axes& axes = {}, bool keepdims = false,
                      StreamOrDevice s = {});
// Smallest element; NaN if one is NaN.
OLIVINE_API array min(const array& a, const Axes& axes = {}, bool keepdims = false,
                      StreamOrDevice s = {});
// Smallest and largest element.
OLIVINE_API std::tuple<array, array> minmax(const array& a, const Axes& axes = {},
                                            bool keepdims = false, StreamOrDevice s = {});
// Whether all elements are nonzero.
OLIVINE_API array all(const array& a, const Axes& axes = {}, bool keepdims = false,
                      StreamOrDevice s = {});
// Whether any element is nonzero.
OLIVINE_API array any(const array& a, const Axes& axes = {}, bool keepdims = false,
                      StreamOrDevice s = {});
// How many elements are nonzero.
OLIVINE_API array count_nonzero(const array& a, const Axes& axes = {}, bool keepdims = false,
                                StreamOrDevice s = {});
// Arithmetic mean.
OLIVINE_API array mean(const array& a, const Axes& axes = {}, bool keepdims = false,
                       StreamOrDevice s = {});
// Middle element, or the mean of the two middle ones.
OLIVINE_API array median(const array& a, const Axes& axes = {}, bool keepdims = false,
                         StreamOrDevice s = {});
// Mean squared distance from the mean, divided by n - ddof (or n - correction) instead of n.
OLIVINE_API array var(const array& a, const Axes& axes, bool keepdims, int ddof,
                      std::optional<int> correction, StreamOrDevice s = {});
OLIVINE_API array var(const array& a, const Axes& axes = {}, bool keepdims = false, int ddof = 0,
                      StreamOrDevice s = {});
// Square root of var.
OLIVINE_API array std(const array& a, const Axes& axes, bool keepdims, int ddof,
                      std::optional<int> correction, StreamOrDevice s = {});
OLIVINE_API array std(const array& a, const Axes& axes = {}, bool keepdims = false, int ddof = 0,
                      StreamOrDevice s = {});
// Index of the first largest (smallest) element along an axis, or in the flattened array.
OLIVINE_API array argmax(const array& a, std::optional<int> axis = std::nullopt,
                         bool keepdims = false, StreamOrDevice s = {});
OLIVINE_API array argmin(const array& a, std::optional<int> axis = std::nullopt,
                         bool keepdims = false, StreamOrDevice s = {});
// log(sum(exp(a))), without overflow.
OLIVINE_API array logsumexp(const array& a, const Axes& axes = {}, bool keepdims = false,
                            StreamOrDevice s = {});
// exp(a) / sum(exp(a)), without overflow. Sums are always kept in float32 or wider; `precise`
// is accepted for MLX's sake.
OLIVINE_API array softmax(const array& a, const Axes& axes = {}, bool precise = false,
                          StreamOrDevice s = {});

// The forms f(a, keepdims, …) and f(a, stream). As templates they take no int for a bool.
#define OLIVINE_OVER_ALL_AXES(f)                                                                  \
  template <std::same_as<bool> B, class... Rest>                                                  \
  auto f(const array& a, B keepdims, Rest... rest) {                                              \
    return f(a, Axes(), keepdims, rest...);                                                       \
  }                                                                                               \
  template <class S>                                                                              \
  requires(std::same_as<S, Stream> || std::same_as<S, Device> || std::same_as<S, Device::Type> || \
           std::same_as<S, StreamOrDevice>) auto                                                  \
  f(const array& a, S s) {                                                                        \
    return f(a, Axes(), false, s);                                                                \
  }
OLIVINE_OVER_ALL_AXES(sum)
OLIVINE_OVER_ALL_AXES(prod)
OLIVINE_OVER_ALL_AXES(max)
OLIVINE_OVER_ALL_AXES(min)
OLIVINE_OVER_ALL_AXES(minmax)
OLIVINE_OVER_ALL_AXES(all)
OLIVINE_OVER_ALL_AXES(any)
OLIVINE_OVER_ALL_AXES(count_nonzero)
OLIVINE_OVER_ALL_AXES(mean)
OLIVINE_OVER_ALL_AXES(median)
OLIVINE_OVER_ALL_AXES(logsumexp)
OLIVINE_OVER_ALL_AXES(softmax)
#undef OLIVINE_OVER_ALL_AXES

template <std::same_as<bool> B, class... Rest>
array var(const array& a, B keepdims, Rest... rest) {
  return var(a, Axes(), keepdims, rest...);
}
template <std::same_as<bool> B, class... Rest>
array std(const array& a, B keepdims, Rest... rest) {
  return olivine::std(a, Axes(), keepdims, rest...);
}
inline array var(const array& a, StreamOrDevice s) { return var(a, Axes(), false, 0, s); }
inline array std(const array& a, StreamOrDevice s) { return olivine::std(a, Axes(), false, 0, s); }
inline array argmax(const array& a, StreamOrDevice s) {
  return argmax(a, ::std::nullopt, false, s);
}
inline array argmin(const array& a, StreamOrDevice s) {
  return argmin(a, ::std::nullopt, false, s);
}
template <std::same_as<bool> B>
array argmax(const array& a, B keepdims, StreamOrDevice s = {}) {
  return argmax(a, ::std::nullopt, keepdims, s);
}
template <std::same_as<bool> B>
array argmin(const array& a, B keepdims, StreamOrDevice s = {}) {
  return argmin(a, ::std::nullopt, keepdims, s);
}

}  // namespace olivine
