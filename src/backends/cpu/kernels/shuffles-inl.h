// Shuffles of the lanes of vectors, and the transposition of squares of lanes.
#pragma once

#include "backends/cpu/vec-inl.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

template <class T>
constexpr int kShuffled = kVectorBytes / int(sizeof(T));

#define OLIVINE_SHUFFLE(name, two, four, eight, sixteen)                             \
  template <class T>                                                                 \
  OLIVINE_INLINE Native<T> name(Native<T> a, Native<T> b) {                          \
    if constexpr (kShuffled<T> == 2) return __builtin_shufflevector(a, b, two);      \
    if constexpr (kShuffled<T> == 4) return __builtin_shufflevector(a, b, four);     \
    if constexpr (kShuffled<T> == 8) return __builtin_shufflevector(a, b, eight);    \
    if constexpr (kShuffled<T> == 16) return __builtin_shufflevector(a, b, sixteen); \
  }
#define LIST(...) __VA_ARGS__
OLIVINE_SHUFFLE(evens, LIST(0, 2), LIST(0, 2, 4, 6), LIST(0, 2, 4, 6, 8, 10, 12, 14),
                LIST(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30))
OLIVINE_SHUFFLE(odds, LIST(1, 3), LIST(1, 3, 5, 7), LIST(1, 3, 5, 7, 9, 11, 13, 15),
                LIST(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31))
OLIVINE_SHUFFLE(zip_low, LIST(0, 2), LIST(0, 4, 1, 5), LIST(0, 8, 1, 9, 2, 10, 3, 11),
                LIST(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23))
OLIVINE_SHUFFLE(zip_high, LIST(1, 3), LIST(2, 6, 3, 7), LIST(4, 12, 5, 13, 6, 14, 7, 15),
                LIST(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31))
OLIVINE_SHUFFLE(evens_backwards, LIST(2, 0), LIST(6, 4, 2, 0), LIST(14, 12, 10, 8, 6, 4, 2, 0),
                LIST(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0))
OLIVINE_SHUFFLE(odds_backwards, LIST(3, 1), LIST(7, 5, 3, 1), LIST(15, 13, 11, 9, 7, 5, 3, 1),
                LIST(31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1))
OLIVINE_SHUFFLE(zip_high_backwards, LIST(1, 3), LIST(3, 7, 2, 6), LIST(7, 15, 6, 14, 5, 13, 4, 12),
                LIST(15, 31, 14, 30, 13, 29, 12, 28, 11, 27, 10, 26, 9, 25, 8, 24))
OLIVINE_SHUFFLE(zip_low_backwards, LIST(0, 2), LIST(1, 5, 0, 4), LIST(3, 11, 2, 10, 1, 9, 0, 8),
                LIST(7, 23, 6, 22, 5, 21, 4, 20, 3, 19, 2, 18, 1, 17, 0, 16))
#undef LIST
#undef OLIVINE_SHUFFLE

template <class T>
OLIVINE_INLINE Native<T> backwards(Native<T> a) {
  if constexpr (kShuffled<T> == 2) return __builtin_shufflevector(a, a, 1, 0);
  if constexpr (kShuffled<T> == 4) return __builtin_shufflevector(a, a, 3, 2, 1, 0);
  if constexpr (kShuffled<T> == 8) return __builtin_shufflevector(a, a, 7, 6, 5, 4, 3, 2, 1, 0);
  if constexpr (kShuffled<T> == 16) {
    return __builtin_shufflevector(a, a, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  }
}

// Transposes a square of lanes: each round of perfect shuffles moves one bit of the index over.
template <class T>
OLIVINE_INLINE void transpose(Native<T> (&v)[kShuffled<T>]) {
  constexpr int n = kShuffled<T>;
#pragma GCC unroll 4
  for (int round = 1; round < n; round *= 2) {
    Native<T> w[n];
#pragma GCC unroll 8
    for (int i = 0; i < n / 2; ++i) {
      w[2 * i] = zip_low<T>(v[i], v[i + n / 2]);
      w[2 * i + 1] = zip_high<T>(v[i], v[i + n / 2]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < n; ++i) v[i] = w[i];
  }
}

// to[k] = the sum of the lanes of v[k]: each round halves the vectors, and leaves sums of row k in
// the lanes whose low bits are those of k.
template <class T, int kCount>
OLIVINE_INLINE void sum_lanes_of(Native<T> (&v)[kCount], T* to) {
  constexpr int lanes = kShuffled<T>, group = kCount < lanes ? kCount : lanes;
#pragma GCC unroll 8
  for (int first = 0; first < kCount; first += group) {
#pragma GCC unroll 4
    for (int half = group / 2; half > 0; half /= 2) {
#pragma GCC unroll 8
      for (int i = 0; i < half; ++i) {
        const Native<T> a = v[first + i], b = v[first + i + half];
        v[first + i] = zip_low<T>(a, b) + zip_high<T>(a, b);
      }
    }
    T sums[lanes];
    store_native(sums, v[first]);
    for (int k = 0; k < group; ++k) {
      T sum = sums[k];
      for (int l = k + group; l < lanes; l += group) sum += sums[l];
      to[first + k] = sum;
    }
  }
}

}  // namespace
}  // namespace olivine::cpu::OLIVINE_ISA
