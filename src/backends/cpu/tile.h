// Strided operands made contiguous: merging dimensions, and packing any run of elements.
#pragma once

#include <span>

#include "backends/backend.h"

namespace olivine::cpu {

// One shape walked by several operands together, with as few dimensions as their strides allow
// (at least one, none of size 1 unless alone).
struct Walk {
  Shape shape;
  SmallVector<int64_t, 16> strides;  // of operand k along dimension d: strides[k * ndim + d]

  int ndim() const { return static_cast<int>(shape.size()); }
  int64_t inner() const { return shape.back(); }
  const int64_t* of(int operand) const { return strides.data() + operand * ndim(); }
};

// The operands, each broadcast to `shape`, plus implicitly a row-contiguous output.
Walk collapse(std::span<const int64_t> shape, std::span<const View> operands);

// Copies `n` elements of row-major position `begin` on into contiguous `dst`.
void pack(const void* src, std::span<const int64_t> shape, const int64_t* strides, size_t itemsize,
          int64_t begin, int64_t n, void* dst);

// Copies `n` elements that lie `stride` apart into contiguous `dst`.
void pack_run(const void* src, int64_t stride, size_t itemsize, int64_t n, void* dst);

// dst[r * dst_step + c] = src[c * src_step + r] for r < rows, c < columns.
void transpose(const void* src, int64_t src_step, size_t itemsize, int64_t rows, int64_t columns,
               void* dst, int64_t dst_step);

// Writes `n` copies of one element.
void fill(const void* element, size_t itemsize, int64_t n, void* dst);

// Copies any layout to row-contiguous `out`, in parallel.
void copy_view(const View& in, const View& out);

}  // namespace olivine::cpu
