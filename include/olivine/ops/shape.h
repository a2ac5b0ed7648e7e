// Shape ops: views of the same elements under another shape, and joining and repeating arrays.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "olivine/array.h"
#include "olivine/device.h"

namespace olivine {

// The same elements in row-major order under another shape; one dimension may be -1.
OLIVINE_API array reshape(const array& a, Shape shape, StreamOrDevice s = {});
// Splits one axis into several; one of them may be -1.
OLIVINE_API array unflatten(const array& a, int axis, Shape shape, StreamOrDevice s = {});
// Merges the axes start_axis … end_axis (inclusive) into one.
OLIVINE_API array flatten(const array& a, int start_axis, int end_axis = -1, StreamOrDevice s = {});
OLIVINE_API array flatten(const array& a, StreamOrDevice s = {});
// Removes axes of size 1 (all of them without `axes`).
OLIVINE_API array squeeze(const array& a, const std::vector<int>& axes, StreamOrDevice s = {});
OLIVINE_API array squeeze(const array& a, int axis, StreamOrDevice s = {});
OLIVINE_API array squeeze(const array& a, StreamOrDevice s = {});
// Inserts axes of size 1 at these positions of the result.
OLIVINE_API array expand_dims(const array& a, const std::vector<int>& axes, StreamOrDevice s = {});
OLIVINE_API array expand_dims(const array& a, int axis, StreamOrDevice s = {});

// Permutes the axes (reverses them without `axes`).
OLIVINE_API array transpose(const array& a, const std::vector<int>& axes, StreamOrDevice s = {});
inline array transpose(const array& a, std::initializer_list<int> axes, StreamOrDevice s = {}) {
  return transpose(a, std::vector<int>(axes), s);
}
OLIVINE_API array transpose(const array& a, StreamOrDevice s = {});
// Swaps the last two axes.
OLIVINE_API array matrix_transpose(const array& a, StreamOrDevice s = {});
// Swaps two axes.
OLIVINE_API array swapaxes(const array& a, int axis1, int axis2, StreamOrDevice s = {});
// Moves one axis, keeping the order of the others.
OLIVINE_API array moveaxis(const array& a, int source, int destination, StreamOrDevice s = {});

// Repeats axes of size 1, and new leading axes, to reach `shape`; no copy.
OLIVINE_API array broadcast_to(const array& a, const Shape& shape, StreamOrDevice s = {});
// Broadcasts all of them to their common shape.
OLIVINE_API std::vector<array> broadcast_arrays(const std::vector<array>& arrays,
                                                StreamOrDevice s = {});
// The common shape of a broadcast.
OLIVINE_API Shape broadcast_shapes(const Shape& a, const Shape& b);
// Any strides (in elements) over the row-major elements of `a`, checked against its size.
OLIVINE_API array as_strided(const array& a, Shape shape, Strides strides, int64_t offset,
                             StreamOrDevice s = {});
// Absent: the shape of `a`, row-major strides.
OLIVINE_API array as_strided(const array& a, const std::optional<Shape>& shape,
                             const std::optional<Strides>& strides, int64_t offset,
                             StreamOrDevice s = {});
// The bytes read as another dtype; the last axis grows or shrinks with the item size.
OLIVINE_API array view(const array& a, Dtype dtype, StreamOrDevice s = {});

// Joins along an existing axis (without `axis`: flattened).
OLIVINE_API array concatenate(const std::vector<array>& arrays, int axis, StreamOrDevice s = {});
OLIVINE_API array concatenate(const std::vector<array>& arrays, StreamOrDevice s = {});
// Joins along a new axis.
OLIVINE_API array stack(const std::vector<array>& arrays, int axis, StreamOrDevice s = {});
OLIVINE_API array stack(const std::vector<array>& arrays, StreamOrDevice s = {});
// The slices across one axis, that axis dropped.
OLIVINE_API std::vector<array> unstack(const array& a, int axis = 0, StreamOrDevice s = {});
inline std::vector<array> unstack(const array& a, StreamOrDevice s) { return unstack(a, 0, s); }
// Equal parts, or parts that begin at the given indices.
OLIVINE_API std::vector<array> split(const array& a, int parts, int axis, StreamOrDevice s = {});
OLIVINE_API std::vector<array> split(const array& a, int parts, StreamOrDevice s = {});
OLIVINE_API std::vector<array> split(const array& a, const Shape& indices, int axis,
                                     StreamOrDevice s = {});
OLIVINE_API std::vector<array> split(const array& a, const Shape& indices, StreamOrDevice s = {});
// Adds elements at both ends of axes. mode: "constant", "edge", "reflect" or "symmetric".
OLIVINE_API array pad(const array& a, const std::vector<int>& axes, const Shape& low,
                      const Shape& high, const array& value = array(0),
                      const std::string& mode = "constant", StreamOrDevice s = {});
OLIVINE_API array pad(const array& a, const std::vector<std::pair<int, int>>& width,
                      const array& value = array(0), const std::string& mode = "constant",
                      StreamOrDevice s = {});
OLIVINE_API array pad(const array& a, const std::pair<int, int>& width,
                      const array& value = array(0), const std::string& mode = "constant",
                      StreamOrDevice s = {});
OLIVINE_API array pad(const array& a, int width, const array& value = array(0),
                      const std::string& mode = "constant", StreamOrDevice s = {});
// Repeats the whole array along each axis.
OLIVINE_API array tile(const array& a, std::vector<int> reps, StreamOrDevice s = {});
// Repeats every element along an axis (without `axis`: of the flattened array).
OLIVINE_API array repeat(const array& a, int repeats, int axis, StreamOrDevice s = {});
OLIVINE_API array repeat(const array& a, int repeats, StreamOrDevice s = {});
// Shifts elements along axes; those pushed out come back at the other end.
OLIVINE_API array roll(const array& a, const Shape& shift, const std::vector<int>& axes,
                       StreamOrDevice s = {});
OLIVINE_API array roll(const array& a, const Shape& shift, int axis, StreamOrDevice s = {});
OLIVINE_API array roll(const array& a, const Shape& shift, StreamOrDevice s = {});
OLIVINE_API array roll(const array& a, int shift, const std::vector<int>& axes,
                       StreamOrDevice s = {});
OLIVINE_API array roll(const array& a, int shift, int axis, StreamOrDevice s = {});
OLIVINE_API array roll(const array& a, int shift, StreamOrDevice s = {});
// Reverses the order along axes (all of them without `axes`).
OLIVINE_API array flip(const array& a, const std::vector<int>& axes, StreamOrDevice s = {});
OLIVINE_API array flip(const array& a, int axis, StreamOrDevice s = {});
OLIVINE_API array flip(const array& a, StreamOrDevice s = {});

// The same values in row-major memory (or column-major, if allowed and already so).
OLIVINE_API array contiguous(const array& a, bool allow_col_major = false, StreamOrDevice s = {});
// The same values under a new handle.
OLIVINE_API array copy(const array& a, StreamOrDevice s = {});
// The same values; gradients do not pass.
OLIVINE_API array stop_gradient(const array& a, StreamOrDevice s = {});
// `inputs`, computed only after all of `dependencies`.
OLIVINE_API std::vector<array> depends(const std::vector<array>& inputs,
                                       const std::vector<array>& dependencies);

// At least one, two or three axes.
OLIVINE_API array atleast_1d(const array& a, StreamOrDevice s = {});
OLIVINE_API array atleast_2d(const array& a, StreamOrDevice s = {});
OLIVINE_API array atleast_3d(const array& a, StreamOrDevice s = {});
OLIVINE_API std::vector<array> atleast_1d(const std::vector<array>& a, StreamOrDevice s = {});
OLIVINE_API std::vector<array> atleast_2d(const std::vector<array>& a, StreamOrDevice s = {});
OLIVINE_API std::vector<array> atleast_3d(const std::vector<array>& a, StreamOrDevice s = {});

// The diagonals of the planes of two axes, as a new last axis.
OLIVINE_API array diagonal(const array& a, int offset = 0, int axis1 = 0, int axis2 = 1,
                           StreamOrDevice s = {});
// A matrix with `a` on its k-th diagonal, or the k-th diagonal of the matrix `a`.
OLIVINE_API array diag(const array& a, int k = 0, StreamOrDevice s = {});
// Sum of the diagonals.
OLIVINE_API array trace(const array& a, int offset, int axis1, int axis2, Dtype dtype,
                        StreamOrDevice s = {});
OLIVINE_API array trace(const array& a, int offset, int axis1, int axis2, StreamOrDevice s = {});
OLIVINE_API array trace(const array& a, StreamOrDevice s = {});
// The number of elements along the axes, or its inverse.
OLIVINE_API array number_of_elements(const array& a, std::vector<int> axes, bool inverted,
                                     Dtype dtype = int32, StreamOrDevice s = {});
// Coordinate grids of 1-D arrays. indexing: "xy" (the first two axes swapped) or "ij".
OLIVINE_API std::vector<array> meshgrid(const std::vector<array>& arrays, bool sparse = false,
                                        const std::string& indexing = "xy", StreamOrDevice s = {});

}  // namespace olivine
