// Wide<A>: 64 bytes of lanes of A on every instruction set, so that kernels written with it give
// the same bits on all of them; loads widen narrow elements, stores round back.
//
// For kernel files only: everything lies in the instruction set's own namespace.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "backends/cpu/half_vector-inl.h"
#include "olivine/dtype.h"

namespace olivine::cpu::OLIVINE_ISA {

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
inline constexpr bool is_half =
    std::is_same_v<T, float16_t> || std::is_same_v<T, bfloat16_t> ||
    std::is_same_v<T, FiniteFloat16> || std::is_same_v<T, ScaledFloat16>;

// ---- Scalars: from storage to the type that arithmetic happens in, and back.
template <class A, class T>
OLIVINE_INLINE A widen(T x) {
  if constexpr (std::is_same_v<T, bfloat16_t>) {
    return __builtin_bit_cast(float, uint32_t{x.bits} << 16);
  } else if constexpr (std::is_same_v<T, FiniteFloat16>) {
    return to_float(float16_t::from_bits(x.bits));
  } else if constexpr (std::is_same_v<T, ScaledFloat16>) {
    return to_float(float16_t::from_bits(x.bits)) * 0x1p-112f;
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
  } else if constexpr (std::is_same_v<T, FiniteFloat16>) {
    return {to_float16(x).bits};
  } else if constexpr (std::is_same_v<T, ScaledFloat16>) {
    return {to_float16(x * 0x1p112f).bits};
  } else if constexpr (std::is_same_v<T, float16_t>) {
    return to_float16(x);
  } else {
    return static_cast<T>(x);
  }
}

// ---- Native vectors.

template <class A, class T>
OLIVINE_INLINE Native<A> load_native(const T* p) {
  if constexpr (sizeof(A) == sizeof(T)) {
    Native<A> v;
    std::memcpy(&v, p, sizeof v);
    return v;
  } else if constexpr (is_half<T>) {
    return load_halves(p);
  } else {
    typename VecOf<T, kVectorBytes / int(sizeof(A))>::type t;
    std::memcpy(&t, p, sizeof t);
    return __builtin_convertvector(t, Native<A>);
  }
}

OLIVINE_INLINE void store_native(float16_t* p, Native<float> v) { store_halves(p, v); }
OLIVINE_INLINE void store_native(bfloat16_t* p, Native<float> v) { store_halves(p, v); }
template <class A>
OLIVINE_INLINE void store_native(A* p, Native<A> v) {
  std::memcpy(p, &v, sizeof v);
}

// ---- Wide loads and stores.
template <class A, class T>
OLIVINE_INLINE Wide<A> load(const T* p) {
  Wide<A> w;
#if defined(__SSE2__) && !defined(__AVX2__)
  if constexpr (std::is_same_v<T, FiniteFloat16>) {
    load_pair(p, w.v[0], w.v[1]);
    load_pair(p + 8, w.v[2], w.v[3]);
    return w;
  }
#endif
#pragma GCC unroll 4
  for (int r = 0; r < kParts; ++r) w.v[r] = load_native<A>(p + r * (kVectorBytes / int(sizeof(A))));
  return w;
}
template <class T, class A>
OLIVINE_INLINE void store(T* p, Wide<A> w) {
  if constexpr (is_half<T> && kParts > 1) {
    constexpr int lanes = kVectorBytes / 4;
#pragma GCC unroll 2
    for (int r = 0; r < kParts; r += 2) store_halves(p + r * lanes, w.v[r], w.v[r + 1]);
  } else {
#pragma GCC unroll 4
    for (int r = 0; r < kParts; ++r) store_native(p + r * (kVectorBytes / int(sizeof(A))), w.v[r]);
  }
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

// ---- Split: Wides whose lanes are in the order that loads them fastest (half_vector-inl.h), for
// sums and for rows that all are read and written so. Elsewhere the same as the above.

#if defined(__SSE2__)
template <class T>
inline constexpr bool is_split = kParts > 1 && (std::is_same_v<T, bfloat16_t> ||
                                                std::is_same_v<T, ScaledFloat16>);
#else
template <class T>
inline constexpr bool is_split = false;
#endif

// The lane of element i.
template <class T>
constexpr int lane_of(int i) {
  if constexpr (!is_split<T>) return i;
  constexpr int lanes = kVectorBytes / 4;
  return i / (2 * lanes) * (2 * lanes) + i % 2 * lanes + i % (2 * lanes) / 2;
}
template <class A, class T>
OLIVINE_INLINE Wide<A> load_split(const T* p) {
  if constexpr (is_split<T>) {
    Wide<A> w;
#pragma GCC unroll 2
    for (int r = 0; r < kParts; r += 2)
      load_even_odd(p + r * (kVectorBytes / 4), w.v[r], w.v[r + 1]);
    return w;
  } else {
    return load<A>(p);
  }
}
template <class T, class A>
OLIVINE_INLINE void store_split(T* p, Wide<A> w) {
  if constexpr (is_split<T>) {
#pragma GCC unroll 2
    for (int r = 0; r < kParts; r += 2)
      store_even_odd(p + r * (kVectorBytes / 4), w.v[r], w.v[r + 1]);
  } else {
    store(p, w);
  }
}
template <class A, class T>
OLIVINE_INLINE Wide<A> load_first_split(const T* p, int64_t n, A fill) {
  A lanes[Wide<A>::lanes];
  store(lanes, broadcast<A>(fill));
  for (int i = 0; i < n; ++i) lanes[lane_of<T>(i)] = widen<A>(p[i]);
  return load<A>(lanes);
}
template <class T, class A>
OLIVINE_INLINE void store_first_split(T* p, int64_t n, Wide<A> w) {
  A lanes[Wide<A>::lanes];
  store(lanes, w);
  for (int i = 0; i < n; ++i) p[i] = narrow<T>(lanes[lane_of<T>(i)]);
}
// The lanes in the order of the elements.
template <class T, class A>
OLIVINE_INLINE Wide<A> in_order(Wide<A> w) {
  if constexpr (!is_split<T>) return w;
  A lanes[Wide<A>::lanes], ordered[Wide<A>::lanes];
  store(lanes, w);
  for (int i = 0; i < Wide<A>::lanes; ++i) ordered[i] = lanes[lane_of<T>(i)];
  return load<A>(ordered);
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
