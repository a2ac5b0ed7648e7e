// Random numbers: keys, random bits, and the distributions made of them.
//
// Distributions are composites over random_bits, so that their arithmetic fuses with what uses it.
#include "olivine/ops/random.h"

#include <chrono>
#include <cmath>
#include <cstring>
#include <numbers>

#include "core/checks.h"
#include "core/error.h"
#include "core/node.h"
#include "core/op.h"
#include "core/size.h"
#include "olivine/ops/creation.h"
#include "olivine/ops/elementwise.h"
#include "olivine/ops/indexing.h"
#include "olivine/ops/linalg.h"
#include "olivine/ops/matmul.h"
#include "olivine/ops/reduction.h"
#include "olivine/ops/scan.h"
#include "olivine/ops/shape.h"
#include "olivine/ops/sort.h"
#include "ops/batching.h"
#include "ops/elementwise_common.h"
#include "ops/random_params.h"
#include "ops/random_scope.h"
#include "runtime/process_locks.h"

namespace olivine::random {
namespace {

using MaybeKey = std::optional<array>;

Dtype bits_dtype(int width) { return width == 1 ? uint8 : width == 2 ? uint16 : uint32; }

Shape with_keys(const Shape& keys, const Shape& shape) {
  Shape out(keys.begin(), keys.end() - 1);
  for (int64_t d : shape) out.push_back(d);
  return out;
}

VmapResult vmap_keys(const VmapCall& c) {
  array keys = batch_first(c, 0);
  return {emit(c.op, c.params, std::span<const array>(&keys, 1)), {0}};
}

// Elements of `width` bytes for each key.
void check_draw(const CheckCall& c, const Shape& shape, int width) {
  expect_inputs(c, 1);
  expect_ndim(c, 0, 1);
  expect_dtype(c, 0, uint32);
  require(c, c.in[0].shape().back() == 2, "keys of two numbers");
  checked_mul(element_count(shape, c.op.name), width, c.op.name);
}

// The input holds one key per leading index; each gives an array of the parameters' shape.
const Op random_bits_op{
    .name = "random_bits",
    .infer =
        [](const ParamsRef& params, std::span<const array> in) {
          const auto& p = params.as<RandomBitsParams>();
          return std::vector<OutSpec>{{with_keys(in[0].shape(), p.shape), bits_dtype(p.width)}};
        },
    .vjp = [](const VjpCall&) { return MaybeArrays(1); },
    .jvp = [](const JvpCall&) { return MaybeArrays(1); },
    .vmap = vmap_keys,
    .params = &params_type<RandomBitsParams>,
    .check =
        [](const CheckCall& c) {
          const auto& p = c.params.as<RandomBitsParams>();
          require(c, p.width == 1 || p.width == 2 || p.width == 4, "a width of 1, 2 or 4 bytes");
          check_draw(c, p.shape, p.width);
        }};

// Numbers in [0, 1): the 32 bits of random_bits over 2^32, rounded to the dtype, at most the
// largest number below one. In one pass: the bits would take more memory than 16-bit numbers do.
const Op random_unit_op{
    .name = "random_unit",
    .infer =
        [](const ParamsRef& params, std::span<const array> in) {
          const auto& p = params.as<RandomUnitParams>();
          return std::vector<OutSpec>{{with_keys(in[0].shape(), p.shape), p.dtype}};
        },
    .vjp = [](const VjpCall&) { return MaybeArrays(1); },
    .jvp = [](const JvpCall&) { return MaybeArrays(1); },
    .vmap = vmap_keys,
    .params = &params_type<RandomUnitParams>,
    .check =
        [](const CheckCall& c) {
          const auto& p = c.params.as<RandomUnitParams>();
          require(c, p.dtype == float32 || p.dtype == float16 || p.dtype == bfloat16,
                  "float32, float16 or bfloat16");
          check_draw(c, p.shape, 4);
        }};

// ---- Functions that round as MLX's do (backends/scalar_random.h), so that draws are the same.
using Inputs = std::span<const array>;

const Op library_log_op = elementwise(
    "library_log",
    [](int, const array& v, Inputs in, const array&) -> MaybeArray { return divide(v, in[0]); });
const Op library_log1p_op =
    elementwise("library_log1p", [](int, const array& v, Inputs in, const array&) -> MaybeArray {
      return divide(v, add(in[0], array(1, in[0].dtype())));
    });
const Op single_erf_op =
    elementwise("single_erf", [](int, const array& v, Inputs in, const array&) -> MaybeArray {
      array slope(2 * std::numbers::inv_sqrtpi, in[0].dtype());
      return multiply(v, multiply(slope, exp(negative(square(in[0])))));
    });
const Op single_erfinv_op = elementwise(
    "single_erfinv", [](int, const array& v, Inputs in, const array& out) -> MaybeArray {
      array slope(0.5 / std::numbers::inv_sqrtpi, in[0].dtype());
      return multiply(v, multiply(slope, exp(square(out))));
    });

void check_key(const array& key) {
  if (key.dtype() != uint32 || key.shape() != Shape{2}) {
    fail("[random] expected a key of two uint32; got shape ", key.shape(), " of ", key.dtype());
  }
}

array key_of(uint32_t high, uint32_t low) {
  uint32_t words[2] = {high, low};
  return array(words, {2}, uint32);
}

// ---- The process-wide sequence

std::mutex& sequence_lock() { return process_lock(Lock::random); }

// Its next key, under its lock. Outlives every static destructor.
array& sequence_key() {
  static constinit array* made = nullptr;
  auto now = std::chrono::system_clock::now().time_since_epoch().count();
  if (!made) made = new array(key(static_cast<uint64_t>(now)));
  return *made;
}

// Both halves of a computed key's split, at once: a sequence of keys must not grow a graph.
std::pair<array, array> split_now(const array& key) {
  uint32_t k[2];
  std::memcpy(k, key.data(), sizeof(k));
  uint32_t a0 = 0, b0 = 2, a1 = 1, b1 = 3;  // words 0 … 3 of the key's stream
  threefry(k[0], k[1], a0, b0);
  threefry(k[0], k[1], a1, b1);
  return {key_of(a0, a1), key_of(b0, b1)};
}

thread_local constinit Draws* draws = nullptr;
thread_local constinit KeyScope* scope = nullptr;

array next_of_sequence() {
  if (scope) return scope->next();
  std::lock_guard lock(sequence_lock());
  auto [next, used] = random::split(sequence_key());
  sequence_key() = next;
  return used;
}

bool is_computed(const array& key) {
  const Node& n = *key.node();
  return n.done() && !n.tracer && n.strides[0] == 1;
}

}  // namespace

array key(uint64_t seed) {
  return key_of(static_cast<uint32_t>(seed >> 32), static_cast<uint32_t>(seed));
}
array split(const array& key, int num, StreamOrDevice s) {
  if (num < 0) fail("[split] expected a number of keys >= 0; got ", num);
  return bits({num, 2}, 4, key, s);
}
std::pair<array, array> split(const array& key, StreamOrDevice s) {
  check_key(key);
  if (is_computed(key)) return split_now(key);
  array both = random::split(key, 2, s);
  return {take(both, 0, 0, s), take(both, 1, 0, s)};
}

KeyScope::KeyScope(const array& key)
    : key_(key), outer_(std::exchange(scope, this)), draws_(std::exchange(draws, nullptr)) {}
KeyScope::~KeyScope() {
  scope = outer_;
  draws = draws_;
}
array KeyScope::next() {
  auto [rest, key] = split(rest_ ? *rest_ : key_);
  rest_ = rest;
  return key;
}

Draws::Draws() : again_(false), outer_(draws) { draws = this; }
Draws::Draws(std::vector<array> keys) : keys_(std::move(keys)), again_(true), outer_(draws) {
  draws = this;
}
Draws::~Draws() { draws = outer_; }
array Draws::next() {
  if (again_ && at_ < keys_.size()) return keys_[at_++];
  array key = outer_ ? outer_->next() : next_of_sequence();
  if (!again_) keys_.push_back(key);
  return key;
}

KeySequence::KeySequence(uint64_t seed) : key_(key(seed)) {}
void KeySequence::seed(uint64_t seed) {
  if (!key_) return random::seed(seed);
  key_ = key(seed);
}
array KeySequence::next() {
  if (!key_) return next_key();
  auto [rest, key] = split(*key_);
  key_ = rest;
  return key;
}
KeySequence& KeySequence::default_() {
  static constinit KeySequence sequence;
  return sequence;
}

void seed(uint64_t seed) { set_state(key(seed)); }
array next_key() { return draws ? draws->next() : next_of_sequence(); }
array state() {
  std::lock_guard lock(sequence_lock());
  return sequence_key();
}
void set_state(const array& key) {
  check_key(key);
  if (scope || (draws && draws->again_)) return;  // what the keys drawn before depended on
  array old = key;                                // freed after the lock
  std::lock_guard lock(sequence_lock());
  std::swap(sequence_key(), old);
}

array bits(const Shape& shape, int width, const MaybeKey& key, StreamOrDevice s) {
  if (width != 1 && width != 2 && width != 4) {
    fail("[bits] expected a width of 1, 2 or 4 bytes; got ", width);
  }
  if (key) check_key(*key);
  checked_mul(element_count(shape), width, "bits");
  return make_node(random_bits_op, make_params(RandomBitsParams{shape, width}),
                   {key ? *key : next_key()}, shape, bits_dtype(width), s);
}

namespace {

void check_floating(Dtype dtype, const char* op) {
  if (!is_floating(dtype)) fail("[", op, "] expected a real floating dtype; got ", dtype);
}
// The shape of the result, or the common shape of the parameters if none is given.
Shape result_shape(const array& a, const array& b, const std::optional<Shape>& shape,
                   const char* op) {
  Shape common = broadcast_shapes(std::span<const int64_t>(a.shape()), b.shape(), op);
  if (!shape) return common;
  if (common.size() > shape->size() ||
      broadcast_shapes(std::span<const int64_t>(common), *shape, op) != *shape) {
    fail("[", op, "] expected a shape that the parameters' ", common, " broadcasts to; got ",
         *shape);
  }
  return *shape;
}
bool is_value(const array& a, double value) {
  const Node& n = *a.node();
  return n.done() && !n.tracer && a.ndim() == 0 && a.item<double>() == value;
}

// In [0, 1): 32 random bits, or 53 for float64.
array unit_uniform(const Shape& shape, Dtype dtype, const MaybeKey& key, StreamOrDevice s) {
  if (dtype == float64) {
    Shape pairs = shape;
    pairs.push_back(2);
    array words = bits(pairs, 4, key, s);
    array high = astype(right_shift(take(words, 0, -1, s), array(5u), s), float64, s);
    array low = astype(right_shift(take(words, 1, -1, s), array(6u), s), float64, s);
    return multiply(add(multiply(high, array(0x1p26, float64), s), low, s), array(0x1p-53, float64),
                    s);
  }
  if (key) check_key(*key);
  checked_mul(element_count(shape), 4, "uniform");
  return make_node(random_unit_op, make_params(RandomUnitParams{shape, dtype}),
                   {key ? *key : next_key()}, shape, dtype, s);
}
// Uniform in (-1, 1), in float32 whatever the result's dtype.
array symmetric_uniform(const Shape& shape, const MaybeKey& key, StreamOrDevice s) {
  return uniform(array(-1 + 0x1p-24f), array(1.f), shape, float32, key, s);
}

}  // namespace

array uniform(const array& low, const array& high, const Shape& shape, Dtype dtype,
              const MaybeKey& key, StreamOrDevice s) {
  check_floating(dtype, "uniform");
  result_shape(low, high, shape, "uniform");
  array u = unit_uniform(shape, dtype, key, s);
  if (is_value(low, 0) && is_value(high, 1)) return u;
  array lo = astype(low, dtype, s);
  array range = subtract(astype(high, dtype, s), lo, s);
  return add(multiply(range, u, s), lo, s);
}

array normal(const Shape& shape, Dtype dtype, const std::optional<array>& loc,
             const std::optional<array>& scale, const MaybeKey& key, StreamOrDevice s) {
  if (!is_inexact(dtype)) fail("[normal] expected a floating or complex dtype; got ", dtype);
  Shape drawn = shape;
  bool complex = is_complexfloating(dtype);
  if (complex) drawn.push_back(2);
  array z =
      astype(unary(single_erfinv_op, symmetric_uniform(drawn, key, s), s), real_type(dtype), s);
  // Real and imaginary part have half the variance each: the factor sqrt(2) drops out.
  array factor(complex ? 1.0 : std::numbers::sqrt2, dtype);
  if (complex) z = squeeze(view(z, dtype, s), -1, s);
  if (scale) factor = multiply(factor, astype(*scale, dtype, s), s);
  array out = complex && !scale ? z : multiply(factor, z, s);
  if (loc) out = add(out, astype(*loc, dtype, s), s);
  if (out.shape() != shape) {
    fail("[normal] expected loc and scale that broadcast to ", shape, "; got ", out.shape());
  }
  return out;
}

namespace {

// The leading axes of the result; the vectors' length is checked.
Shape vectors_shape(const array& mean, const array& cov, const Shape& shape) {
  constexpr const char* op = "multivariate_normal";
  if (mean.ndim() < 1 || cov.ndim() < 2) {
    fail("[", op, "] expected a mean of 1 or more axes and a covariance of 2 or more; got shapes ",
         mean.shape(), " and ", cov.shape());
  }
  int64_t d = mean.shape(-1);
  if (cov.shape(-1) != d || cov.shape(-2) != d) {
    fail("[", op, "] expected a covariance of ", d, " x ", d, " for a mean of shape ", mean.shape(),
         "; got shape ", cov.shape());
  }
  Shape lead(mean.shape().begin(), mean.shape().end() - 1);
  Shape others(cov.shape().begin(), cov.shape().end() - 2);
  lead = broadcast_shapes(std::span<const int64_t>(lead), others, op);
  if (shape.empty()) return lead;
  if (lead.size() > shape.size() ||
      broadcast_shapes(std::span<const int64_t>(lead), shape, op) != shape) {
    fail("[", op, "] expected a shape that the parameters' ", lead, " broadcasts to; got ", shape);
  }
  return shape;
}

}  // namespace

array multivariate_normal(const array& mean, const array& cov, const Shape& shape, Dtype dtype,
                          const MaybeKey& key, StreamOrDevice s) {
  check_floating(dtype, "multivariate_normal");
  Shape drawn = vectors_shape(mean, cov, shape);
  drawn.push_back(mean.shape(-1));
  Dtype inner = dtype == float64 ? float64 : float32;
  // The symmetric root of the covariance, which does not depend on the signs of its vectors.
  std::vector<array> parts = linalg::svd(astype(cov, inner, s), true, s);
  array left = multiply(parts[0], expand_dims(sqrt(parts[1], s), -2, s), s);
  array root = matmul(left, parts[2], s);
  array z = expand_dims(normal(drawn, inner, key, s), -2, s);
  array moved = squeeze(matmul(z, root, s), -2, s);
  return astype(add(moved, astype(mean, inner, s), s), dtype, s);
}

array randint(const array& low, const array& high, const Shape& shape, Dtype dtype,
              const MaybeKey& key, StreamOrDevice s) {
  if (!is_integer(dtype) && dtype != bool_) {
    fail("[randint] expected an integer dtype or bool; got ", dtype);
  }
  array u = astype(floor(uniform(low, high, shape, float32, key, s), s), dtype, s);
  // Rounding in float32 may reach `high`.
  if (dtype == bool_) return u;
  array lo = astype(low, dtype, s);
  array last = subtract(astype(high, dtype, s), array(1, dtype), s);
  return maximum(minimum(u, last, s), lo, s);
}

array bernoulli(const array& p, const std::optional<Shape>& shape, const MaybeKey& key,
                StreamOrDevice s) {
  if (!is_floating(p.dtype())) {
    fail("[bernoulli] expected a probability of a floating dtype; got ", p.dtype());
  }
  return less(uniform(result_shape(p, p, shape, "bernoulli"), float32, key, s), p, s);
}

array truncated_normal(const array& lower, const array& upper, const std::optional<Shape>& shape,
                       Dtype dtype, const MaybeKey& key, StreamOrDevice s) {
  check_floating(dtype, "truncated_normal");
  Shape out = result_shape(lower, upper, shape, "truncated_normal");
  array root(std::numbers::sqrt2, dtype);
  array lo = astype(lower, dtype, s), hi = astype(upper, dtype, s);
  array a = unary(single_erf_op, divide(lo, root, s), s),
        b = unary(single_erf_op, divide(hi, root, s), s);
  array z = unary(single_erfinv_op, uniform(a, b, out, dtype, key, s), s);
  return maximum(minimum(multiply(root, z, s), hi, s), lo, s);
}

array gumbel(const Shape& shape, Dtype dtype, const MaybeKey& key, StreamOrDevice s) {
  array u = uniform(shape, dtype, key, s);
  return negative(unary(library_log_op, negative(unary(library_log_op, u, s), s), s), s);
}

array laplace(const Shape& shape, Dtype dtype, double loc, double scale, const MaybeKey& key,
              StreamOrDevice s) {
  check_floating(dtype, "laplace");
  array u = symmetric_uniform(shape, key, s);
  if (dtype == float64) u = astype(u, dtype, s);
  array size = unary(library_log1p_op, negative(abs(u, s), s), s);
  array out = astype(multiply(sign(u, s), size, s), dtype, s);
  // Single precision, whatever the dtype, as in MLX.
  auto factor = static_cast<float>(scale), shift = static_cast<float>(loc);
  if (factor != 1) out = multiply(array(factor, dtype), out, s);
  return shift == 0 ? out : add(array(shift, dtype), out, s);
}

namespace {

// Draws from one row by inverting the cumulative sum of its probabilities, as MLX does: a random
// number for each draw and not for each category. The last category that has any probability is
// the largest result, however the sum was rounded.
array invert_row(const array& logits, const Shape& draws, const MaybeKey& key, StreamOrDevice s) {
  array row = astype(reshape(logits, {-1}, s), float32, s);
  array below = cumsum(softmax(row, -1, true, s), 0, false, true, s);
  array total = take(below, array(-1), s);
  array u = uniform(array(0.0f), array(1.0f), draws, float32, key, s);
  array passed = sum(less_equal(below, expand_dims(u, -1, s), s), -1, false, s);
  array last = sum(less(below, total, s), -1, false, s);
  return astype(minimum(passed, last, s), uint32, s);
}

}  // namespace

array categorical(const array& logits, int axis, const std::optional<Shape>& shape,
                  const std::optional<int>& num_samples, const MaybeKey& key, StreamOrDevice s) {
  int ax = normalize_axis(axis, logits.ndim(), "categorical");
  if (shape && num_samples) {
    fail("[categorical] expected a shape or num_samples, not both; got ", *shape, " and ",
         *num_samples);
  }
  bool one_row = logits.size() > 0 && static_cast<int64_t>(logits.size()) == logits.shape()[ax];
  if (num_samples) {
    Shape draws = logits.shape();
    if (one_row && *num_samples >= 0) {
      draws.erase(draws.begin() + ax);
      draws.push_back(*num_samples);
      return invert_row(logits, draws, key, s);
    }
    draws.push_back(*num_samples);
    array noisy = add(expand_dims(logits, -1, s), gumbel(draws, float32, key, s), s);
    return argmax(noisy, ax, false, s);
  }
  Shape draws = logits.shape();
  if (shape) {
    Shape rows = logits.shape();
    rows.erase(rows.begin() + ax);
    if (rows.size() > shape->size() ||
        broadcast_shapes(std::span<const int64_t>(rows), *shape, "categorical") != *shape) {
      fail("[categorical] expected a shape that the logits' ", rows, " broadcasts to; got ",
           *shape);
    }
    if (one_row && !shape->empty()) return invert_row(logits, *shape, key, s);
    draws = *shape;
    draws.insert(draws.end() - (logits.ndim() - 1 - ax), logits.shape()[ax]);
  }
  if (one_row && !shape && logits.ndim() > 1) {
    draws.erase(draws.begin() + ax);
    return invert_row(logits, draws, key, s);
  }
  return argmax(add(logits, gumbel(draws, float32, key, s), s), ax - logits.ndim(), false, s);
}

array permutation(const array& x, int axis, const MaybeKey& key, StreamOrDevice s) {
  if (x.ndim() > 0) {
    int ax = normalize_axis(axis, x.ndim(), "permutation");
    return take(x, argsort(bits({x.shape()[ax]}, 4, key, s), 0, s), ax, s);
  }
  if (!is_integer(x.dtype())) {
    fail("[permutation] expected an integer or an array of axes; got a scalar of ", x.dtype());
  }
  return argsort(bits({x.item<int64_t>()}, 4, key, s), 0, s);
}

}  // namespace olivine::random
