// Fourier transforms of lines in memory: loads and stores of blocks, and the methods of a plan.
//
// A split line x of first * second values is a matrix. Its columns are transformed, multiplied by
// roots of unity, and written transposed in blocks, so that the rows are columns of the next step.
#pragma once

#include "backends/cpu/kernels/fft_columns-inl.h"
#include "backends/cpu/scratch.h"
#include "runtime/thread_pool.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

// From this length on, threads share a line instead of taking one each.
constexpr int64_t kSharedLine = 1 << 16;
// Many lines of at most this length are transformed one per lane, even where they lie in a row.
constexpr int64_t kShortLine = 128;

// ---- Shuffles

#define OLIVINE_SHUFFLE(name, two, four, eight, sixteen)                             \
  template <class T>                                                                 \
  OLIVINE_INLINE Native<T> name(Native<T> a, Native<T> b) {                          \
    if constexpr (kFftLanes<T> == 2) return __builtin_shufflevector(a, b, two);      \
    if constexpr (kFftLanes<T> == 4) return __builtin_shufflevector(a, b, four);     \
    if constexpr (kFftLanes<T> == 8) return __builtin_shufflevector(a, b, eight);    \
    if constexpr (kFftLanes<T> == 16) return __builtin_shufflevector(a, b, sixteen); \
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

// Transposes a square of lanes: each round of perfect shuffles moves one bit of the index over.
template <class T>
OLIVINE_INLINE void transpose(Native<T> (&v)[kFftLanes<T>]) {
  constexpr int n = kFftLanes<T>;
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
};

template <class T>
int64_t block_size(int64_t n) {
  return n * 2 * kFftLanes<T>;
}
inline int64_t parts(int64_t n, int64_t size) { return (n + size - 1) / size; }

// Elements of T that a line, or a block of them, needs as scratch.
template <class T>
int64_t work_size(const FftPlan<T>& p) {
  const int64_t whole = 2 * block_size<T>(p.whole.n);
  if (p.method == FftMethod::columns) return whole;
  if (p.method == FftMethod::chirp) return 2 * p.inner->n + work_size(*p.inner);
  const int64_t longer = larger(p.first.n, p.second.n);
  const int64_t nested = p.nested_roots ? block_size<T>(p.n + p.first.n + 2 * longer) : 0;
  return larger(larger(whole, nested), block_size<T>(p.second.n) * parts(p.first.n, kFftLanes<T>) +
                                           2 * block_size<T>(longer));
}

// Columns [block * lanes, …) of a split line, into the blocks of its rows at `rows`.
// root_of(k): roots for the lanes of element k of the columns.
template <class T, class F>
OLIVINE_INLINE void split_columns(const LineTask<T>& task, const T* in, int64_t block, T* rows,
                                  T* work, F root_of) {
  constexpr int64_t lanes = kFftLanes<T>;
  const FftPlan<T>& p = task.plan;
  const int64_t first = p.first.n, second = p.second.n;
  const int64_t count = smaller(lanes, second - block * lanes);
  load_columns(in + 2 * block * lanes, second, first, count, task.swap, work);
  const T* done = transform_columns(p.first, work, work + block_size<T>(first));
  for (int64_t k = 0; k < first; k += lanes) {
    const int64_t valid = smaller(lanes, first - k);
    Native<T> re[lanes], im[lanes];
#pragma GCC unroll 16
    for (int64_t i = 0; i < lanes; ++i) {
      Pair<T> x{};
      if (i < valid) {
        x = product(load_pair(done + (k + i) * 2 * lanes), root_of(k + i));
      }
      re[i] = x.re;
      im[i] = x.im;
    }
    transpose<T>(re);
    transpose<T>(im);
    T* to = rows + (k / lanes * second + block * lanes) * 2 * lanes;
    if (count == lanes) {
#pragma GCC unroll 16
      for (int64_t l = 0; l < lanes; ++l) store_pair<T>(to + l * 2 * lanes, {re[l], im[l]});
    } else {
      for (int64_t l = 0; l < count; ++l) store_pair<T>(to + l * 2 * lanes, {re[l], im[l]});
    }
  }
}

template <class T>
void split_columns(const LineTask<T>& task, const T* in, int64_t block, T* rows, T* work) {
  constexpr int64_t element = 2 * kFftLanes<T>;
  const FftPlan<T>& p = task.plan;
  const int64_t at = block * p.first.n;
  if (p.split_roots) {
    return split_columns(task, in, block, rows, work,
                         [&](int64_t k) { return load_pair(p.split_roots + (at + k) * element); });
  }
  split_columns(task, in, block, rows, work, [&](int64_t k) {
    return product(load_pair(p.lane_roots + k * element), p.block_roots + 2 * (at + k));
  });
}

template <class T>
void split_rows(const LineTask<T>& task, T* rows, int64_t group, T* out, T* work) {
  constexpr int64_t lanes = kFftLanes<T>;
  const FftPlan<T>& p = task.plan;
  const int64_t first = p.first.n, second = p.second.n;
  const T* done = transform_columns(p.second, rows + block_size<T>(second) * group, work);
  store_columns(done, second, smaller(lanes, first - group * lanes), task.swap, task.scale,
                out + 2 * group * lanes, first);
}

// `in` may be `out`.
template <class T>
void split_line(const LineTask<T>& task, const T* in, T* out, T* work) {
  constexpr int64_t lanes = kFftLanes<T>;
  const FftPlan<T>& p = task.plan;
  const int64_t blocks = parts(p.second.n, lanes), groups = parts(p.first.n, lanes);
  T* rest = work + block_size<T>(p.second.n) * groups;
  if (p.n < kSharedLine) {
    for (int64_t b = 0; b < blocks; ++b) split_columns(task, in, b, work, rest);
    for (int64_t g = 0; g < groups; ++g) split_rows(task, work, g, out, rest);
    return;
  }
  const int64_t longer = 2 * block_size<T>(larger(p.first.n, p.second.n));
  parallel_for(blocks, parts(blocks, 64), [&](int64_t begin, int64_t end) {
    ScratchBytes own(longer, sizeof(T));
    for (; begin < end; ++begin) {
      split_columns(task, in, begin, work, static_cast<T*>(own.data()));
    }
  });
  parallel_for(groups, parts(groups, 64), [&](int64_t begin, int64_t end) {
    ScratchBytes own(longer, sizeof(T));
    for (; begin < end; ++begin) split_rows(task, work, begin, out, static_cast<T*>(own.data()));
  });
}

// out = scale * x * w, elementwise, re and im swapped before or after.
template <class T>
void multiply_complex(const T* x, bool swap_in, const T* w, T scale, bool swap_out, int64_t n,
                      T* out) {
  constexpr int64_t lanes = kFftLanes<T>;
  for (int64_t i = 0; i < n; i += lanes) {
    const int64_t count = smaller(lanes, n - i);
    const Pair<T> a = swapped(load_complex(x + 2 * i, count), swap_in);
    const Pair<T> y = scaled(product(a, load_complex(w + 2 * i, count)), scale);
    store_complex(out + 2 * i, swapped(y, swap_out), count);
  }
}

template <class T>
void transform_line(const LineTask<T>& task, const T* in, T* out, T* work);

template <class T>
void chirp_line(const LineTask<T>& task, const T* in, T* out, T* work) {
  const FftPlan<T>& p = task.plan;
  const int64_t m = p.inner->n;
  T* rest = work + 2 * m;
  multiply_complex(in, task.swap, p.chirp, T(1), false, p.n, work);
  fill(work + 2 * p.n, 2 * (m - p.n), T(0));
  transform_line<T>({*p.inner, false, T(1)}, work, work, rest);
  multiply_complex(work, false, p.filter, T(1), false, m, work);
  transform_line<T>({*p.inner, true, T(1)}, work, work, rest);
  multiply_complex(work, false, p.chirp, task.scale, task.swap, p.n, out);
}

// The lines from element j on, every `by` elements.
template <class T>
LaneLines<T> every(LaneLines<T> lines, int64_t j, int64_t by) {
  for (int64_t l = 0; l < lines.count; ++l) lines.line[l] += 2 * j * lines.step;
  lines.step *= by;
  return lines;
}

// By the split of the plan: passes over a whole block would go through the L2 cache, those over a
// column or a row of its matrix stay in the L1 cache.
template <class T>
void transform_nested(const LineTask<T>& task, const LaneLines<T>& in, const LaneLines<T>& out,
                      T* work) {
  constexpr int64_t element = 2 * kFftLanes<T>;
  const FftPlan<T>& p = task.plan;
  const int64_t first = p.first.n, second = p.second.n;
  const int64_t row = (second + 1) * element;  // one more: rows begin in different sets of a cache
  T *a = work + first * row, *b = a + element * larger(first, second);
  for (int64_t j = 0; j < second; ++j) {
    load_block(every(in, j, second), first, task.swap, a);
    const T* done = transform_columns(p.first, a, b);
    const T* root = p.nested_roots + 2 * j * first;
    T* to = work + j * element;
    for (int64_t k = 0; k < first; ++k) {
      store_pair(to + k * row, product(load_pair(done + k * element), root + 2 * k));
    }
  }
  for (int64_t k = 0; k < first; ++k) {
    const T* done = transform_columns(p.second, work + k * row, a);
    store_block(done, second, task.swap, task.scale, every(out, k, first));
  }
}

template <class T>
void transform_block(const LineTask<T>& task, const LaneLines<T>& in, const LaneLines<T>& out,
                     T* work) {
  const int64_t n = task.plan.n;
  if (task.plan.nested_roots && in.step > 1 && out.step > 1) {
    return transform_nested(task, in, out, work);
  }
  load_block(in, n, task.swap, work);
  const T* done = transform_columns(task.plan.whole, work, work + block_size<T>(n));
  store_block(done, n, task.swap, task.scale, out);
}

template <class T>
void transform_line(const LineTask<T>& task, const T* in, T* out, T* work) {
  switch (task.plan.method) {
    case FftMethod::split:
      return split_line(task, in, out, work);
    case FftMethod::chirp:
      return chirp_line(task, in, out, work);
    case FftMethod::columns: {
      const Lines<T> from{const_cast<T*>(in), 1, 1, 0}, to{out, 1, 1, 0};
      transform_block<T>(task, {from, 0, 1}, {to, 0, 1}, work);
    }
  }
}

// ---- Several lines

// Whether the lines of a block, a lane each, take less time than one after another.
template <class T>
bool prefers_blocks(const FftPlan<T>& p, bool contiguous) {
  if (p.method == FftMethod::columns) return true;
  if (p.whole.n == 0) return false;
  if (!contiguous || p.n <= kShortLine) return true;
  constexpr int64_t lanes = kFftLanes<T>;
  const int64_t vectors =
      parts(p.second.n, lanes) * p.first.n + parts(p.first.n, lanes) * p.second.n;
  return p.n <= 1024 && vectors * lanes > 4 * p.n;
}

// The same of this many lines.
template <class T>
bool takes_blocks(const FftPlan<T>& p, bool contiguous, int64_t lines) {
  return prefers_blocks(p, contiguous) &&
         (p.method == FftMethod::columns || lines >= kFftLanes<T> / 2);
}

template <class T>
void copy_lines(const LaneLines<T>& from, int64_t n, const LaneLines<T>& to) {
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t l = 0; l < from.count; ++l) {
      copy(from.line[l] + 2 * i * from.step, 2, to.line[l] + 2 * i * to.step);
    }
  }
}

