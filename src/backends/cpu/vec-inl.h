// Wide<A>: 64 bytes of lanes of A on every instruction set, so that kernels written with it give
// the same bits on all of them; loads widen narrow elements, stores round back.
//
// For kernel files only: everything lies in the instruction set's own namespace.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "olivine/dtype.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace olivine::cpu::OLIVINE_ISA {

#if defined(__AVX512BW__)
inline constexpr int kVectorBytes = 64;
#elif defined(__AVX2__)
inline constexpr int kVectorBytes = 32;
#else
inline constexpr int kVectorBytes = 16;
#endif

#define OLIVINE_INLINE __attribute__((always_inline)) inline

// Own versions of small std templates: those would be weak symbols, which the linker may take from
// the build for another instruction set.
OLIVINE_INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
OLIVINE_INLINE int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }
template <class T>
OLIVINE_INLINE void fill(T* p, int64_t n, T x) {
  for (int64_t i = 0; i < n; ++i) p[i] = x;
}
template <class T>
OLIVINE_INLINE void copy(const T* from, int64_t n, T* to) {
  for (int64_t i = 0; i < n; ++i) to[i] = from[i];
}

template <class T, int N>
struct VecOf {
  typedef T type __attribute__((vector_size(N * sizeof(T))));
};
// Those are stored in vectors of integers; without a type, overloads on Native leave them out.
template <int N>
struct VecOf<float16_t, N> {};
template <int N>
struct VecOf<bfloat16_t, N> {};
template <class A>
using Native = typename VecOf<A, kVectorBytes / int(sizeof(A))>::type;

// How many native vectors make one Wide.
inline constexpr int kParts = 64 / kVectorBytes;

template <class A>
struct Wide {
  static constexpr int lanes = 64 / sizeof(A);
  Native<A> v[kParts];
};

template <class A>
OLIVINE_INLINE Wide<A> broadcast(A x) {
  Wide<A> w;
#pragma GCC unroll 4
  for (int r = 0; r < kParts; ++r) w.v[r] = x - Native<A>{};
  return w;
}

// f applied to each native vector of the operands.
template <class A, class F>
OLIVINE_INLINE Wide<A> map(Wide<A> a, F f) {
#pragma GCC unroll 4
  for (int r = 0; r < kParts; ++r) a.v[r] = f(a.v[r]);
  return a;
}
template <class A, class F>
OLIVINE_INLINE Wide<A> map(Wide<A> a, Wide<A> b, F f) {
#pragma GCC unroll 4
  for (int r = 0; r < kParts; ++r) a.v[r] = f(a.v[r], b.v[r]);
  return a;
}

template <class T>
inline constexpr bool is_half = std::is_same_v<T, float16_t> || std::is_same_v<T, bfloat16_t>;

// ---- Scalars: from storage to the type that arithmetic happens in, and back.
template <class A, class T>
OLIVINE_INLINE A widen(T x) {
  if constexpr (std::is_same_v<T, bfloat16_t>) {
    return __builtin_bit_cast(float, uint32_t{x.bits} << 16);
  } else if constexpr (std::is_same_v<T, float16_t>) {
#if defined(__F16C__)
    return _cvtsh_ss(x.bits);
#else
    return to_float(x);
#endif
  } else {
    return static_cast<A>(x);
  }
}
template <class T, class A>
OLIVINE_INLINE T narrow(A x) {
  if constexpr (std::is_same_v<T, bfloat16_t>) {
    return to_bfloat16(x);
  } else if constexpr (std::is_same_v<T, float16_t>) {
    return to_float16(x);
  } else {
    return static_cast<T>(x);
  }
}

// ---- Native vectors.

// GCC 12 makes several instructions of a conversion of lanes where AVX-512 has one.
using HalfWords = VecOf<uint16_t, kVectorBytes / 4>::type;
OLIVINE_INLINE Native<uint32_t> widen_words(HalfWords h) {
#if defined(__AVX512BW__)
  return (Native<uint32_t>)_mm512_maskz_cvtepu16_epi32(0xffff, (__m256i)h);
#else
  return __builtin_convertvector(h, Native<uint32_t>);
#endif
}
OLIVINE_INLINE HalfWords narrow_words(Native<uint32_t> u) {
#if defined(__AVX512BW__)
  return (HalfWords)_mm512_maskz_cvtepi32_epi16(0xffff, (__m512i)u);
#else
  return __builtin_convertvector(u, HalfWords);
#endif
}

