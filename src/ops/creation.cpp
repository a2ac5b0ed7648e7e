// Creation ops: constants that take no memory, the arange primitive, and masks made of it.
#include "olivine/ops/creation.h"

#include <cmath>
#include <cstring>
#include <numbers>

#include "core/checks.h"
#include "core/error.h"
#include "core/node.h"
#include "core/op.h"
#include "core/size.h"
#include "olivine/ops/elementwise.h"
#include "olivine/ops/shape.h"
#include "ops/creation_params.h"

namespace olivine {
namespace {

// One element in memory, read at every position.
array constant(const array& scalar, const Shape& shape) {
  element_count(shape);
  return make_done(scalar.node()->buffer, shape, Strides(shape.size(), 0), scalar.node()->offset,
                   scalar.dtype());
}

// A computed array of one element that no transformation follows.
bool is_constant(const array& a) { return a.node()->done() && !a.node()->tracer && a.size() == 1; }
array cast_constant(const array& a, Dtype dtype) {
  Dtype from = a.dtype();
  if (is_complexfloating(from)) return array(a.item<complex128_t>(), dtype);
  if (is_floating(from)) return array(a.item<double>(), dtype);
  if (is_unsigned(from)) return array(a.item<uint64_t>(), dtype);
  if (from == bool_) return array(a.item<bool>(), dtype);
  return array(a.item<int64_t>(), dtype);
}

const Op arange_op{.name = "arange",
                   .key = KernelKey::output,
                   .infer =
                       [](const ParamsRef& params, std::span<const array>) {
                         const auto& p = params.as<ArangeParams>();
                         return std::vector<OutSpec>{{{p.size}, p.dtype}};
                       },
                   .params = &params_type<ArangeParams>,
                   .check =
                       [](const CheckCall& c) {
                         const auto& p = c.params.as<ArangeParams>();
                         require(c, c.in.empty(), "no inputs");
                         require(c, p.size >= 0, "a size >= 0");
                         require(c, p.dtype != bool_, "a numeric dtype");
                       }};

array make_arange(const ArangeParams& p, StreamOrDevice s) {
  if (p.dtype == bool_) fail("[arange] expected a numeric dtype; got ", p.dtype);
  return make_node(arange_op, make_params(p), std::span<const array>(), {p.size}, p.dtype, s);
}

int64_t arange_size(double start, double stop, double step) {
  if (step == 0) fail("[arange] expected a step other than 0; got 0");
  double n = std::ceil((stop - start) / step);
  if (std::isnan(n) || std::isinf(start) || std::isinf(step) || n > 9e18) {
    fail("[arange] expected a finite range; got start ", start, ", stop ", stop, " and step ",
         step);
  }
  return n > 0 ? static_cast<int64_t>(n) : 0;
}

}  // namespace

array full(const Shape& shape, const array& vals, Dtype dtype, StreamOrDevice s) {
  if (is_constant(vals) && vals.ndim() <= static_cast<int>(shape.size())) {
    return constant(cast_constant(vals, dtype), shape);
  }
  return broadcast_to(astype(vals, dtype, s), shape, s);
}
array full(const Shape& shape, const array& vals, StreamOrDevice s) {
  return full(shape, vals, vals.dtype(), s);
}
array full_like(const array& a, const array& vals, Dtype dtype, StreamOrDevice s) {
  return full(a.shape(), vals, dtype, s);
}
array full_like(const array& a, const array& vals, StreamOrDevice s) {
  return full(a.shape(), vals, a.dtype(), s);
}
array zeros(const Shape& shape, Dtype dtype, StreamOrDevice) {
  return constant(array(0, dtype), shape);
}
array zeros_like(const array& a, StreamOrDevice s) { return zeros(a.shape(), a.dtype(), s); }
array zeros_like(const array& a, Dtype dtype, StreamOrDevice s) {
  return zeros(a.shape(), dtype, s);
}
array ones(const Shape& shape, Dtype dtype, StreamOrDevice) {
  return constant(array(1, dtype), shape);
}
array ones_like(const array& a, StreamOrDevice s) { return ones(a.shape(), a.dtype(), s); }
array ones_like(const array& a, Dtype dtype, StreamOrDevice s) { return ones(a.shape(), dtype, s); }
array empty(const Shape& shape, Dtype dtype, StreamOrDevice s) { return zeros(shape, dtype, s); }
array empty_like(const array& a, StreamOrDevice s) { return zeros_like(a, s); }
array empty_like(const array& a, Dtype dtype, StreamOrDevice s) { return zeros_like(a, dtype, s); }

array arange(double start, double stop, double step, Dtype dtype, StreamOrDevice s) {
  ArangeParams p{.size = arange_size(start, stop, step), .dtype = dtype};
  p.start = start;
  p.step = step;
  if (is_integer(dtype)) {  // the step is what lies between the first two elements once cast
    constexpr double limit = 9e18;
    if (std::abs(start) > limit || std::abs(start + step) > limit) {
      fail("[arange] expected values that fit ", dtype, "; got start ", start, " and step ", step);
    }
    p.integral = true;
    p.first = static_cast<int64_t>(start);
    p.delta = static_cast<int64_t>(start + step) - p.first;
  }
  return make_arange(p, s);
}
array arange(double start, double stop, double step, StreamOrDevice s) {
  return arange(start, stop, step, float32, s);
}
array arange(double start, double stop, Dtype dtype, StreamOrDevice s) {
  return arange(start, stop, 1.0, dtype, s);
}
array arange(double start, double stop, StreamOrDevice s) {
  return arange(start, stop, 1.0, float32, s);
}
array arange(double stop, Dtype dtype, StreamOrDevice s) {
  return arange(0.0, stop, 1.0, dtype, s);
}
array arange(double stop, StreamOrDevice s) { return arange(0.0, stop, 1.0, float32, s); }

array arange(int64_t start, int64_t stop, int64_t step, Dtype dtype, StreamOrDevice s) {
  if (step == 0) fail("[arange] expected a step other than 0; got 0");
  if (!is_integer(dtype)) {
    return arange(double(start), double(stop), double(step), dtype, s);
  }
  using Wide = __int128;
  Wide span = step > 0 ? Wide(stop) - start : Wide(start) - stop;
  Wide by = step > 0 ? Wide(step) : -Wide(step);
  Wide n = span > 0 ? (span + by - 1) / by : 0;
  if (n > INT64_MAX) fail<OutOfMemory>("[arange] expected a size below 2^63; got more");
  return make_arange({.size = static_cast<int64_t>(n),
                      .dtype = dtype,
                      .integral = true,
                      .first = start,
                      .delta = step},
                     s);
}
array arange(int64_t start, int64_t stop, int64_t step, StreamOrDevice s) {
  auto small = [](int64_t v) { return v >= INT32_MIN && v <= INT32_MAX; };
  return arange(start, stop, step, small(start) && small(stop) ? int32 : int64, s);
}

array linspace(double start, double stop, int num, bool endpoint, Dtype dtype, StreamOrDevice s) {
  if (num < 0) fail("[linspace] expected a number of samples >= 0; got ", num);
  int intervals = endpoint ? num - 1 : num;
  ArangeParams p{.size = num, .dtype = dtype};
  p.start = start;
  p.step = intervals > 0 ? (stop - start) / intervals : 0;
  p.pinned = endpoint && num > 1;
  p.last = stop;
  return make_arange(p, s);
}

namespace {

// compare(row + k, column) over an n x m grid.
array grid_mask(int64_t n, int64_t m, int64_t k, const char* op, StreamOrDevice s,
                array (*compare)(const array&, const array&, StreamOrDevice)) {
  if (n < 0 || m < 0) fail("[", op, "] expected sizes >= 0; got ", n, " and ", m);
  array rows = expand_dims(arange(k, n + k, int64_t{1}, int64, s), 1, s);
  return compare(rows, arange(int64_t{0}, m, int64_t{1}, int64, s), s);
}
// Whether each element of the last two axes is at or below the k-th diagonal.
array below(const array& x, int64_t k, const char* op, StreamOrDevice s) {
  if (x.ndim() < 2) fail("[", op, "] expected at least two axes; got shape ", x.shape());
  return grid_mask(x.shape(-2), x.shape(-1), k, op, s, greater_equal);
}

}  // namespace

array eye(int n, int m, int k, Dtype dtype, StreamOrDevice s) {
  return astype(grid_mask(n, m, k, "eye", s, equal), dtype, s);
}
array identity(int n, Dtype dtype, StreamOrDevice s) { return eye(n, n, 0, dtype, s); }
array tri(int n, int m, int k, Dtype dtype, StreamOrDevice s) {
  return astype(grid_mask(n, m, k, "tri", s, greater_equal), dtype, s);
}
array tril(const array& x, int k, StreamOrDevice s) {
  return where(below(x, k, "tril", s), x, array(0, x.dtype()), s);
}
array triu(const array& x, int k, StreamOrDevice s) {
  return where(below(x, int64_t(k) - 1, "triu", s), array(0, x.dtype()), x, s);
}

namespace {

// f(i / (size - 1)) for i < size; a single point is 1.
template <class F>
array window(int size, F f) {
  if (size < 1) return zeros({0});
  BufferRef buffer = allocate(static_cast<size_t>(size) * sizeof(float));
  auto* values = static_cast<float*>(buffer->data);
  values[0] = 1;
  for (int i = 0; i < size && size > 1; ++i) {
    values[i] = static_cast<float>(f(double(i) / (size - 1)));
  }
  return make_done(std::move(buffer), {size}, float32);
}
constexpr double kTurn = 2 * std::numbers::pi;

}  // namespace

array hanning(int size, StreamOrDevice) {
  return window(size, [](double x) { return 0.5 - 0.5 * std::cos(kTurn * x); });
}
array hamming(int size, StreamOrDevice) {
  return window(size, [](double x) { return 0.54 - 0.46 * std::cos(kTurn * x); });
}
array bartlett(int size, StreamOrDevice) {
  return window(size, [](double x) { return 1 - std::abs(2 * x - 1); });
}
array blackman(int size, StreamOrDevice) {
  return window(size, [](double x) {
    return 0.42 - 0.5 * std::cos(kTurn * x) + 0.08 * std::cos(2 * kTurn * x);
  });
}

}  // namespace olivine
