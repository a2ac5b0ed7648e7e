// Quicksort of unsigned keys in vectors, for instruction sets that can split a vector in two.
//
// Every step splits the keys from one buffer into the other, smaller ones first; what fits into a
// few vectors is sorted there by a bitonic network. Where splitting goes badly, radix sort ends it.
#pragma once

#include <utility>

#include "backends/cpu/vec-inl.h"
#include "runtime/interrupt.h"

#if defined(__AVX2__)
namespace olivine::cpu::OLIVINE_ISA {
namespace {

template <class U>
constexpr int kSortLanes = kVectorBytes / int(sizeof(U));

// ---- The network

template <class U>
OLIVINE_INLINE Native<U> least(Native<U> a, Native<U> b) {
  return a < b ? a : b;
}
template <class U>
OLIVINE_INLINE Native<U> greatest(Native<U> a, Native<U> b) {
  return a < b ? b : a;
}

// Lane i meets lane i ^ kFlip; the one whose index has the bit kHigh gets the greater key.
template <class U, int kFlip, int kHigh, size_t... i>
OLIVINE_INLINE Native<U> exchange(Native<U> v, std::index_sequence<i...>) {
  const Native<U> w = __builtin_shufflevector(v, v, int(i ^ kFlip)...);
  return __builtin_shufflevector(least<U>(v, w), greatest<U>(v, w),
                                 int(i & kHigh ? i + sizeof...(i) : i)...);
}
template <class U, int kFlip, int kHigh>
OLIVINE_INLINE Native<U> exchange(Native<U> v) {
  return exchange<U, kFlip, kHigh>(v, std::make_index_sequence<kSortLanes<U>>());
}
template <class U, size_t... i>
OLIVINE_INLINE Native<U> reversed(Native<U> v, std::index_sequence<i...>) {
  return __builtin_shufflevector(v, v, int(sizeof...(i) - 1 - i)...);
}
template <class U>
OLIVINE_INLINE Native<U> reversed(Native<U> v) {
  return reversed<U>(v, std::make_index_sequence<kSortLanes<U>>());
}

// Sorts the runs of `run` lanes that are bitonic.
template <class U, int run, int n>
OLIVINE_INLINE void merge_lanes(Native<U> (&v)[n]) {
  if constexpr (run > 1) {
#pragma GCC unroll 16
    for (int i = 0; i < n; ++i) v[i] = exchange<U, run / 2, run / 2>(v[i]);
    merge_lanes<U, run / 2>(v);
  }
}

// Sorts runs of kSortLanes keys.
template <class U, int run, int n>
OLIVINE_INLINE void sort_lanes(Native<U> (&v)[n]) {
  if constexpr (run <= kSortLanes<U>) {
#pragma GCC unroll 16
    for (int i = 0; i < n; ++i) v[i] = exchange<U, run - 1, run / 2>(v[i]);
    merge_lanes<U, run / 2>(v);
    sort_lanes<U, 2 * run>(v);
  }
}

template <class U>
OLIVINE_INLINE void exchange(Native<U>& a, Native<U>& b) {
  const Native<U> low = least<U>(a, b);
  b = greatest<U>(a, b);
  a = low;
}

// Merges sorted groups of `group` / 2 vectors.
template <class U, int group, int n>
OLIVINE_INLINE void merge_vectors(Native<U> (&v)[n]) {
  if constexpr (group <= n) {
#pragma GCC unroll 16
    for (int at = 0; at < n; at += group) {
#pragma GCC unroll 16
      for (int i = 0; i < group / 2; ++i) {
        Native<U>& other = v[at + group - 1 - i];
        other = reversed<U>(other);
        exchange<U>(v[at + i], other);
        other = reversed<U>(other);
      }
    }
#pragma GCC unroll 4
    for (int step = group / 4; step > 0; step /= 2) {
#pragma GCC unroll 16
      for (int i = 0; i < n; ++i) {
        if ((i & step) == 0) exchange<U>(v[i], v[i | step]);
      }
    }
    merge_lanes<U, kSortLanes<U>>(v);
    merge_vectors<U, 2 * group>(v);
  }
}

// The first n lanes, or none or all; the others hold the greatest key, and are not stored.
#if defined(__AVX512BW__)
OLIVINE_INLINE unsigned lane_mask(int64_t n) {
  return _bzhi_u32(0xffff, unsigned(smaller(larger(n, 0), 16)));
}
OLIVINE_INLINE Native<uint32_t> load_keys(const uint32_t* p, int64_t n) {
  return (Native<uint32_t>)_mm512_mask_loadu_epi32(_mm512_set1_epi32(-1), __mmask16(lane_mask(n)),
                                                   p);
}
OLIVINE_INLINE Native<uint64_t> load_keys(const uint64_t* p, int64_t n) {
  return (Native<uint64_t>)_mm512_mask_loadu_epi64(_mm512_set1_epi64(-1), __mmask8(lane_mask(n)),
                                                   p);
}
OLIVINE_INLINE void store_keys(uint32_t* p, Native<uint32_t> v, int64_t n) {
  _mm512_mask_storeu_epi32(p, __mmask16(lane_mask(n)), (__m512i)v);
}
OLIVINE_INLINE void store_keys(uint64_t* p, Native<uint64_t> v, int64_t n) {
  _mm512_mask_storeu_epi64(p, __mmask8(lane_mask(n)), (__m512i)v);
}
#else
template <class U>
OLIVINE_INLINE Native<U> load_keys(const U* p, int64_t n) {
  if (n >= kSortLanes<U>) return load_native<U>(p);
  U keys[kSortLanes<U>];
#pragma GCC unroll 8
  for (int i = 0; i < kSortLanes<U>; ++i) keys[i] = i < n ? p[i] : U(~U{0});
  return load_native<U>(keys);
}
template <class U>
OLIVINE_INLINE void store_keys(U* p, Native<U> v, int64_t n) {
  if (n >= kSortLanes<U>) return store_native(p, v);
#pragma GCC unroll 8
  for (int i = 0; i < kSortLanes<U>; ++i) {
    if (i < n) p[i] = v[i];
  }
}
#endif

// n keys that fill at most kVectors vectors.
template <class U, int kVectors>
void sort_vectors(const U* from, int64_t n, U* to) {
  constexpr int lanes = kSortLanes<U>;
  Native<U> v[kVectors];
#pragma GCC unroll 16
  for (int i = 0; i < kVectors; ++i) v[i] = load_keys(from + i * lanes, n - i * lanes);
  sort_lanes<U, 2>(v);
  merge_vectors<U, 2>(v);
#pragma GCC unroll 16
  for (int i = 0; i < kVectors; ++i) store_keys(to + i * lanes, v[i], n - i * lanes);
}

#if defined(__AVX512BW__)
inline constexpr int kMostVectors = 16;
#else
inline constexpr int kMostVectors = 8;
#endif
template <class U>
constexpr int64_t kNetworkKeys = kMostVectors* kSortLanes<U>;

template <class U>
void sort_few(const U* from, int64_t n, U* to) {
  constexpr int64_t lanes = kSortLanes<U>;
  if (n <= lanes) return sort_vectors<U, 1>(from, n, to);
  if (n <= 2 * lanes) return sort_vectors<U, 2>(from, n, to);
  if (n <= 4 * lanes) return sort_vectors<U, 4>(from, n, to);
  if (n <= 8 * lanes) return sort_vectors<U, 8>(from, n, to);
  if constexpr (kMostVectors > 8) sort_vectors<U, kMostVectors>(from, n, to);
}

// ---- Splitting

#if defined(__AVX512BW__)
// Keys below the pivot go to `low`, the others before `high`; both move. A whole vector is stored
// at `low`: as many keys are still missing there.
OLIVINE_INLINE void split_vector(Native<uint32_t> v, Native<uint32_t> pivot, uint32_t*& low,
                                 uint32_t*& high) {
  const __mmask16 below = _mm512_cmplt_epu32_mask((__m512i)v, (__m512i)pivot);
  const unsigned count = unsigned(__builtin_popcount(below));
  _mm512_storeu_si512(low, _mm512_maskz_compress_epi32(below, (__m512i)v));
  low += count;
  high = high - 16 + count;
  _mm512_mask_storeu_epi32(high, __mmask16(_bzhi_u32(0xffff, 16 - count)),
                           _mm512_maskz_compress_epi32(__mmask16(~below), (__m512i)v));
}
OLIVINE_INLINE void split_vector(Native<uint64_t> v, Native<uint64_t> pivot, uint64_t*& low,
                                 uint64_t*& high) {
  const __mmask8 below = _mm512_cmplt_epu64_mask((__m512i)v, (__m512i)pivot);
  const unsigned count = unsigned(__builtin_popcount(below));
  _mm512_storeu_si512(low, _mm512_maskz_compress_epi64(below, (__m512i)v));
  low += count;
  high = high - 8 + count;
  _mm512_mask_storeu_epi64(high, __mmask8(_bzhi_u32(0xff, 8 - count)),
                           _mm512_maskz_compress_epi64(__mmask8(~below), (__m512i)v));
}
#else
// Row `mask` moves the lanes in the mask to the front, in pieces of 32 bits, kPieces to a lane.
template <int kPieces>
struct SplitTable {
  uint8_t row[1 << (8 / kPieces)][8];
  constexpr SplitTable() : row() {
    constexpr int lanes = 8 / kPieces;
    for (int mask = 0; mask < 1 << lanes; ++mask) {
      int at = 0;
      for (int wanted = 1; wanted >= 0; --wanted) {
        for (int lane = 0; lane < lanes; ++lane) {
          if ((mask >> lane & 1) != wanted) continue;
          for (int p = 0; p < kPieces; ++p) row[mask][at++] = uint8_t(lane * kPieces + p);
        }
      }
    }
  }
};
constexpr SplitTable<1> kSplit32{};
constexpr SplitTable<2> kSplit64{};

// Both stores write whole vectors: between `low` and `high` lie this many keys and the unread ones.
template <class U>
OLIVINE_INLINE void split_vector(Native<U> v, Native<U> pivot, U*& low, U*& high) {
  constexpr int lanes = kSortLanes<U>;
  const auto below = v < pivot;
  int mask;
  const uint8_t* row;
  if constexpr (sizeof(U) == 4) {
    mask = _mm256_movemask_ps((__m256)below);
    row = kSplit32.row[mask];
  } else {
    mask = _mm256_movemask_pd((__m256d)below);
    row = kSplit64.row[mask];
  }
  const __m256i order = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i*)row));
  const Native<U> split = (Native<U>)_mm256_permutevar8x32_epi32((__m256i)v, order);
  store_native(high - lanes, split);
  store_native(low, split);
  const int count = __builtin_popcount(unsigned(mask));
  low += count;
  high -= lanes - count;
}
#endif

