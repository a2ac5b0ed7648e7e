// What a kernel sees of an array: an address, a dtype, a shape and strides.
#pragma once

#include "olivine/dtype.h"
#include "olivine/shape.h"

namespace olivine {

// Elements in memory: first element's address; shape and strides in elements (any sign, 0 allowed).
struct MemoryView {
  void* data = nullptr;
  Dtype dtype = bool_;
  Shape shape;
  Strides strides;

  int64_t size() const {
    int64_t n = 1;
    for (int64_t d : shape) n *= d;
    return n;
  }
  template <class T>
  T* as() const {
    return static_cast<T*>(data);
  }
};

}  // namespace olivine
