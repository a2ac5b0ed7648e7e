// Indexing ops: slices, gathers and scatters. Indices are checked when they are computed.
#pragma once

#include <utility>
#include <vector>

#include "olivine/array.h"
#include "olivine/device.h"

namespace olivine {

// Elements start, start + stride, … before stop, per axis; negative values as in Python, and with a
// negative stride a stop of -size - 1 includes element 0. No copy.
OLIVINE_API array slice(const array& a, Shape start, Shape stop, Shape strides,
                        StreamOrDevice s = {});
OLIVINE_API array slice(const array& a, Shape start, Shape stop, StreamOrDevice s = {});
inline array slice(const array& a, std::initializer_list<int64_t> start, Shape stop, Shape strides,
                   StreamOrDevice s = {}) {
  return slice(a, Shape(start), std::move(stop), std::move(strides), s);
}
inline array slice(const array& a, std::initializer_list<int> start, Shape stop, Shape strides,
                   StreamOrDevice s = {}) {
  return slice(a, Shape(start.begin(), start.end()), std::move(stop), std::move(strides), s);
}
// A block of `slice_size` whose position along `axes` is the value of `start`.
OLIVINE_API array slice(const array& a, const array& start, std::vector<int> axes, Shape slice_size,
                        StreamOrDevice s = {});
// `src` with a slice replaced by `update`, or combined with it.
OLIVINE_API array slice_update(const array& src, const array& update, Shape start, Shape stop,
                               Shape strides, StreamOrDevice s = {});
OLIVINE_API array slice_update(const array& src, const array& update, Shape start, Shape stop,
                               StreamOrDevice s = {});
OLIVINE_API array slice_update(const array& src, const array& update, const array& start,
                               std::vector<int> axes, StreamOrDevice s = {});
inline array slice_update(const array& src, const array& update,
                          std::initializer_list<int64_t> start, Shape stop, StreamOrDevice s = {}) {
  return slice_update(src, update, Shape(start), std::move(stop), s);
}
OLIVINE_API array slice_update_add(const array& src, const array& update, Shape start, Shape stop,
                                   Shape strides, StreamOrDevice s = {});
OLIVINE_API array slice_update_add(const array& src, const array& update, Shape start, Shape stop,
                                   StreamOrDevice s = {});
OLIVINE_API array slice_update_prod(const array& src, const array& update, Shape start, Shape stop,
                                    Shape strides, StreamOrDevice s = {});
OLIVINE_API array slice_update_prod(const array& src, const array& update, Shape start, Shape stop,
                                    StreamOrDevice s = {});
OLIVINE_API array slice_update_max(const array& src, const array& update, Shape start, Shape stop,
                                   Shape strides, StreamOrDevice s = {});
OLIVINE_API array slice_update_max(const array& src, const array& update, Shape start, Shape stop,
                                   StreamOrDevice s = {});
OLIVINE_API array slice_update_min(const array& src, const array& update, Shape start, Shape stop,
                                   Shape strides, StreamOrDevice s = {});
OLIVINE_API array slice_update_min(const array& src, const array& update, Shape start, Shape stop,
                                   StreamOrDevice s = {});

// Blocks of `slice_sizes` at the positions that `indices` give along `axes`. The result's axes are
// those of the broadcast indices, then those of a block.
OLIVINE_API array gather(const array& a, const std::vector<array>& indices,
                         const std::vector<int>& axes, const Shape& slice_sizes,
                         StreamOrDevice s = {});
inline array gather(const array& a, const array& indices, int axis, const Shape& slice_sizes,
                    StreamOrDevice s = {}) {
  return gather(a, std::vector<array>{indices}, std::vector<int>{axis}, slice_sizes, s);
}
// Elements of the flattened array, or slices across one axis.
OLIVINE_API array take(const array& a, const array& indices, int axis, StreamOrDevice s = {});
OLIVINE_API array take(const array& a, int index, int axis, StreamOrDevice s = {});
OLIVINE_API array take(const array& a, const array& indices, StreamOrDevice s = {});
OLIVINE_API array take(const array& a, int index, StreamOrDevice s = {});
// One element per index, each from the index's own position along the other axes (without `axis`:
// of the flattened arrays).
OLIVINE_API array take_along_axis(const array& a, const array& indices, int axis,
                                  StreamOrDevice s = {});
OLIVINE_API array take_along_axis(const array& a, const array& indices, StreamOrDevice s = {});
// `a` with the elements where `mask` (broadcast to its shape) is true replaced by those of `src`,
// one after the other.
OLIVINE_API array masked_scatter(const array& a, const array& mask, const array& src,
                                 StreamOrDevice s = {});
// `a` with the elements that take_along_axis would read replaced, or added to.
OLIVINE_API array put_along_axis(const array& a, const array& indices, const array& values,
                                 int axis, StreamOrDevice s = {});
OLIVINE_API array put_along_axis(const array& a, const array& indices, const array& values,
                                 StreamOrDevice s = {});
OLIVINE_API array scatter_add_axis(const array& a, const array& indices, const array& values,
                                   int axis, StreamOrDevice s = {});

// `a` with blocks of `updates` written at (or combined with) the positions that `indices` give
// along `axes`; of several updates to one element they apply in order. The updates' axes are those
// of the broadcast indices, then one per axis of `a`.
OLIVINE_API array scatter(const array& a, const std::vector<array>& indices, const array& updates,
                          const std::vector<int>& axes, StreamOrDevice s = {});
OLIVINE_API array scatter_add(const array& a, const std::vector<array>& indices,
                              const array& updates, const std::vector<int>& axes,
                              StreamOrDevice s = {});
OLIVINE_API array scatter_prod(const array& a, const std::vector<array>& indices,
                               const array& updates, const std::vector<int>& axes,
                               StreamOrDevice s = {});
OLIVINE_API array scatter_max(const array& a, const std::vector<array>& indices,
                              const array& updates, const std::vector<int>& axes,
                              StreamOrDevice s = {});
OLIVINE_API array scatter_min(const array& a, const std::vector<array>& indices,
                              const array& updates, const std::vector<int>& axes,
                              StreamOrDevice s = {});
inline array scatter(const array& a, const array& indices, const array& updates, int axis,
                     StreamOrDevice s = {}) {
  return scatter(a, std::vector<array>{indices}, updates, std::vector<int>{axis}, s);
}
inline array scatter_add(const array& a, const array& indices, const array& updates, int axis,
                         StreamOrDevice s = {}) {
  return scatter_add(a, std::vector<array>{indices}, updates, std::vector<int>{axis}, s);
}
inline array scatter_prod(const array& a, const array& indices, const array& updates, int axis,
                          StreamOrDevice s = {}) {
  return scatter_prod(a, std::vector<array>{indices}, updates, std::vector<int>{axis}, s);
}
inline array scatter_max(const array& a, const array& indices, const array& updates, int axis,
                         StreamOrDevice s = {}) {
  return scatter_max(a, std::vector<array>{indices}, updates, std::vector<int>{axis}, s);
}
inline array scatter_min(const array& a, const array& indices, const array& updates, int axis,
                         StreamOrDevice s = {}) {
  return scatter_min(a, std::vector<array>{indices}, updates, std::vector<int>{axis}, s);
}

}  // namespace olivine
