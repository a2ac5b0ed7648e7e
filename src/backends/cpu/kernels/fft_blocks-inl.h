// Lines in memory as Fourier transforms see them: shuffles, and loads and stores of blocks.
#pragma once

#include "backends/cpu/kernels/fft_columns-inl.h"
#include "backends/cpu/kernels/shuffles-inl.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

// Past the caches; `p` is aligned. The stores of a thread end with end_streaming.
OLIVINE_INLINE void store_streaming(void* p, Native<float> x) {
#if defined(__AVX512BW__)
  _mm512_stream_ps(static_cast<float*>(p), (__m512)x);
#elif defined(__AVX2__)
  _mm256_stream_ps(static_cast<float*>(p), (__m256)x);
#else
  store_native(static_cast<float*>(p), x);
#endif
}
OLIVINE_INLINE void store_streaming(void* p, Native<double> x) {
  store_streaming(p, (Native<float>)x);
}
inline void end_streaming() {
#if defined(__AVX2__)
  _mm_sfence();
#endif
}

template <class T>
OLIVINE_INLINE Pair<T> swapped(Pair<T> a, bool swap) {
  return swap ? Pair<T>{a.im, a.re} : a;
}
// Complex numbers in a row, one per lane.
template <class T>
OLIVINE_INLINE Pair<T> load_complex(const T* p) {
  const Native<T> a = load_native<T>(p), b = load_native<T>(p + kFftLanes<T>);
  return {evens<T>(a, b), odds<T>(a, b)};
}
template <class T>
OLIVINE_INLINE void store_complex(T* p, Pair<T> a) {
  store_native(p, zip_low<T>(a.re, a.im));
  store_native(p + kFftLanes<T>, zip_high<T>(a.re, a.im));
}
// The same, the last one first.
template <class T>
OLIVINE_INLINE Pair<T> load_backwards(const T* p) {
  const Native<T> a = load_native<T>(p), b = load_native<T>(p + kFftLanes<T>);
  return {evens_backwards<T>(a, b), odds_backwards<T>(a, b)};
}
template <class T>
OLIVINE_INLINE void store_backwards(T* p, Pair<T> a) {
  store_native(p, zip_high_backwards<T>(a.re, a.im));
  store_native(p + kFftLanes<T>, zip_low_backwards<T>(a.re, a.im));
}