// Keys of a below the pivot come first in b; returns how many there are.
template <class U>
int64_t split_keys(const U* a, int64_t n, U pivot, U* b) {
  constexpr int64_t lanes = kSortLanes<U>;
  U *low = b, *high = b + n;
  int64_t i = 0;
  // Without branches: both places are free.
  for (; i < n % lanes; ++i) {
    const U key = a[i];
    const bool below = key < pivot;
    *low = key;
    high[-1] = key;
    low += below;
    high -= !below;
  }
  const Native<U> p = pivot - Native<U>{};
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    Native<U> v[4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) v[j] = load_native<U>(a + i + j * lanes);
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) split_vector(v[j], p, low, high);
  }
  for (; i < n; i += lanes) split_vector(load_native<U>(a + i), p, low, high);
  return low - b;
}

// The median of keys spread over a.
template <class U>
U choose_pivot(const U* a, int64_t n) {
  constexpr int64_t most = 4 * kSortLanes<U>;
  const int64_t count = n < 4096 ? kSortLanes<U> : most, step = n / count;
  U sample[most];
  for (int64_t i = 0; i < count; ++i) sample[i] = a[i * step + step / 2];
  sort_few(sample, count, sample);
  return sample[count / 2];
}

constexpr int64_t kPollKeys = 1 << 19;  // sorting these takes milliseconds

