// The kth key of many, and the stable split of elements into those before, at and after it.
//
// With vectors the key is found as quicksort would, but for only the side where it lies, with
// pivots taken near the wanted rank; else by radix from the most significant byte.
#pragma once

#include "backends/cpu/kernels/sort_radix-inl.h"
#include "backends/cpu/kernels/sort_vectors-inl.h"
#include "runtime/interrupt.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

// Vectors are of four bytes or more; a radix would pass over bytes that are not there.
#if defined(__AVX2__)
template <class T>
using SelectKey = std::conditional_t<(sizeof(T) < 4), uint32_t, KeyOf<T>>;
#else
template <class T>
using SelectKey = KeyOf<T>;
#endif

template <class U>
struct Selected {
  U key;
  int64_t less, equal;  // how many keys are smaller, and the same
};

// The key that sorting would put at `kth`; `candidates` is overwritten.
template <class U>
Selected<U> select_by_radix(U* candidates, int64_t n, int64_t kth) {
  int64_t less = 0;
  for (int shift = 8 * int(sizeof(U)) - 8; shift >= 0; shift -= 8) {
    uint32_t count[256] = {};
    for (int64_t i = 0; i < n; ++i) ++count[(candidates[i] >> shift) & 255];
    int digit = 0;
    for (; less + count[digit] <= kth; ++digit) less += count[digit];
    int64_t m = 0;
    for (int64_t i = 0; i < n; ++i) {
      U key = candidates[i];
      candidates[m] = key;
      m += int((key >> shift) & 255) == digit;
    }
    n = m;
  }
  return {candidates[0], less, n};
}

#if defined(__AVX2__)

// A key of a sample whose rank is a little beyond that of `kth`, seen from the nearer end: most
// often the wanted key lies on the smaller side of it.
template <class U>
U pivot_near(const U* a, int64_t n, int64_t kth) {
  constexpr int64_t most = 4 * kSortLanes<U>;
  const int64_t count = n < 2048 ? kSortLanes<U> : most, step = n / count;
  const int64_t margin = n < 2048 ? 1 : 2;
  U sample[most];
  for (int64_t i = 0; i < count; ++i) sample[i] = a[i * step + step / 2];
  sort_few(sample, count, sample);
  const int64_t rank = kth * count / n + (2 * kth < n ? margin : -margin);
  return sample[larger(0, smaller(count - 1, rank))];
}

// Both buffers hold n keys and are overwritten; the keys are in `a`.
template <class U>
Selected<U> select_key(U* a, U* b, int64_t n, int64_t kth) {
  int64_t less = 0;
  int rounds = 16;
  for (int64_t m = n; m > 1; m /= 2) ++rounds;
  while (n > kNetworkKeys<U>) {
    if (rounds-- == 0) {
      Selected<U> s = select_by_radix(a, n, kth);
      return {s.key, s.less + less, s.equal};
    }
    if (n > kPollKeys) poll_interrupt();
    const U pivot = pivot_near(a, n, kth);
    int64_t low = split_keys(a, n, pivot, b);
    if (low == 0) {
      // The pivot is the least key.
      const U next = U(pivot + 1);
      low = next == 0 ? n : split_keys(a, n, next, b);
      if (kth < low) return {pivot, less, low};
    }
    U* rest = a;
    a = b;
    b = rest;
    if (kth < low) {
      n = low;
    } else {
      a += low;
      b += low;
      n -= low;
      kth -= low;
      less += low;
    }
  }
  sort_few(a, n, b);
  Selected<U> s{b[kth], less, 0};
  for (int64_t i = 0; i < n; ++i) s.less += b[i] < s.key, s.equal += b[i] == s.key;
  return s;
}

#else
template <class U>
Selected<U> select_key(U* a, U*, int64_t n, int64_t kth) {
  return select_by_radix(a, n, kth);
}
#endif

// ---- The split: parts in order, elements of a part as they were

#if defined(__AVX512BW__)
OLIVINE_INLINE void store_first_lanes(uint32_t* o, __m512i v, unsigned count) {
  _mm512_mask_storeu_epi32(o, __mmask16(_bzhi_u32(0xffff, count)), v);
}
OLIVINE_INLINE void store_first_lanes(uint16_t* o, __m512i v, unsigned count) {
  const auto mask = __mmask16(_bzhi_u32(0xffff, count));
  _mm256_mask_storeu_epi16(o, mask, _mm512_maskz_cvtepi32_epi16(0xffff, v));
}

