// Positional encodings.
#include "olivine/nn/positional_encoding.h"

#include <bit>
#include <cmath>
#include <numbers>

#include "core/error.h"
#include "layers.h"
#include "olivine/fast.h"
#include "olivine/ops/shape.h"
#include "weak.h"

namespace olivine::nn {

RoPE::RoPE(int dims, bool traditional, double base, double scale)
    : dims(dims), traditional(traditional), base(base), scale(scale) {}
array RoPE::operator()(const array& x, int offset) const {
  return fast::rope(x, dims, traditional, base, scale, offset);
}
std::string RoPE::extra_repr() const { return message(dims, ", traditional=", truth(traditional)); }

static array frequencies(int dims, const SinusoidalOptions& o) {
  if (dims < 2) fail("[SinusoidalPositionalEncoding] expected dims of at least 2; got ", dims);
  array fraction = 1 - arange(0, dims / 2) / (dims / 2 - 1);
  double low = std::log(o.min_freq), high = std::log(o.max_freq);
  array found = exp(fraction * (high - low) + low);
  return o.full_turns ? found * (2 * std::numbers::pi) : found;
}

SinusoidalPositionalEncoding::SinusoidalPositionalEncoding(int dims, const SinusoidalOptions& o)
    : frequencies_(frequencies(dims, o)),
      scale_(o.scale && *o.scale != 0 ? *o.scale : std::sqrt(2.0 / dims)),
      cos_first_(o.cos_first) {}

array SinusoidalPositionalEncoding::operator()(const array& x) const {
  array angle = expand_dims(x, -1) * frequencies_;
  std::vector<array> halves{sin(angle), cos(angle)};
  if (cos_first_) std::swap(halves[0], halves[1]);
  array y = concatenate(halves, -1);
  return scale_ != 1 ? y * scale_ : y;
}

array ALiBi::create_alibi_matrix(int q_sequence_length, int k_sequence_length, int num_heads,
                                 int offset, Dtype dtype) {
  array queries = expand_dims(arange(offset, q_sequence_length), 1);
  array keys = expand_dims(arange(0, k_sequence_length), 0);
  array distance = -abs(queries - keys);
  return expand_dims(astype(distance, dtype), {0, 1}) * create_alibi_slope(num_heads, dtype);
}

array ALiBi::create_alibi_slope(int num_heads, Dtype dtype) {
  if (num_heads < 1) fail("[ALiBi] expected at least one head; got ", num_heads);
  // Beyond the largest power of two, heads take every other slope of twice as many, as in the
  // authors' program.
  int power = static_cast<int>(std::bit_floor(static_cast<unsigned>(num_heads)));
  std::vector<double> slopes;
  for (int head = 0; head < power; ++head) slopes.push_back(std::pow(2, -8.0 * (head + 1) / power));
  for (int i = 0; i < num_heads - power; ++i) {
    slopes.push_back(std::pow(2, -8.0 * (2 * i + 1) / (2 * power)));
  }
  return array(slopes.begin(), {num_heads, 1, 1}, dtype);
}

array ALiBi::operator()(const array& scores, int offset, const std::optional<array>& mask) const {
  if (scores.ndim() != 4) {
    fail("[ALiBi] expected scores (batch, heads, queries, keys); got shape ", scores.shape());
  }
  array penalty = create_alibi_matrix(static_cast<int>(scores.shape(2)) + offset,
                                      static_cast<int>(scores.shape(3)),
                                      static_cast<int>(scores.shape(1)), offset, scores.dtype());
  if (mask) penalty = penalty + *mask;
  return scores + penalty;
}

}  // namespace olivine::nn
