// Random numbers from a counter-based generator (Threefry-2x32): the same key, the same numbers, on
// any machine and any number of threads.
#pragma once

#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "olivine/array.h"
#include "olivine/device.h"

namespace olivine::random {

// A key of two uint32 from a seed.
OLIVINE_API array key(uint64_t seed);
// Independent keys made from one: `num` rows, or two.
OLIVINE_API array split(const array& key, int num, StreamOrDevice s = {});
OLIVINE_API std::pair<array, array> split(const array& key, StreamOrDevice s = {});

// The process-wide sequence of keys, used where no key is given. Safe from any thread.
OLIVINE_API void seed(uint64_t seed);
OLIVINE_API array next_key();
// The key that the sequence continues from; a transformation may put its own in place.
OLIVINE_API array state();
OLIVINE_API void set_state(const array& key);

// The keys that this thread draws from the sequence while it lives, or draws again: made with keys,
// it gives out those, and the sequence, which other threads draw from, stays as it is.
class OLIVINE_API Draws {
 public:
  Draws();
  explicit Draws(std::vector<array> keys);
  ~Draws();
  Draws(const Draws&) = delete;
  Draws& operator=(const Draws&) = delete;
  const std::vector<array>& keys() const { return keys_; }

 private:
  friend array next_key();
  friend void set_state(const array& key);
  array next();
  std::vector<array> keys_;
  bool again_;
  size_t at_ = 0;
  Draws* outer_;
};

// A sequence of keys from a seed; the default one is the process-wide sequence.
class OLIVINE_API KeySequence {
 public:
  explicit KeySequence(uint64_t seed);
  void seed(uint64_t seed);
  array next();
  static KeySequence& default_();

