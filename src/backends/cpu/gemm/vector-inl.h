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

// The first `count` lanes, from elements `stride` apart; the others are zero.
template <class S>
inline Vec<Compute<S>> load_some(const S* p, int64_t count, int64_t stride = 1) {
  S lanes[kLanes<Compute<S>>] = {};
  for (int64_t i = 0; i < count; ++i) lanes[i] = p[i * stride];
  return load(lanes);
}
template <class S>
inline void store_some(S* p, Vec<Compute<S>> v, int64_t count) {
  S lanes[kLanes<Compute<S>>];
  store(lanes, v);
  for (int64_t i = 0; i < count; ++i) p[i] = lanes[i];
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
struct PieceOf {
  typedef T type __attribute__((vector_size(16)));
};
template <class T>
using Piece = typename PieceOf<T>::type;
template <class T>
constexpr int kPiece = 16 / static_cast<int>(sizeof(T));

template <class T, int... I>
inline Piece<T> piece(Vec<T> v, int index, std::integer_sequence<int, I...>) {
  constexpr int pieces = kVectorBytes / 16;
  Piece<T> out{};
  switch (index % pieces) {
    case 0:
      out = __builtin_shufflevector(v, v, I...);
      break;
    case 1:
      if constexpr (pieces > 1) out = __builtin_shufflevector(v, v, (kPiece<T> + I)...);
      break;
    case 2:
      if constexpr (pieces > 2) out = __builtin_shufflevector(v, v, (2 * kPiece<T> + I)...);
      break;
    case 3:
      if constexpr (pieces > 2) out = __builtin_shufflevector(v, v, (3 * kPiece<T> + I)...);
      break;
  }
  return out;
}
template <class T>
inline void store_piece(T* p, Vec<T> v, int index) {
  Piece<T> out = piece<T>(v, index, std::make_integer_sequence<int, kPiece<T>>{});
  __builtin_memcpy(p, &out, sizeof out);
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

// Transposes the square in each piece of kPiece vectors: piece i of vector j then holds lane
// kPiece * i + j of all.
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