// Sorts a[0 .. n) into out, which is a or b: both are overwritten. `radix(a, b, n)` returns which
// of them it sorted them into.
template <class U, class Radix>
void quicksort(U* a, U* b, int64_t n, U* out, int depth, Radix radix) {
  while (n > kNetworkKeys<U>) {
    if (depth-- == 0) {
      U* sorted = radix(a, b, n);
      if (sorted != out) copy(sorted, n, out);
      return;
    }
    if (n > kPollKeys) poll_interrupt();
    U pivot = choose_pivot(a, n);
    int64_t low = split_keys(a, n, pivot, b);
    if (low == 0) {
      // The pivot is the least key; all that equal it are in place.
      const U next = U(pivot + 1);
      low = next == 0 ? n : split_keys(a, n, next, b);
      fill(out, low, pivot);
    } else {
      quicksort(b, a, low, out, depth, radix);
    }
    // The rest goes on from b to a.
    U* rest = a + low;
    a = b + low;
    b = rest;
    out += low;
    n -= low;
  }
  if (n > 0) sort_few(a, n, out);
}

template <class U, class Radix>
void sort_in_vectors(U* a, U* b, int64_t n, U* out, Radix radix) {
  int depth = 8;
  for (int64_t m = n; m > 1; m /= 2) depth += 2;
  quicksort(a, b, n, out, depth, radix);
}

}  // namespace
}  // namespace olivine::cpu::OLIVINE_ISA
#endif
