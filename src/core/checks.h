// What checks of op records are made of (core/op.h `check`). Each throws one error that names the
// op.
#pragma once

#include <initializer_list>

#include "core/error.h"
#include "core/op.h"

namespace olivine {

template <class... Args>
[[noreturn]] void reject(const CheckCall& c, const Args&... args) {
  fail("[", c.op.name, "] ", args...);
}
inline void require(const CheckCall& c, bool holds, const char* what) {
  if (!holds) reject(c, "expected ", what, "; got something else");
}

// From `least` to `most` inputs (default: exactly `least`).
inline void expect_inputs(const CheckCall& c, size_t least, size_t most = 0) {
  if (c.in.size() < least || c.in.size() > (most ? most : least)) {
    reject(c, "expected ", least, " inputs; got ", c.in.size());
  }
}
inline void expect_axis(const CheckCall& c, int axis, int ndim) {
  if (axis < 0 || axis >= ndim) reject(c, "expected an axis in [0, ", ndim, "); got ", axis);
}
// Distinct axes in range, increasing if `sorted`.
template <class Axes>
void expect_axes(const CheckCall& c, const Axes& axes, int ndim, bool sorted) {
  for (size_t i = 0; i < axes.size(); ++i) {
    expect_axis(c, axes[i], ndim);
    for (size_t j = 0; j < i; ++j) {
      if (axes[j] == axes[i] || (sorted && axes[j] > axes[i])) {
        reject(c, "expected distinct axes", sorted ? " in order" : "", "; got ", axes[j],
               " before ", axes[i]);
      }
    }
  }
}
inline void expect_ndim(const CheckCall& c, size_t input, int least, int most = 1 << 20) {
  int ndim = c.in[input].ndim();
  if (ndim < least || ndim > most) {
    reject(c, "expected input ", input, " of ", least, " axes", most > least ? " or more" : "",
           "; got shape ", c.in[input].shape());
  }
}
inline void expect_dtype(const CheckCall& c, size_t input, Dtype t) {
  if (c.in[input].dtype() != t) {
    reject(c, "expected input ", input, " of ", t, "; got ", c.in[input].dtype());
  }
}
// Inputs [from, to) have the dtype of input `from`.
inline void expect_one_dtype(const CheckCall& c, size_t from, size_t to) {
  for (size_t i = from + 1; i < to; ++i) expect_dtype(c, i, c.in[from].dtype());
}
inline void expect_shape(const CheckCall& c, size_t input, std::span<const int64_t> shape) {
  if (!std::ranges::equal(c.in[input].shape(), shape)) {
    reject(c, "expected input ", input, " of shape ", Shape(shape), "; got ", c.in[input].shape());
  }
}
inline void expect_broadcasts(const CheckCall& c, size_t input, const Shape& to) {
  if (broadcast_shapes(c.in[input].shape(), to, c.op.name) != to) {
    reject(c, "expected input ", input, " to broadcast to ", to, "; got ", c.in[input].shape());
  }
}
inline void expect_indices(const CheckCall& c, size_t input) {
  if (!is_integer(c.in[input].dtype())) {
    reject(c, "expected indices of an integer dtype; got ", c.in[input].dtype());
  }
}

// Ops of one input and no parameters.
inline void check_unary(const CheckCall& c) { expect_inputs(c, 1); }
// Ops whose first input is all that matters; the others are only computed before.
inline void check_any(const CheckCall& c) { expect_inputs(c, 1, size_t{1} << 20); }

}  // namespace olivine