// The first `n` lanes of a vector, at most all; the others are zero, and are not stored.
#if defined(__AVX512BW__)
OLIVINE_INLINE Native<float> load_lanes(const float* p, int64_t n) {
  return (Native<float>)_mm512_maskz_loadu_ps(__mmask16(_bzhi_u32(0xffff, unsigned(n))), p);
}
OLIVINE_INLINE Native<double> load_lanes(const double* p, int64_t n) {
  return (Native<double>)_mm512_maskz_loadu_pd(__mmask8(_bzhi_u32(0xff, unsigned(n))), p);
}
OLIVINE_INLINE void store_lanes(float* p, Native<float> v, int64_t n) {
  _mm512_mask_storeu_ps(p, __mmask16(_bzhi_u32(0xffff, unsigned(n))), (__m512)v);
}
OLIVINE_INLINE void store_lanes(double* p, Native<double> v, int64_t n) {
  _mm512_mask_storeu_pd(p, __mmask8(_bzhi_u32(0xff, unsigned(n))), (__m512d)v);
}
#elif defined(__AVX2__)
OLIVINE_INLINE __m256i first_lanes(float, int64_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(int(n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
OLIVINE_INLINE __m256i first_lanes(double, int64_t n) {
  return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3));
}
OLIVINE_INLINE Native<float> load_lanes(const float* p, int64_t n) {
  return (Native<float>)_mm256_maskload_ps(p, first_lanes(0.f, n));
}
OLIVINE_INLINE Native<double> load_lanes(const double* p, int64_t n) {
  return (Native<double>)_mm256_maskload_pd(p, first_lanes(0., n));
}
OLIVINE_INLINE void store_lanes(float* p, Native<float> v, int64_t n) {
  _mm256_maskstore_ps(p, first_lanes(0.f, n), (__m256)v);
}
OLIVINE_INLINE void store_lanes(double* p, Native<double> v, int64_t n) {
  _mm256_maskstore_pd(p, first_lanes(0., n), (__m256d)v);
}
#else
template <class T>
OLIVINE_INLINE Native<T> load_lanes(const T* p, int64_t n) {
  T lanes[kFftLanes<T>] = {};
#pragma GCC unroll 8
  for (int64_t i = 0; i < kFftLanes<T>; ++i) {
    if (i < n) lanes[i] = p[i];
  }
  return load_native<T>(lanes);
}
template <class T>
OLIVINE_INLINE void store_lanes(T* p, Native<T> v, int64_t n) {
#pragma GCC unroll 8
  for (int64_t i = 0; i < kFftLanes<T>; ++i) {
    if (i < n) p[i] = v[i];
  }
}
#endif

// The first `count` complex numbers; the other lanes are zero.
template <class T>
OLIVINE_INLINE Pair<T> load_complex(const T* p, int64_t count) {
  constexpr int64_t lanes = kFftLanes<T>;
  if (count == lanes) return load_complex(p);
  const Native<T> a = load_lanes(p, smaller(2 * count, lanes));
  const Native<T> b = load_lanes(p + lanes, larger(2 * count - lanes, 0));
  return {evens<T>(a, b), odds<T>(a, b)};
}
template <class T>
OLIVINE_INLINE void store_complex(T* p, Pair<T> a, int64_t count) {
  constexpr int64_t lanes = kFftLanes<T>;
  if (count == lanes) return store_complex(p, a);
  store_lanes(p, zip_low<T>(a.re, a.im), smaller(2 * count, lanes));
  store_lanes(p + lanes, zip_high<T>(a.re, a.im), larger(2 * count - lanes, 0));
}
template <class T>
OLIVINE_INLINE Pair<T> scaled(Pair<T> a, T by) {
  return {a.re * by, a.im * by};
}

// ---- Lines

// Line l begins at (l / inner) * outer + l % inner; all counts are in complex numbers.
template <class T>
struct Lines {
  T* data;
  int64_t step;  // between the elements of a line
  int64_t inner, outer;

  T* at(int64_t line) const { return data + 2 * (line / inner * outer + line % inner); }
};

// The lines of one block, a lane each.
template <class T>
struct LaneLines {
  int64_t step, count;
  T* line[kFftLanes<T>];

  LaneLines(const Lines<T>& lines, int64_t first, int64_t n) : step(lines.step), count(n) {
    for (int64_t l = 0; l < n; ++l) line[l] = lines.at(first + l);
  }
  bool adjacent() const {
    for (int64_t l = 1; l < count; ++l) {
      if (line[l] != line[0] + 2 * l) return false;
    }
    return true;
  }
};

// Elements of so many adjacent lines as there are lanes, `step` complex numbers apart.
template <class T, bool kSwap>
struct ColumnSource {
  const T* data;
  int64_t step;
  OLIVINE_INLINE Pair<T> load(int64_t i) const {
    const Pair<T> x = load_complex(data + 2 * i * step);
    return kSwap ? Pair<T>{x.im, x.re} : x;
  }
};
template <class T, bool kSwap>
struct ColumnSink {
  T* data;
  int64_t step;
  T scale;
  OLIVINE_INLINE void store(int64_t i, Pair<T> x) const {
    x = scaled(x, scale);
    store_complex(data + 2 * i * step, kSwap ? Pair<T>{x.im, x.re} : x);
  }
};
// A block whose elements are multiplied by roots on the way.
template <class T>
struct RootSink {
  T* data;
  int64_t stride;
  const T* roots;
  OLIVINE_INLINE void store(int64_t i, Pair<T> x) const {
    store_pair(data + i * stride, product(x, roots + 2 * i));
  }
};

// body(std::bool_constant).
template <class F>
OLIVINE_INLINE void with_swap(bool swap, F&& body) {
  if (swap) {
    body(std::true_type());
  } else {
    body(std::false_type());
  }
}

template <class T>
void load_columns(const T* p, int64_t step, int64_t n, int64_t count, bool swap, T* block) {
  constexpr int64_t lanes = kFftLanes<T>;
  for (int64_t i = 0; i < n; ++i) {
    store_pair(block + i * 2 * lanes, swapped(load_complex(p + 2 * i * step, count), swap));
  }
}
template <class T>
void store_columns(const T* block, int64_t n, int64_t count, bool swap, T scale, T* p,
                   int64_t step) {
  constexpr int64_t lanes = kFftLanes<T>;
  for (int64_t i = 0; i < n; ++i) {
    const Pair<T> x = scaled(load_pair(block + i * 2 * lanes), scale);
    store_complex(p + 2 * i * step, swapped(x, swap), count);
  }
}

template <class T>
void load_block(const LaneLines<T>& from, int64_t n, bool swap, T* block) {
  constexpr int64_t lanes = kFftLanes<T>;
  if (from.adjacent()) return load_columns(from.line[0], from.step, n, from.count, swap, block);
  int64_t done = 0;
  if (from.step == 1 && from.count == lanes) {
    for (; done + lanes <= n; done += lanes) {
      Native<T> re[lanes], im[lanes];
#pragma GCC unroll 16
      for (int64_t l = 0; l < lanes; ++l) {
        const Pair<T> x = swapped(load_complex(from.line[l] + 2 * done), swap);
        re[l] = x.re;
        im[l] = x.im;
      }
      transpose<T>(re);
      transpose<T>(im);
#pragma GCC unroll 16
      for (int64_t i = 0; i < lanes; ++i) {
        store_pair<T>(block + (done + i) * 2 * lanes, {re[i], im[i]});
      }
    }
  }
  if (from.count < lanes) fill(block, 2 * lanes * n, T(0));
  for (int64_t i = done; i < n; ++i) {
    T* to = block + i * 2 * lanes;
    for (int64_t l = 0; l < from.count; ++l) {
      const T* x = from.line[l] + 2 * i * from.step;
      to[l] = x[swap];
      to[l + lanes] = x[!swap];
    }
  }
}

template <class T>
void store_block(const T* block, int64_t n, bool swap, T scale, const LaneLines<T>& to) {
  constexpr int64_t lanes = kFftLanes<T>;
  if (to.adjacent()) return store_columns(block, n, to.count, swap, scale, to.line[0], to.step);
  int64_t done = 0;
  if (to.step == 1 && to.count == lanes) {
    for (; done + lanes <= n; done += lanes) {
      Native<T> re[lanes], im[lanes];
#pragma GCC unroll 16
      for (int64_t i = 0; i < lanes; ++i) {
        const Pair<T> x = scaled(load_pair(block + (done + i) * 2 * lanes), scale);
        re[i] = x.re;
        im[i] = x.im;
      }
      transpose<T>(re);
      transpose<T>(im);
#pragma GCC unroll 16
      for (int64_t l = 0; l < lanes; ++l) {
        store_complex(to.line[l] + 2 * done, swapped(Pair<T>{re[l], im[l]}, swap));
      }
    }
  }
  for (int64_t i = done; i < n; ++i) {
    const T* from = block + i * 2 * lanes;
    for (int64_t l = 0; l < to.count; ++l) {
      T* x = to.line[l] + 2 * i * to.step;
      x[swap] = from[l] * scale;
      x[!swap] = from[l + lanes] * scale;
    }
  }
}

// ---- One contiguous line

// How a line is transformed: inverse ones swap re and im at both ends.
template <class T>
struct LineTask {
  const FftPlan<T>& plan;
  bool swap;
  T scale;
  bool streams = false;  // writes past the caches, where lines begin at vectors
};

template <class T>
int64_t block_size(int64_t n) {
  return n * 2 * kFftLanes<T>;
}
inline int64_t parts(int64_t n, int64_t size) { return (n + size - 1) / size; }

}  // namespace
}  // namespace olivine::cpu::OLIVINE_ISA
