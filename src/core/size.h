// Checked arithmetic on sizes: the only way that element and byte counts are multiplied.
#pragma once

#include <cstdint>
#include <span>

#include "core/error.h"

namespace olivine {

inline int64_t checked_mul(int64_t a, int64_t b, const char* what = "size") {
  int64_t r;
  if (__builtin_mul_overflow(a, b, &r)) {
    fail<OutOfMemory>("[", what, "] ", a, " x ", b, " does not fit in 64 bits");
  }
  return r;
}
inline int64_t checked_add(int64_t a, int64_t b, const char* what = "size") {
  int64_t r;
  if (__builtin_add_overflow(a, b, &r)) {
    fail<OutOfMemory>("[", what, "] ", a, " + ", b, " does not fit in 64 bits");
  }
  return r;
}
// Number of elements of a shape; every dimension must be >= 0.
inline int64_t element_count(std::span<const int64_t> shape, const char* what = "shape") {
  int64_t n = 1;
  bool zero = false;
  for (int64_t d : shape) {
    if (d < 0) fail("[", what, "] expected dimensions >= 0; got ", Shape(shape));
    if (d == 0) zero = true;
  }
  if (zero) return 0;
  for (int64_t d : shape) n = checked_mul(n, d, what);
  return n;
}

}  // namespace olivine