// Lines [begin, end); `in` and `out` may be the same.
template <class T>
void transform_lines(const LineTask<T>& task, const Lines<T>& in, const Lines<T>& out,
                     int64_t begin, int64_t end) {
  constexpr int64_t lanes = kFftLanes<T>;
  const FftPlan<T>& p = task.plan;
  const bool contiguous = in.step == 1 && out.step == 1;
  const bool blocks = takes_blocks(p, contiguous, end - begin);
  const bool moved = !blocks && !contiguous;
  const int64_t size = work_size(p);
  ScratchBytes scratch(size + (moved ? 2 * lanes * p.n : 0), sizeof(T));
  T* work = static_cast<T*>(scratch.data());
  if (!blocks && contiguous) {
    for (; begin < end; ++begin) transform_line<T>(task, in.at(begin), out.at(begin), work);
    return;
  }
  const Lines<T> own{work + size, 1, 1, p.n};
  for (; begin < end; begin += lanes) {
    const int64_t count = smaller(lanes, end - begin);
    const LaneLines<T> from(in, begin, count), to(out, begin, count), held(own, 0, count);
    if (blocks) {
      transform_block(task, from, to, work);
      continue;
    }
    copy_lines(from, p.n, held);
    for (int64_t l = 0; l < count; ++l) {
      transform_line<T>(task, held.line[l], held.line[l], work);
    }
    copy_lines(held, p.n, to);
  }
}

}  // namespace
}  // namespace olivine::cpu::OLIVINE_ISA
