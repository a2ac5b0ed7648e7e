// Sorting of values of four and eight bytes, whose order among equals nobody can see. Rows of
// 16-bit floats that are not long join them, as keys of four bytes.
//
// Only for instruction sets with sort_vectors-inl.h. A long row is shared out into buckets between
// keys of a sample, which tasks then sort alone.
#pragma once

#include "backends/cpu/kernels/sort_radix-inl.h"
#include "backends/cpu/kernels/sort_vectors-inl.h"

#if defined(__AVX2__)
namespace olivine::cpu::OLIVINE_ISA {
namespace {

constexpr int kBuckets = 64;
constexpr int kSamplesPerBucket = 16;

template <class T>
using VectorKey = std::conditional_t<is_half<T>, uint32_t, KeyOf<T>>;

// Keys of kHalvesAtOnce 16-bit floats, which compilers make of single ones slowly; and back.
#if defined(__AVX512BW__)
constexpr int64_t kHalvesAtOnce = 32;
template <class T>
OLIVINE_INLINE void read_half_keys(const T* in, uint32_t* keys) {
  const __m512i h = _mm512_loadu_si512(in), sign = _mm512_set1_epi16(INT16_MIN);
  const __m512i flipped = _mm512_or_si512(_mm512_srai_epi16(h, 15), sign);
  const __mmask32 nan =
      _mm512_cmpgt_epi16_mask(_mm512_andnot_si512(sign, h), _mm512_set1_epi16(kInfinityBits<T>));
  const __m512i key =
      _mm512_mask_mov_epi16(_mm512_xor_si512(h, flipped), nan, _mm512_set1_epi16(-1));
  const __m256i low = _mm512_castsi512_si256(key),
                high = _mm512_maskz_extracti64x4_epi64(0xff, key, 1);
  _mm512_storeu_si512(keys, _mm512_maskz_cvtepu16_epi32(0xffff, low));
  _mm512_storeu_si512(keys + 16, _mm512_maskz_cvtepu16_epi32(0xffff, high));
}
template <class T>
OLIVINE_INLINE void write_half_values(const uint32_t* keys, T* out) {
  for (int i = 0; i < 32; i += 16) {
    const __m256i key = _mm512_maskz_cvtepi32_epi16(0xffff, _mm512_loadu_si512(keys + i));
    const __m256i positive = _mm256_srai_epi16(key, 15);
    const __m256i flipped = _mm256_xor_si256(_mm256_and_si256(positive, _mm256_set1_epi16(0x7fff)),
                                             _mm256_set1_epi16(-1));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i), _mm256_xor_si256(key, flipped));
  }
}
#else
constexpr int64_t kHalvesAtOnce = 8;
template <class T>
OLIVINE_INLINE void read_half_keys(const T* in, uint32_t* keys) {
  const __m128i h = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in));
  const __m128i sign = _mm_set1_epi16(INT16_MIN);
  const __m128i flipped = _mm_or_si128(_mm_srai_epi16(h, 15), sign);
  const __m128i nan = _mm_cmpgt_epi16(_mm_andnot_si128(sign, h), _mm_set1_epi16(kInfinityBits<T>));
  const __m128i key = _mm_or_si128(_mm_xor_si128(h, flipped), nan);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(keys), _mm256_cvtepu16_epi32(key));
}
template <class T>
OLIVINE_INLINE void write_half_values(const uint32_t* keys, T* out) {
  const auto* from = reinterpret_cast<const __m128i*>(keys);
  const __m128i key = _mm_packus_epi32(_mm_loadu_si128(from), _mm_loadu_si128(from + 1));
  const __m128i positive = _mm_srai_epi16(key, 15);
  const __m128i flipped =
      _mm_xor_si128(_mm_and_si128(positive, _mm_set1_epi16(0x7fff)), _mm_set1_epi16(-1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm_xor_si128(key, flipped));
}
#endif

// All of n >= kHalvesAtOnce elements: the last vector again takes some of the one before.
template <class From, class To, class F>
OLIVINE_INLINE void convert_halves(const From* from, int64_t n, To* to, F convert) {
  for (int64_t i = 0; i + kHalvesAtOnce < n; i += kHalvesAtOnce) convert(from + i, to + i);
  convert(from + n - kHalvesAtOnce, to + n - kHalvesAtOnce);
}

template <class T>
void read_keys(const T* in, int64_t step, int64_t n, VectorKey<T>* keys) {
  if constexpr (is_half<T>) {
    if (step == 1 && n >= kHalvesAtOnce) return convert_halves(in, n, keys, read_half_keys<T>);
  }
  if (step == 1) {
    for (int64_t i = 0; i < n; ++i) keys[i] = sort_key(in[i]);
  } else {
    for (int64_t i = 0; i < n; ++i) keys[i] = sort_key(in[i * step]);
  }
}
// `keys` may be `out`, if step is 1.
template <class T>
void write_values(const VectorKey<T>* keys, int64_t n, T* out, int64_t step) {
  if constexpr (is_half<T>) {
    if (step == 1 && n >= kHalvesAtOnce) return convert_halves(keys, n, out, write_half_values<T>);
  }
  if (step == 1) {
    for (int64_t i = 0; i < n; ++i) {
      VectorKey<T> key;
      __builtin_memcpy(&key, keys + i, sizeof key);
      const T x = element_of_key<T>(static_cast<KeyOf<T>>(key));
      __builtin_memcpy(out + i, &x, sizeof x);
    }
  } else {
    for (int64_t i = 0; i < n; ++i) {
      out[i * step] = element_of_key<T>(static_cast<KeyOf<T>>(keys[i]));
    }
  }
}

// Sorts a into out, which is a or b; both are overwritten.
template <class T>
void sort_keys(VectorKey<T>* a, VectorKey<T>* b, int64_t n, VectorKey<T>* out) {
  using U = VectorKey<T>;
  using E = std::conditional_t<is_half<T>, SortedValue<U>, SortedValue<T>>;
  static_assert(sizeof(E) == sizeof(U));
  const auto radix = [](U* x, U* y, int64_t count) {
    return reinterpret_cast<U*>(
        radix_sort(reinterpret_cast<E*>(x), reinterpret_cast<E*>(y), count));
  };
  sort_in_vectors(a, b, n, out, radix);
}

// ---- Buckets: bucket i holds the keys from bound i up to bound i + 1, the last one all above.

template <class T>
void sample_bounds(const T* in, int64_t step, int64_t n, KeyOf<T>* bounds) {
  constexpr int64_t count = kBuckets * kSamplesPerBucket;
  KeyOf<T> sample[count], other[count];
  for (int64_t i = 0; i < count; ++i) {
    sample[i] = sort_key(in[(n / count * i + n % count * i / count) * step]);
  }
  sort_keys<T>(sample, other, count, sample);
  for (int b = 0; b < kBuckets; ++b) bounds[b] = sample[b * kSamplesPerBucket];
}

// Splits a into `buckets` parts between bounds, by halves; the parts are in a again, one after
// another, if the power of two is even.
template <class U>
void split_buckets(U* a, U* b, int64_t n, const U* bounds, int buckets, int64_t* sizes) {
  if (buckets == 1) {
    *sizes = n;
    return;
  }
  const int half = buckets / 2;
  const int64_t low = split_keys(a, n, bounds[half], b);
  split_buckets(b, a, low, bounds, half, sizes);
  split_buckets(b + low, a + low, n - low, bounds + half, half, sizes + half);
}

// `keys` and `other` hold n keys; `other` may be the memory of `out` if step is 1.
template <class T>
void sort_long(const T* in, int64_t step, int64_t n, KeyOf<T>* keys, KeyOf<T>* other, T* out) {
  using U = KeyOf<T>;
  U bounds[kBuckets];
  sample_bounds(in, step, n, bounds);
  const int64_t chunk = larger(kPart, (n + kMaxChunks - 1) / kMaxChunks);
  const int64_t chunks = (n + chunk - 1) / chunk;
  int64_t sizes[kMaxChunks][kBuckets], begin[kBuckets + 1] = {};
  parallel_for(chunks, 1, [&](int64_t c, int64_t last) {
    for (; c < last; ++c) {
      const int64_t at = c * chunk, count = smaller(n - at, chunk);
      read_keys(in + at * step, step, count, keys + at);
      split_buckets(keys + at, other + at, count, bounds, kBuckets, sizes[c]);
    }
  });
  for (int b = 0; b < kBuckets; ++b) {
    begin[b + 1] = begin[b];
    for (int64_t c = 0; c < chunks; ++c) begin[b + 1] += sizes[c][b];
  }
  parallel_for(kBuckets, 1, [&](int64_t b, int64_t last) {
    for (; b < last; ++b) {
      const int64_t at = begin[b], count = begin[b + 1] - at;
      ScratchBytes scratch(count, sizeof(U));
      U *own = static_cast<U*>(scratch.data()), *to = own;
      for (int64_t c = 0; c < chunks; ++c) {
        const U* from = keys + c * chunk;
        for (int64_t before = 0; before < b; ++before) from += sizes[c][before];
        __builtin_memcpy(to, from, size_t(sizes[c][b]) * sizeof(U));
        to += sizes[c][b];
      }
      sort_keys<T>(own, other + at, count, other + at);
      write_values(other + at, count, out + at * step, step);
    }
  });
}

template <class T>
void sort_short_halves(const KernelCall& call, const Extents& x) {
  const T* in = static_cast<const T*>(call.in[0].data);
  T* out = static_cast<T*>(call.out[0].data);
  for_rows(x, 2 * int64_t(sizeof(uint32_t)), [&](int64_t at, int64_t step, void* scratch) {
    uint32_t* keys = static_cast<uint32_t*>(scratch);
    uint32_t* other = keys + x.n;
    read_keys(in + at, step, x.n, keys);
    sort_keys<T>(keys, other, x.n, other);
    write_values(other, x.n, out + at, step);
  });
}

template <class T>
void sort_values(const KernelCall& call) {
  using U = KeyOf<T>;
  const Extents x(call);
  const T* in = static_cast<const T*>(call.in[0].data);
  T* out = static_cast<T*>(call.out[0].data);
  if (x.outer * x.n * x.inner == 0) return;
  const bool in_place = x.inner == 1;  // the rows of `out` serve as the second buffer
  const int64_t buffers = in_place ? 1 : 2;
  const auto second = [&](int64_t at, U* keys) {
    return in_place ? reinterpret_cast<U*>(out + at) : keys + x.n;
  };
  if (x.n < kLongRow) {
    return for_rows(x, buffers * int64_t(sizeof(U)), [&](int64_t at, int64_t step, void* scratch) {
      U* keys = static_cast<U*>(scratch);
      U* other = second(at, keys);
      read_keys(in + at, step, x.n, keys);
      sort_keys<T>(keys, other, x.n, other);
      write_values(other, x.n, out + at, step);
    });
  }
  ScratchBytes scratch(x.n, size_t(buffers) * sizeof(U));
  if (ScratchMeter::is_on()) {  // data say how large buckets are; here they are all alike
    return ScratchMeter::parallel(
        kBuckets, 1, [&](int64_t, int64_t) { ScratchBytes bucket(x.n / kBuckets, sizeof(U)); });
  }
  U* keys = static_cast<U*>(scratch.data());
  for (int64_t r = 0; r < x.outer * x.inner; ++r) {
    const int64_t at = r / x.inner * x.n * x.inner + r % x.inner;
    sort_long(in + at, x.inner, x.n, keys, second(at, keys), out + at);
  }
}

}  // namespace
}  // namespace olivine::cpu::OLIVINE_ISA
#endif