 private:
  KeySequence() = default;
  std::optional<array> key_;  // none: the process-wide sequence
};

// Random bits in unsigned integers of `width` bytes (1, 2 or 4).
OLIVINE_API array bits(const Shape& shape, int width, const std::optional<array>& key = {},
                       StreamOrDevice s = {});
inline array bits(const Shape& shape, const std::optional<array>& key = {}, StreamOrDevice s = {}) {
  return bits(shape, 4, key, s);
}
// Uniform in [low, high).
OLIVINE_API array uniform(const array& low, const array& high, const Shape& shape,
                          Dtype dtype = float32, const std::optional<array>& key = {},
                          StreamOrDevice s = {});
inline array uniform(const Shape& shape, Dtype dtype = float32,
                     const std::optional<array>& key = {}, StreamOrDevice s = {}) {
  return uniform(array(0.f), array(1.f), shape, dtype, key, s);
}
// Normal with mean `loc` and standard deviation `scale`.
OLIVINE_API array normal(const Shape& shape, Dtype dtype, const std::optional<array>& loc,
                         const std::optional<array>& scale, const std::optional<array>& key = {},
                         StreamOrDevice s = {});
inline array normal(const Shape& shape, Dtype dtype = float32, const std::optional<array>& key = {},
                    StreamOrDevice s = {}) {
  return normal(shape, dtype, std::nullopt, std::nullopt, key, s);
}
// Normal vectors with the mean (..., d) and the covariance (..., d, d), whose leading axes
// broadcast to `shape`, which the result has before d.
OLIVINE_API array multivariate_normal(const array& mean, const array& cov, const Shape& shape,
                                      Dtype dtype = float32, const std::optional<array>& key = {},
                                      StreamOrDevice s = {});
// Integers in [low, high).
OLIVINE_API array randint(const array& low, const array& high, const Shape& shape,
                          Dtype dtype = int32, const std::optional<array>& key = {},
                          StreamOrDevice s = {});
// True with probability `p`.
OLIVINE_API array bernoulli(const array& p, const std::optional<Shape>& shape,
                            const std::optional<array>& key = {}, StreamOrDevice s = {});
inline array bernoulli(const array& p = array(0.5f), const std::optional<array>& key = {},
                       StreamOrDevice s = {}) {
  return bernoulli(p, std::nullopt, key, s);
}
// Standard normal within [lower, upper].
OLIVINE_API array truncated_normal(const array& lower, const array& upper,
                                   const std::optional<Shape>& shape, Dtype dtype = float32,
                                   const std::optional<array>& key = {}, StreamOrDevice s = {});
// Standard Gumbel.
OLIVINE_API array gumbel(const Shape& shape, Dtype dtype = float32,
                         const std::optional<array>& key = {}, StreamOrDevice s = {});
// Laplace with mean `loc` and scale `scale`.
OLIVINE_API array laplace(const Shape& shape, Dtype dtype, double loc, double scale,
                          const std::optional<array>& key = {}, StreamOrDevice s = {});
inline array laplace(const Shape& shape, Dtype dtype = float32,
                     const std::optional<array>& key = {}, StreamOrDevice s = {}) {
  return laplace(shape, dtype, 0.0, 1.0, key, s);
}
// Indices along `axis` with probabilities softmax(logits); `shape` of the result, or `num_samples`
// per row as a new last axis.
OLIVINE_API array categorical(const array& logits, int axis, const std::optional<Shape>& shape,
                              const std::optional<int>& num_samples,
                              const std::optional<array>& key = {}, StreamOrDevice s = {});
inline array categorical(const array& logits, int axis = -1, const std::optional<array>& key = {},
                         StreamOrDevice s = {}) {
  return categorical(logits, axis, std::nullopt, std::nullopt, key, s);
}

// A permutation of 0 … x-1 for a scalar x, else of the slices of x along `axis`.
OLIVINE_API array permutation(const array& x, int axis = 0, const std::optional<array>& key = {},
                              StreamOrDevice s = {});

// ---- MLX's other forms, with scalars for bounds and parameters.
template <class T>
concept Number = std::is_arithmetic_v<T>;

template <Number T, Number U>
array uniform(T low, U high, const Shape& shape, Dtype dtype = float32,
              const std::optional<array>& key = {}, StreamOrDevice s = {}) {
  return uniform(array(low), array(high), shape, dtype, key, s);
}
template <Number T, Number U>
array randint(T low, U high, const Shape& shape, Dtype dtype = int32,
              const std::optional<array>& key = {}, StreamOrDevice s = {}) {
  return randint(array(low), array(high), shape, dtype, key, s);
}
inline array normal(const Shape& shape, Dtype dtype, float loc, float scale,
                    const std::optional<array>& key = {}, StreamOrDevice s = {}) {
  return normal(shape, dtype, array(loc, dtype), array(scale, dtype), key, s);
}
inline array normal(const Shape& shape, float loc, float scale,
                    const std::optional<array>& key = {}, StreamOrDevice s = {}) {
  return normal(shape, float32, loc, scale, key, s);
}
inline array laplace(const Shape& shape, float loc, float scale,
                     const std::optional<array>& key = {}, StreamOrDevice s = {}) {
  return laplace(shape, float32, loc, scale, key, s);
}
template <Number T>
array bernoulli(T p, const Shape& shape, const std::optional<array>& key = {},
                StreamOrDevice s = {}) {
  return bernoulli(array(static_cast<float>(p)), shape, key, s);
}
template <Number T>
array bernoulli(T p, const std::optional<array>& key = {}, StreamOrDevice s = {}) {
  return bernoulli(array(static_cast<float>(p)), key, s);
}
inline array truncated_normal(const array& lower, const array& upper, Dtype dtype = float32,
                              const std::optional<array>& key = {}, StreamOrDevice s = {}) {
  return truncated_normal(lower, upper, std::nullopt, dtype, key, s);
}
inline array categorical(const array& logits, int axis, const Shape& shape,
                         const std::optional<array>& key = {}, StreamOrDevice s = {}) {
  return categorical(logits, axis, shape, std::nullopt, key, s);
}
inline array categorical(const array& logits, int axis, int num_samples,
                         const std::optional<array>& key = {}, StreamOrDevice s = {}) {
  return categorical(logits, axis, std::nullopt, num_samples, key, s);
}
inline array uniform(const Shape& shape, const std::optional<array>& key, StreamOrDevice s = {}) {
  return uniform(shape, float32, key, s);
}
inline array normal(const Shape& shape, const std::optional<array>& key, StreamOrDevice s = {}) {
  return normal(shape, float32, key, s);
}
inline array laplace(const Shape& shape, const std::optional<array>& key, StreamOrDevice s = {}) {
  return laplace(shape, float32, key, s);
}
inline array bernoulli(const std::optional<array>& key, StreamOrDevice s = {}) {
  return bernoulli(array(0.5f), key, s);
}
inline array permutation(int x, const std::optional<array>& key = {}, StreamOrDevice s = {}) {
  return permutation(array(x), 0, key, s);
}

}  // namespace olivine::random