// The lanes of v, 16 at a time, to the parts of o of their keys; `values(i)` gives those from i on.
template <class O, class Values>
void split_vectors(const uint32_t* keys, int64_t n, Selected<uint32_t> s, O* o, Values values) {
  O* to[3] = {o, o + s.less, o + s.less + s.equal};
  const __m512i pivot = _mm512_set1_epi32(int(s.key));
  for (int64_t i = 0; i < n; i += 16) {
    const auto all = __mmask16(lane_mask(n - i));
    const __m512i k = _mm512_maskz_loadu_epi32(all, keys + i), v = values(i, all);
    const __mmask16 below = _mm512_mask_cmplt_epu32_mask(all, k, pivot);
    const __mmask16 same = _mm512_mask_cmpeq_epi32_mask(all, k, pivot);
    const __mmask16 part[3] = {below, same, __mmask16(all & ~(below | same))};
#pragma GCC unroll 3
    for (int p = 0; p < 3; ++p) {
      const auto count = unsigned(__builtin_popcount(part[p]));
      store_first_lanes(to[p], _mm512_maskz_compress_epi32(part[p], v), count);
      to[p] += count;
    }
  }
}

template <class T>
void split_row(const T* in, const uint32_t* keys, int64_t n, Selected<uint32_t> s, T* out) {
  if constexpr (sizeof(T) == 4) {
    split_vectors(keys, n, s, reinterpret_cast<uint32_t*>(out),
                  [in](int64_t i, __mmask16 all) { return _mm512_maskz_loadu_epi32(all, in + i); });
  } else {
    split_vectors(keys, n, s, reinterpret_cast<uint16_t*>(out), [in](int64_t i, __mmask16 all) {
      return _mm512_maskz_cvtepu16_epi32(0xffff, _mm256_maskz_loadu_epi16(all, in + i));
    });
  }
}
inline void split_indices(const uint32_t* keys, int64_t n, Selected<uint32_t> s, uint32_t* out) {
  const __m512i lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  split_vectors(keys, n, s, out, [lanes](int64_t i, __mmask16) {
    return _mm512_add_epi32(lanes, _mm512_set1_epi32(int(i)));
  });
}
#endif

template <class T, bool kIndices>
void partition_kernel(const KernelCall& call) {
  using U = SelectKey<T>;
  const Extents x(call);
  const int64_t kth = call.as<SortParams>().kth;
  const T* in = static_cast<const T*>(call.in[0].data);
  if (x.outer * x.n * x.inner == 0) return;
  for_rows(x, 3 * sizeof(U), [&](int64_t at, int64_t step, void* scratch) {
    U* keys = static_cast<U*>(scratch);
    U* candidates = keys + x.n;
    if (step == 1) {
#pragma GCC ivdep
      for (int64_t i = 0; i < x.n; ++i) {
        KeyOf<T> bits;
        __builtin_memcpy(&bits, in + at + i, sizeof bits);
        keys[i] = tied_key_of_bits<T>(bits);
      }
    } else {
      for (int64_t i = 0; i < x.n; ++i) keys[i] = tied_key(in[at + i * step]);
    }
    __builtin_memcpy(candidates, keys, size_t(x.n) * sizeof(U));
    const Selected<U> s = select_key(candidates, candidates + x.n, x.n, kth);
#if defined(__AVX512BW__)
    if constexpr (kIndices && sizeof(U) == 4) {
      if (step == 1) {
        return split_indices(keys, x.n, s, static_cast<uint32_t*>(call.out[0].data) + at);
      }
    } else if constexpr (sizeof(T) == 2 || sizeof(T) == 4) {
      if (step == 1) {
        return split_row(in + at, keys, x.n, s, static_cast<T*>(call.out[0].data) + at);
      }
    }
#endif
    int64_t to[3] = {0, s.less, s.less + s.equal};
    for (int64_t i = 0; i < x.n; ++i) {
      const int part = int(keys[i] >= s.key) + int(keys[i] > s.key);
      const int64_t o = at + to[part]++ * step;
      if constexpr (kIndices) {
        static_cast<uint32_t*>(call.out[0].data)[o] = uint32_t(i);
      } else {
        static_cast<T*>(call.out[0].data)[o] = in[at + i * step];
      }
    }
  });
}

}  // namespace
}  // namespace olivine::cpu::OLIVINE_ISA
