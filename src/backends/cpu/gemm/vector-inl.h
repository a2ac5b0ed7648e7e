// Vectors of the instruction set a file is compiled for: loads and stores that convert, and FMA.
#pragma once

#include <cstdint>
#include <type_traits>
#include <utility>

#include "backends/cpu/half_vector-inl.h"
#include "olivine/dtype.h"

// Everything here has internal linkage, so no other file can end up with this one's instructions.
namespace olivine::cpu::OLIVINE_ISA {
namespace {

template <class T>
struct VectorOf {
  typedef T type __attribute__((vector_size(kVectorBytes)));
};
template <class T>
using Vec = typename VectorOf<T>::type;
template <class T>
constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(T));

// The type that a storage type is computed in.
template <class S>
struct ComputeOf {
  using type = S;
};
template <>
struct ComputeOf<float16_t> {
  using type = float;
};
template <>
struct ComputeOf<bfloat16_t> {
  using type = float;
};
template <>
struct ComputeOf<ScaledFloat16> {
  using type = float;
};
template <class S>
using Compute = typename ComputeOf<S>::type;

constexpr int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }

template <class T>
inline Vec<T> broadcast(T x) {
  return x - Vec<T>{};  // minus: -0 stays -0
}

inline Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) {
#if defined(__AVX512F__)
  return _mm512_fmadd_ps(a, b, c);
#elif defined(__AVX2__)
  return _mm256_fmadd_ps(a, b, c);
#else
  return a * b + c;
#endif
}
inline Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) {
#if defined(__AVX512F__)
  return _mm512_fmadd_pd(a, b, c);
#elif defined(__AVX2__)
  return _mm256_fmadd_pd(a, b, c);
#else
  return a * b + c;
#endif
}

template <class S>
constexpr bool kIsHalf = sizeof(S) == 2;

template <class S>
inline Vec<Compute<S>> load(const S* p) {
  if constexpr (kIsHalf<S>) {
    return load_halves(p);
  } else {
    Vec<S> v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
  }
}
template <class S>
inline void store(S* p, Vec<Compute<S>> v) {
  if constexpr (kIsHalf<S>) {
    store_halves(p, v);
  } else {
    __builtin_memcpy(p, &v, sizeof v);
  }
}

// Picks the first lanes of a vector, none if the count is negative: loads and stores with it touch
// no other memory.
#if defined(__AVX512F__)
template <class T>
using FirstLanes = std::conditional_t<sizeof(T) == 4, __mmask16, __mmask8>;
template <class T>
inline FirstLanes<T> first_lanes(int64_t count) {
  return static_cast<FirstLanes<T>>(count > 0 ? (uint32_t{1} << count) - 1 : 0);
}
inline Vec<float> load(const float* p, __mmask16 lanes) { return _mm512_maskz_loadu_ps(lanes, p); }
inline Vec<double> load(const double* p, __mmask8 lanes) { return _mm512_maskz_loadu_pd(lanes, p); }
inline void store(float* p, Vec<float> v, __mmask16 lanes) { _mm512_mask_storeu_ps(p, lanes, v); }
inline void store(double* p, Vec<double> v, __mmask8 lanes) { _mm512_mask_storeu_pd(p, lanes, v); }
template <class S>
inline Vec<float> load_half(const S* p, __mmask16 lanes) {
  return floats_of(S{}, (HalfLanes)_mm256_maskz_loadu_epi16(lanes, p));
}
template <class S>
inline void store_half(S* p, Vec<float> v, __mmask16 lanes) {
  _mm256_mask_storeu_epi16(p, lanes, (__m256i)bits_of(S{}, v));
}
#elif defined(__AVX2__)
template <class T>
using FirstLanes = Vec<std::conditional_t<sizeof(T) == 4, int32_t, int64_t>>;
template <class T>
inline FirstLanes<T> first_lanes(int64_t count) {
  FirstLanes<T> index;
  for (int i = 0; i < kLanes<T>; ++i) index[i] = i;
  return index < static_cast<decltype(+index[0])>(count);
}
inline Vec<float> load(const float* p, FirstLanes<float> lanes) {
  return _mm256_maskload_ps(p, (__m256i)lanes);
}
inline Vec<double> load(const double* p, FirstLanes<double> lanes) {
  return _mm256_maskload_pd(p, (__m256i)lanes);
}
inline void store(float* p, Vec<float> v, FirstLanes<float> lanes) {
  _mm256_maskstore_ps(p, (__m256i)lanes, v);
}
inline void store(double* p, Vec<double> v, FirstLanes<double> lanes) {
  _mm256_maskstore_pd(p, (__m256i)lanes, v);
}
#else
template <class T>
struct FirstLanes {
  int64_t count;
};
template <class T>
inline FirstLanes<T> first_lanes(int64_t count) {
  return {count};
}
template <class T>
inline Vec<T> load(const T* p, FirstLanes<T> lanes) {
  T values[kLanes<T>] = {};
  for (int64_t i = 0; i < lanes.count; ++i) values[i] = p[i];
  return load(values);
}
template <class T>
inline void store(T* p, Vec<T> v, FirstLanes<T> lanes) {
  for (int64_t i = 0; i < lanes.count; ++i) p[i] = v[i];
}
#endif