template <class A, class T>
OLIVINE_INLINE Native<A> load_native(const T* p) {
  constexpr int L = kVectorBytes / int(sizeof(A));
  if constexpr (sizeof(A) == sizeof(T)) {
    Native<A> v;
    std::memcpy(&v, p, sizeof v);
    return v;
  } else if constexpr (std::is_same_v<T, bfloat16_t>) {
    typename VecOf<uint16_t, L>::type h;
    std::memcpy(&h, p, sizeof h);
    return (Native<float>)(widen_words(h) << 16);
  } else if constexpr (std::is_same_v<T, float16_t>) {
#if defined(__AVX512BW__)
    // The masked form: g++ 12 warns about the plain one's undefined source register.
    auto h = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return (Native<float>)_mm512_maskz_cvtph_ps(0xffff, h);
#elif defined(__AVX2__)
    return (Native<float>)_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
#else
    Native<float> v{};
    for (int i = 0; i < L; ++i) v[i] = to_float(p[i]);
    return v;
#endif
  } else {
    typename VecOf<T, L>::type t;
    std::memcpy(&t, p, sizeof t);
    return __builtin_convertvector(t, Native<A>);
  }
}

OLIVINE_INLINE void store_native(float16_t* p, Native<float> v) {
#if defined(__AVX512BW__)
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_maskz_cvtps_ph(0xffff, (__m512)v, 0));
#elif defined(__AVX2__)
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph((__m256)v, 0));
#else
  for (int i = 0; i < kVectorBytes / 4; ++i) p[i] = to_float16(v[i]);
#endif
}
// Rounds to nearest even; NaN stays NaN.
OLIVINE_INLINE void store_native(bfloat16_t* p, Native<float> v) {
  Native<uint32_t> b = (Native<uint32_t>)v;
  Native<uint32_t> r = (b + 0x7fff + ((b >> 16) & 1)) >> 16;
  r = (Native<uint32_t>)(v != v) ? ((b >> 16) | 0x40) : r;
  const HalfWords h = narrow_words(r);
  std::memcpy(p, &h, sizeof h);
}
template <class A>
OLIVINE_INLINE void store_native(A* p, Native<A> v) {
  std::memcpy(p, &v, sizeof v);
}

// ---- Wide loads and stores.
template <class A, class T>
OLIVINE_INLINE Wide<A> load(const T* p) {
  Wide<A> w;
#pragma GCC unroll 4
  for (int r = 0; r < kParts; ++r) w.v[r] = load_native<A>(p + r * (kVectorBytes / int(sizeof(A))));
  return w;
}
template <class T, class A>
OLIVINE_INLINE void store(T* p, Wide<A> w) {
#pragma GCC unroll 4
  for (int r = 0; r < kParts; ++r) store_native(p + r * (kVectorBytes / int(sizeof(A))), w.v[r]);
}
// The first n < lanes elements, the other lanes `fill`; reads no others.
template <class A, class T>
OLIVINE_INLINE Wide<A> load_first(const T* p, int64_t n, A fill) {
  A lanes[Wide<A>::lanes];
  store(lanes, broadcast<A>(fill));
  for (int64_t i = 0; i < n; ++i) lanes[i] = widen<A>(p[i]);
  return load<A>(lanes);
}
template <class T, class A>
OLIVINE_INLINE void store_first(T* p, int64_t n, Wide<A> w) {
  A lanes[Wide<A>::lanes];
  store(lanes, w);
  for (int64_t i = 0; i < n; ++i) p[i] = narrow<T>(lanes[i]);
}

// op over all lanes, as a tree.
template <class A, class F>
OLIVINE_INLINE A fold_lanes(Wide<A> w, F op) {
  A lanes[Wide<A>::lanes];
  store(lanes, w);
#pragma GCC unroll 8
  for (int h = Wide<A>::lanes / 2; h > 0; h /= 2) {
    for (int i = 0; i < h; ++i) lanes[i] = op(lanes[i], lanes[i + h]);
  }
  return lanes[0];
}

}  // namespace olivine::cpu::OLIVINE_ISA
