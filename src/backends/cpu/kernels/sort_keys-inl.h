// Elements as unsigned keys that compare in sorting order, and the records that radix sort moves.
#pragma once

#include <cstdint>

#include "backends/cpu/vec-inl.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

template <int kBytes>
struct UnsignedOf;
template <>
struct UnsignedOf<1> {
  using type = uint8_t;
};
template <>
struct UnsignedOf<2> {
  using type = uint16_t;
};
template <>
struct UnsignedOf<4> {
  using type = uint32_t;
};
template <>
struct UnsignedOf<8> {
  using type = uint64_t;
};
template <class T>
using KeyOf = typename UnsignedOf<sizeof(T)>::type;

template <class T>
constexpr bool is_float = is_half<T> || std::is_floating_point_v<T>;
template <class T>
constexpr KeyOf<T> kSign = KeyOf<T>(KeyOf<T>(1) << (8 * sizeof(T) - 1));
// The bits of +infinity: beyond it lie the NaNs.
template <class T>
constexpr KeyOf<T> kInfinityBits = 0;
template <>
constexpr uint16_t kInfinityBits<float16_t> = 0x7c00;
template <>
constexpr uint16_t kInfinityBits<bfloat16_t> = 0x7f80;
template <>
constexpr uint32_t kInfinityBits<float> = 0x7f800000;
template <>
constexpr uint64_t kInfinityBits<double> = 0x7ff0000000000000;

// The key of an element's bits, without branches.
template <class T>
OLIVINE_INLINE KeyOf<T> key_of_bits(KeyOf<T> bits) {
  using U = KeyOf<T>;
  if constexpr (is_float<T>) {
    const U flipped = U(U(0) - U(bits >> (8 * sizeof(T) - 1))) | kSign<T>;
    return U(bits & U(~kSign<T>)) > kInfinityBits<T> ? U(~U{0}) : U(bits ^ flipped);
  } else if constexpr (std::is_signed_v<T>) {
    return bits ^ kSign<T>;
  } else {
    return bits;
  }
}
// -0 comes before +0; every NaN has the highest key.
template <class T>
OLIVINE_INLINE KeyOf<T> sort_key(T x) {
  return key_of_bits<T>(__builtin_bit_cast(KeyOf<T>, x));
}
// The same, but zeros of either sign tie.
template <class T>
OLIVINE_INLINE KeyOf<T> tied_key_of_bits(KeyOf<T> bits) {
  if constexpr (is_float<T>) bits = bits == kSign<T> ? KeyOf<T>(0) : bits;
  return key_of_bits<T>(bits);
}
template <class T>
OLIVINE_INLINE KeyOf<T> tied_key(T x) {
  return tied_key_of_bits<T>(__builtin_bit_cast(KeyOf<T>, x));
}
template <class T>
OLIVINE_INLINE T element_of_key(KeyOf<T> key) {
  using U = KeyOf<T>;
  if constexpr (is_float<T>) {
    return __builtin_bit_cast(T, key & kSign<T> ? U(key ^ kSign<T>) : U(~key));
  } else if constexpr (std::is_signed_v<T>) {
    return __builtin_bit_cast(T, U(key ^ kSign<T>));
  } else {
    return __builtin_bit_cast(T, key);
  }
}

// kSmall: up to this many records insertion is faster.
template <class T>
struct SortedValue {
  using In = T;
  using Out = T;
  static constexpr int kPasses = sizeof(T);
  static constexpr int64_t kSmall = 16 + 10 * sizeof(T);
  KeyOf<T> key;

  static OLIVINE_INLINE SortedValue read(T x, int64_t) { return {sort_key(x)}; }
  OLIVINE_INLINE T write() const { return element_of_key<T>(key); }
  OLIVINE_INLINE int digit(int pass) const { return (key >> (8 * pass)) & 255; }
  OLIVINE_INLINE bool before(const SortedValue& o) const { return key < o.key; }
};

template <class T, bool kWide = (sizeof(T) == 8)>
struct SortedIndex {
  using In = T;
  using Out = uint32_t;
  static constexpr int kPasses = sizeof(T);
  static constexpr int64_t kSmall = 16 + 10 * sizeof(T);
  uint64_t both;  // key above index

  static OLIVINE_INLINE SortedIndex read(T x, int64_t i) {
    return {uint64_t(tied_key(x)) << 32 | uint32_t(i)};
  }
  OLIVINE_INLINE uint32_t write() const { return uint32_t(both); }
  OLIVINE_INLINE int digit(int pass) const { return (both >> (32 + 8 * pass)) & 255; }
  OLIVINE_INLINE bool before(const SortedIndex& o) const { return both < o.both; }
};
template <class T>
struct SortedIndex<T, true> {
  using In = T;
  using Out = uint32_t;
  static constexpr int kPasses = 8;
  static constexpr int64_t kSmall = 96;
  uint64_t key;
  uint64_t index;

  static OLIVINE_INLINE SortedIndex read(T x, int64_t i) { return {tied_key(x), uint64_t(i)}; }
  OLIVINE_INLINE uint32_t write() const { return uint32_t(index); }
  OLIVINE_INLINE int digit(int pass) const { return (key >> (8 * pass)) & 255; }
  OLIVINE_INLINE bool before(const SortedIndex& o) const { return key < o.key; }
};

// Complex numbers: by real part, then by imaginary part; one with a NaN comes last.
template <class F>
struct Complex {
  F re, im;
};
template <class F>
OLIVINE_INLINE bool less(const Complex<F>& a, const Complex<F>& b) {
  const bool a_nan = a.re != a.re || a.im != a.im, b_nan = b.re != b.re || b.im != b.im;
  if (a_nan || b_nan) return !a_nan && b_nan;
  return a.re < b.re || (a.re == b.re && a.im < b.im);
}

}  // namespace
}  // namespace olivine::cpu::OLIVINE_ISA
