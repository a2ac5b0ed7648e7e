// Broadcasting of shapes and strides, and normalization of axes.
#include "core/layout.h"

#include "core/error.h"

namespace olivine {

Shape broadcast_shapes(std::span<const int64_t> a, std::span<const int64_t> b, const char* op) {
  if (a.size() < b.size()) std::swap(a, b);
  Shape out(a);
  size_t lead = a.size() - b.size();
  for (size_t i = 0; i < b.size(); ++i) {
    int64_t& d = out[lead + i];
    if (d == b[i] || b[i] == 1) continue;
    if (d != 1) {
      fail("[", op, "] expected shapes that broadcast; got ", Shape(a), " and ", Shape(b));
    }
    d = b[i];
  }
  return out;
}

Strides broadcast_strides(std::span<const int64_t> shape, std::span<const int64_t> strides,
                          std::span<const int64_t> to) {
  Strides out(to.size(), 0);
  size_t lead = to.size() - shape.size();
  for (size_t i = 0; i < shape.size(); ++i) {
    out[lead + i] = shape[i] == 1 && to[lead + i] != 1 ? 0 : strides[i];
  }
  return out;
}

int normalize_axis(int axis, int ndim, const char* op) {
  int a = axis < 0 ? axis + ndim : axis;
  if (a < 0 || a >= ndim) {
    fail<std::out_of_range>("[", op, "] expected an axis in [", -ndim, ", ", ndim, "); got ", axis);
  }
  return a;
}

SmallVector<int, 6> normalize_axes(std::span<const int> axes, int ndim, const char* op) {
  SmallVector<int, 6> out;
  for (int axis : axes) out.push_back(normalize_axis(axis, ndim, op));
  std::sort(out.begin(), out.end());
  if (std::adjacent_find(out.begin(), out.end()) != out.end()) {
    fail("[", op, "] expected distinct axes; got one of them twice");
  }
  return out;
}

}  // namespace olivine
