// Merging dimensions and packing runs of strided elements.
#include "backends/cpu/tile.h"

#include <cstring>

namespace olivine::cpu {
namespace {

struct Item16 {
  uint64_t a, b;
};

template <class T>
void gather_run(const void* src, int64_t stride, int64_t n, void* dst) {
  const T* s = static_cast<const T*>(src);
  T* d = static_cast<T*>(dst);
  for (int64_t i = 0; i < n; ++i) d[i] = s[i * stride];
}

template <class T>
void fill_run(const void* element, int64_t n, void* dst) {
  const T v = *static_cast<const T*>(element);
  T* d = static_cast<T*>(dst);
  for (int64_t i = 0; i < n; ++i) d[i] = v;
}

}  // namespace

Walk collapse(std::span<const int64_t> shape, std::span<const View> operands) {
  // Built from the innermost dimension outwards in reverse, then turned around.
  const int count = static_cast<int>(operands.size());
  const int ndim = static_cast<int>(shape.size());
  Shape sizes;
  SmallVector<int64_t, 16> strides;  // strides[d * count + k], innermost first
  for (int d = ndim - 1; d >= 0; --d) {
    const int64_t size = shape[static_cast<size_t>(d)];
    if (size == 1) continue;
    bool join = !sizes.empty();
    const size_t last = (sizes.size() - 1) * static_cast<size_t>(count);
    for (int k = 0; join && k < count; ++k) {
      const int64_t outer = operands[static_cast<size_t>(k)].strides[static_cast<size_t>(d)];
      join = outer == strides[last + static_cast<size_t>(k)] * sizes.back();
    }
    if (join) {
      sizes.back() *= size;
      continue;
    }
    sizes.push_back(size);
    for (int k = 0; k < count; ++k) {
      strides.push_back(operands[static_cast<size_t>(k)].strides[static_cast<size_t>(d)]);
    }
  }
  if (sizes.empty()) {
    sizes.push_back(1);
    strides.resize(static_cast<size_t>(count), 0);
  }
  Walk w;
  const int n = static_cast<int>(sizes.size());
  w.shape.resize(sizes.size());
  w.strides.resize(strides.size());
  for (int d = 0; d < n; ++d) {
    const int from = n - 1 - d;
    w.shape[static_cast<size_t>(d)] = sizes[static_cast<size_t>(from)];
    for (int k = 0; k < count; ++k) {
      w.strides[static_cast<size_t>(k * n + d)] = strides[static_cast<size_t>(from * count + k)];
    }
  }
  return w;
}

void pack_run(const void* src, int64_t stride, size_t itemsize, int64_t n, void* dst) {
  if (stride == 1) {
    std::memcpy(dst, src, static_cast<size_t>(n) * itemsize);
    return;
  }
  if (stride == 0) return fill(src, itemsize, n, dst);
  switch (itemsize) {
    case 1:
      return gather_run<uint8_t>(src, stride, n, dst);
    case 2:
      return gather_run<uint16_t>(src, stride, n, dst);
    case 4:
      return gather_run<uint32_t>(src, stride, n, dst);
    case 8:
      return gather_run<uint64_t>(src, stride, n, dst);
    default:
      return gather_run<Item16>(src, stride, n, dst);
  }
}

void fill(const void* element, size_t itemsize, int64_t n, void* dst) {
  switch (itemsize) {
    case 1:
      return fill_run<uint8_t>(element, n, dst);
    case 2:
      return fill_run<uint16_t>(element, n, dst);
    case 4:
      return fill_run<uint32_t>(element, n, dst);
    case 8:
      return fill_run<uint64_t>(element, n, dst);
    default:
      return fill_run<Item16>(element, n, dst);
  }
}

void pack(const void* src, std::span<const int64_t> shape, const int64_t* strides, size_t itemsize,
          int64_t begin, int64_t n, void* dst) {
  const int ndim = static_cast<int>(shape.size());
  const int64_t size = static_cast<int64_t>(itemsize);
  const int64_t inner = shape[static_cast<size_t>(ndim - 1)];
  Shape index(static_cast<size_t>(ndim), 0);
  int64_t rest = begin, offset = 0;
  for (int d = ndim - 1; d >= 0; --d) {
    const int64_t i = rest % shape[static_cast<size_t>(d)];
    rest /= shape[static_cast<size_t>(d)];
    index[static_cast<size_t>(d)] = i;
    offset += i * strides[d];
  }
  const char* p = static_cast<const char*>(src) + offset * size;
  char* out = static_cast<char*>(dst);
  int64_t column = index[static_cast<size_t>(ndim - 1)];
  while (true) {
    const int64_t run = std::min(inner - column, n);
    pack_run(p, strides[ndim - 1], itemsize, run, out);
    n -= run;
    if (n == 0) return;
    out += run * size;
    p -= column * strides[ndim - 1] * size;
    column = 0;
    for (int d = ndim - 2; d >= 0; --d) {
      p += strides[d] * size;
      if (++index[static_cast<size_t>(d)] < shape[static_cast<size_t>(d)]) break;
      p -= strides[d] * size * shape[static_cast<size_t>(d)];
      index[static_cast<size_t>(d)] = 0;
    }
  }
}

}  // namespace olivine::cpu