// The first `count` lanes; the others are zero.
template <class S>
inline Vec<Compute<S>> load_some(const S* p, int64_t count) {
  if constexpr (!kIsHalf<S>) {
    return load(p, first_lanes<S>(count));
  } else {
#if defined(__AVX512F__)
    return load_half(p, first_lanes<float>(count));
#else
    S lanes[kLanes<float>] = {};
    for (int64_t i = 0; i < count; ++i) lanes[i] = p[i];
    return load(lanes);
#endif
  }
}
template <class S>
inline Vec<Compute<S>> load_some(const S* p, int64_t count, int64_t stride) {
  S lanes[kLanes<Compute<S>>] = {};
  for (int64_t i = 0; i < count; ++i) lanes[i] = p[i * stride];
  return load(lanes);
}
template <class S>
inline void store_some(S* p, Vec<Compute<S>> v, int64_t count) {
  if constexpr (!kIsHalf<S>) {
    store(p, v, first_lanes<S>(count));
  } else {
#if defined(__AVX512F__)
    store_half(p, v, first_lanes<float>(count));
#else
    S lanes[kLanes<float>];
    store(lanes, v);
    for (int64_t i = 0; i < count; ++i) p[i] = lanes[i];
#endif
  }
}

// The last `count` lanes; the others become zero.
template <class T>
inline Vec<T> last_lanes(Vec<T> v, int64_t count) {
  using I = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;
  Vec<I> index;
  for (int i = 0; i < kLanes<T>; ++i) index[i] = i;
  return index >= static_cast<I>(kLanes<T> - count) ? v : Vec<T>{};
}

template <class T, int half, int... I>
inline Vec<T> add_half(Vec<T> v, std::integer_sequence<int, I...>) {
  return v + __builtin_shufflevector(v, v, (I + half) % kLanes<T>...);
}
template <class T, int half = kLanes<T> / 2>
inline T sum(Vec<T> v) {
  if constexpr (half == 0) {
    return v[0];
  } else {
    v = add_half<T, half>(v, std::make_integer_sequence<int, kLanes<T>>{});
    return sum<T, half / 2>(v);
  }
}

// A vector is made of pieces of 16 bytes.
template <class T>
constexpr int kPiece = 16 / static_cast<int>(sizeof(T));

// A vector of the pieces at `at`, `at + step` and so on.
template <class T>
inline Vec<T> load_pieces(const T* const* at, [[maybe_unused]] int step, int64_t offset) {
#if defined(__AVX512F__)
  const auto from = [&](int i) {
    return _mm_castps_si128(_mm_loadu_ps(reinterpret_cast<const float*>(at[i * step] + offset)));
  };
  __m512i v = _mm512_castsi128_si512(from(0));
  v = _mm512_inserti32x4(v, from(1), 1);
  v = _mm512_inserti32x4(v, from(2), 2);
  return (Vec<T>)_mm512_inserti32x4(v, from(3), 3);
#elif defined(__AVX2__)
  const auto from = [&](int i) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at[i * step] + offset));
  };
  return (Vec<T>)_mm256_inserti128_si256(_mm256_castsi128_si256(from(0)), from(1), 1);
#else
  return load(at[0] + offset);
#endif
}

// Within each piece: the first, or the second, half of a's elements, each followed by b's. A
// permutation of lanes in shuffles of `unit` elements: unit 1 takes elements, 2 pairs.
template <class T, int unit, bool second, int... I>
inline Vec<T> interleave(Vec<T> a, Vec<T> b, std::integer_sequence<int, I...>) {
  constexpr int lanes = kLanes<T>, piece = kPiece<T>;
  return __builtin_shufflevector(
      a, b,
      (I / piece * piece + (second ? piece / 2 : 0) + I % piece / (2 * unit) * unit + I % unit +
       (I / unit % 2 ? lanes : 0))...);
}
template <class T, int unit, bool second>
inline Vec<T> interleave(Vec<T> a, Vec<T> b) {
  return interleave<T, unit, second>(a, b, std::make_integer_sequence<int, kLanes<T>>{});
}

// Transposes the square that piece i of all kPiece vectors make, for each i.
inline void transpose_pieces(Vec<float> (&v)[4]) {
  const Vec<float> a = interleave<float, 1, false>(v[0], v[1]);
  const Vec<float> b = interleave<float, 1, true>(v[0], v[1]);
  const Vec<float> c = interleave<float, 1, false>(v[2], v[3]);
  const Vec<float> d = interleave<float, 1, true>(v[2], v[3]);
  v[0] = interleave<float, 2, false>(a, c);
  v[1] = interleave<float, 2, true>(a, c);
  v[2] = interleave<float, 2, false>(b, d);
  v[3] = interleave<float, 2, true>(b, d);
}
inline void transpose_pieces(Vec<double> (&v)[2]) {
  const Vec<double> a = v[0];
  v[0] = interleave<double, 1, false>(a, v[1]);
  v[1] = interleave<double, 1, true>(a, v[1]);
}

}  // namespace
}  // namespace olivine::cpu::OLIVINE_ISA
