// Reading index arrays: any integer dtype and layout, negative wrap, bounds check, to offsets.
#pragma once

#include "backends/cpu/kernels/strided-inl.h"
#include "ops/indexing_params.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

// Indices of one axis, read in row-major order of the index array.
struct IndexReader {
  const void* data;
  Dtype dtype = int32;
  Dims<1> dims;
  int axis;
  int64_t size;   // of the indexed axis
  int64_t block;  // elements read at an index
  const char* caller;

  IndexReader() = default;
  IndexReader(const View& v, int axis, int64_t size, int64_t block, const char* caller)
      : data(v.data), dtype(v.dtype), axis(axis), size(size), block(block), caller(caller) {
    for (size_t i = 0; i < v.shape.size(); ++i) dims.add(v.shape[i], {v.strides[i]});
  }

  // out[i] = index, wrapped, at data[at + i * step]. Throws if one is out of bounds.
  void read(int64_t at, int64_t step, int64_t n, int64_t* out) const {
    switch (dtype.val()) {
      case Dtype::Val::uint8:
        return read_as<uint8_t>(at, step, n, out);
      case Dtype::Val::uint16:
        return read_as<uint16_t>(at, step, n, out);
      case Dtype::Val::uint32:
        return read_as<uint32_t>(at, step, n, out);
      case Dtype::Val::uint64:
        return read_as<uint64_t>(at, step, n, out);
      case Dtype::Val::int8:
        return read_as<int8_t>(at, step, n, out);
      case Dtype::Val::int16:
        return read_as<int16_t>(at, step, n, out);
      case Dtype::Val::int32:
        return read_as<int32_t>(at, step, n, out);
      default:
        return read_as<int64_t>(at, step, n, out);
    }
  }
  // Indices [begin, begin + n) of the whole array.
  void read_range(int64_t begin, int64_t n, int64_t* out) const {
    for_runs(dims, begin, begin + n, [&](const int64_t(&at)[1], int64_t m) {
      read(at[0], dims.inner_stride(0), m, out);
      out += m;
    });
  }

 private:
  template <class T>
  void read_as(int64_t at, int64_t step, int64_t n, int64_t* out) const {
    const T* p = static_cast<const T*>(data) + at;
    const uint64_t limit = static_cast<uint64_t>(size - block + 1);
    bool bad = false;
    if (step == 1) {  // the compiler's vector loop
      for (int64_t i = 0; i < n; ++i) {
        out[i] = wrap(p[i]);
        bad |= beyond(out[i], limit);
      }
    } else {
      for (int64_t i = 0; i < n; ++i) {
        out[i] = wrap(p[i * step]);
        bad |= beyond(out[i], limit);
      }
    }
    if (!bad) return;
    for (int64_t i = 0; i < n; ++i) {
      if (beyond(out[i], limit)) {
        index_error(caller, static_cast<int64_t>(p[i * step]), axis, size, block);
      }
    }
  }
  template <class T>
  int64_t wrap(T v) const {
    int64_t i = static_cast<int64_t>(v);
    if constexpr (static_cast<T>(-1) < T(0)) i += i < 0 ? size : 0;
    return i;  // a huge uint64 stays negative, and so out of bounds
  }
  static bool beyond(int64_t i, uint64_t limit) { return static_cast<uint64_t>(i) >= limit; }
};

// The index arrays of a gather or scatter over `a`.
struct IndexSet {
  static constexpr int64_t kBatch = 512;
  int count = 0;
  IndexReader readers[kMaxIndices];
  int64_t strides[kMaxIndices];

  IndexSet(std::span<const View> indices, const SmallVector<int, 6>& axes, const View& a,
           const int64_t* a_strides, const int64_t* sizes, const char* caller) {
    for (const View& v : indices) {
      int axis = axes[count];
      readers[count] = IndexReader(v, axis, a.shape[axis], sizes[axis], caller);
      strides[count++] = a_strides[axis];
    }
  }
  // Offsets of blocks [begin, begin + n), n <= kBatch.
  void offsets(int64_t begin, int64_t n, int64_t* out) const {
    int64_t index[kBatch];
    for (int64_t i = 0; i < n; ++i) out[i] = 0;
    for (int k = 0; k < count; ++k) {
      readers[k].read_range(begin, n, index);
      int64_t stride = strides[k];
      for (int64_t i = 0; i < n; ++i) out[i] += index[i] * stride;
    }
  }
};

}  // namespace
}  // namespace olivine::cpu::OLIVINE_ISA
