// Creation ops: constants, ranges and masks. Constants take no memory until they are written to.
#pragma once

#include <optional>

#include "olivine/array.h"
#include "olivine/device.h"

namespace olivine {

// `vals` broadcast to `shape`.
OLIVINE_API array full(const Shape& shape, const array& vals, Dtype dtype, StreamOrDevice s = {});
OLIVINE_API array full(const Shape& shape, const array& vals, StreamOrDevice s = {});
OLIVINE_API array full_like(const array& a, const array& vals, Dtype dtype, StreamOrDevice s = {});
OLIVINE_API array full_like(const array& a, const array& vals, StreamOrDevice s = {});
OLIVINE_API array zeros(const Shape& shape, Dtype dtype = float32, StreamOrDevice s = {});
inline array zeros(const Shape& shape, StreamOrDevice s) { return zeros(shape, float32, s); }
OLIVINE_API array zeros_like(const array& a, StreamOrDevice s = {});
OLIVINE_API array zeros_like(const array& a, Dtype dtype, StreamOrDevice s = {});
OLIVINE_API array ones(const Shape& shape, Dtype dtype = float32, StreamOrDevice s = {});
inline array ones(const Shape& shape, StreamOrDevice s) { return ones(shape, float32, s); }
OLIVINE_API array ones_like(const array& a, StreamOrDevice s = {});
OLIVINE_API array ones_like(const array& a, Dtype dtype, StreamOrDevice s = {});
// Values without meaning (zeros here).
OLIVINE_API array empty(const Shape& shape, Dtype dtype = float32, StreamOrDevice s = {});
OLIVINE_API array empty_like(const array& a, StreamOrDevice s = {});
OLIVINE_API array empty_like(const array& a, Dtype dtype, StreamOrDevice s = {});

// start, start + step, … before stop. Without a dtype: int32 (int64 where values need it) for
// integer arguments, float32 for real ones.
OLIVINE_API array arange(double start, double stop, double step, Dtype dtype,
                         StreamOrDevice s = {});
OLIVINE_API array arange(double start, double stop, double step, StreamOrDevice s = {});
OLIVINE_API array arange(double start, double stop, Dtype dtype, StreamOrDevice s = {});
OLIVINE_API array arange(double start, double stop, StreamOrDevice s = {});
OLIVINE_API array arange(double stop, Dtype dtype, StreamOrDevice s = {});
OLIVINE_API array arange(double stop, StreamOrDevice s = {});
OLIVINE_API array arange(int64_t start, int64_t stop, int64_t step, Dtype dtype,
                         StreamOrDevice s = {});
OLIVINE_API array arange(int64_t start, int64_t stop, int64_t step, StreamOrDevice s = {});
inline array arange(int start, int stop, int step, StreamOrDevice s = {}) {
  return arange(int64_t(start), int64_t(stop), int64_t(step), s);
}
inline array arange(int start, int stop, StreamOrDevice s = {}) {
  return arange(int64_t(start), int64_t(stop), int64_t(1), s);
}
inline array arange(int stop, StreamOrDevice s = {}) {
  return arange(int64_t(0), int64_t(stop), int64_t(1), s);
}
// `num` evenly spaced values from start to stop (included if `endpoint`).
OLIVINE_API array linspace(double start, double stop, int num, bool endpoint, Dtype dtype = float32,
                           StreamOrDevice s = {});
inline array linspace(double start, double stop, int num = 50, Dtype dtype = float32,
                      StreamOrDevice s = {}) {
  return linspace(start, stop, num, true, dtype, s);
}

// n x m zeros with ones on the k-th diagonal.
OLIVINE_API array eye(int n, int m, int k, Dtype dtype, StreamOrDevice s = {});
inline array eye(int n, Dtype dtype, StreamOrDevice s = {}) { return eye(n, n, 0, dtype, s); }
inline array eye(int n, int m, StreamOrDevice s = {}) { return eye(n, m, 0, float32, s); }
inline array eye(int n, int m, int k, StreamOrDevice s = {}) { return eye(n, m, k, float32, s); }
inline array eye(int n, StreamOrDevice s = {}) { return eye(n, n, 0, float32, s); }
inline array eye(int n, std::optional<int> m, int k, Dtype dtype, StreamOrDevice s = {}) {
  return eye(n, m.value_or(n), k, dtype, s);
}
OLIVINE_API array identity(int n, Dtype dtype = float32, StreamOrDevice s = {});
inline array identity(int n, StreamOrDevice s) { return identity(n, float32, s); }
// n x m ones at and below the k-th diagonal, zeros above.
OLIVINE_API array tri(int n, int m, int k, Dtype dtype, StreamOrDevice s = {});
inline array tri(int n, Dtype dtype, StreamOrDevice s = {}) { return tri(n, n, 0, dtype, s); }
inline array tri(int n, std::optional<int> m, int k, std::optional<Dtype> dtype,
                 StreamOrDevice s = {}) {
  return tri(n, m.value_or(n), k, dtype.value_or(float32), s);
}
// Keeps what lies at and below (tril) or at and above (triu) the k-th diagonal.
OLIVINE_API array tril(const array& x, int k = 0, StreamOrDevice s = {});
OLIVINE_API array triu(const array& x, int k = 0, StreamOrDevice s = {});

// Window functions of `size` points.
OLIVINE_API array hanning(int size, StreamOrDevice s = {});
OLIVINE_API array hamming(int size, StreamOrDevice s = {});
OLIVINE_API array bartlett(int size, StreamOrDevice s = {});
OLIVINE_API array blackman(int size, StreamOrDevice s = {});

}  // namespace olivine
