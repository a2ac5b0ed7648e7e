// Numbers beside arrays as in Python: they take the array's dtype instead of promoting it.
#pragma once

#include "olivine/ops/creation.h"
#include "olivine/ops/elementwise.h"

namespace olivine {

// The number as an array for an operation with x.
inline array weak(double v, const array& x) {
  return array(v, is_inexact(x.dtype()) ? x.dtype() : float32);
}
inline array weak(int v, const array& x) {
  return array(v, x.dtype() == bool_ ? int32 : x.dtype());
}

namespace nn {

// Better matches than the conversion of the number to an array of its own dtype.
#define OLIVINE_WEAK(op)                                                                          \
  inline array operator op(const array& a, double b) {                                            \
    return olivine::operator op(a, weak(b, a));                                                   \
  }                                                                                               \
  inline array operator op(double a, const array& b) {                                            \
    return olivine::operator op(weak(a, b), b);                                                   \
  }                                                                                               \
  inline array operator op(const array& a, int b) { return olivine::operator op(a, weak(b, a)); } \
  inline array operator op(int a, const array& b) { return olivine::operator op(weak(a, b), b); }
OLIVINE_WEAK(+)
OLIVINE_WEAK(-)
OLIVINE_WEAK(*)
OLIVINE_WEAK(/)
OLIVINE_WEAK(<)
OLIVINE_WEAK(>)
OLIVINE_WEAK(>=)
#undef OLIVINE_WEAK
template <class T>
requires std::is_arithmetic_v<T> array maximum(const array& a, T b) {
  return olivine::maximum(a, weak(b, a));
}
template <class T>
requires std::is_arithmetic_v<T> array minimum(const array& a, T b) {
  return olivine::minimum(a, weak(b, a));
}
using olivine::maximum;
using olivine::minimum;

}  // namespace nn

namespace optimizers {
using nn::operator+;
using nn::operator-;
using nn::operator*;
using nn::operator/;
using nn::operator<;
using nn::maximum;
using nn::minimum;
}  // namespace optimizers
}  // namespace olivine
