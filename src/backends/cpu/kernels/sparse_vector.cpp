// Sparse matrices and their transposes times real vectors.
//
// Each nonzero is used once, so what counts is how few instructions it takes. Indices are checked
// beside the arithmetic of nonzeros that come earlier: a pass of its own over them would take a
// fifth of the time. A transposed product adds into sums of a range of rows; then the sums of the
// ranges are added up in order.
#include <utility>

#include "backends/cpu/kernels/sparse-inl.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

constexpr int kRowsTogether = 4;    // of a block
constexpr int64_t kLookAhead = 64;  // indices: farther ahead, they would leave the first cache
constexpr int kWords = kVectorBytes / int(sizeof(int32_t));

OLIVINE_INLINE WordLanes load_words(const int32_t* p) {
  WordLanes words;
  __builtin_memcpy(&words, p, sizeof words);
  return words;
}
OLIVINE_INLINE WordLanes larger_lanes(WordLanes a, WordLanes b) { return a > b ? a : b; }

// Of numbers, as mul_add of vectors.
template <class A>
OLIVINE_INLINE A multiply_add(A a, A b, A c) {
#if defined(__FMA__)
  if constexpr (sizeof(A) == sizeof(float)) return __builtin_fmaf(a, b, c);
  return __builtin_fma(a, b, c);
#else
  return a * b + c;
#endif
}

// Whether any lane has a bit.
OLIVINE_INLINE bool any_lane(WordLanes mask) {
#if defined(__AVX512BW__)
  return _mm512_test_epi32_mask((__m512i)mask, (__m512i)mask) != 0;
#elif defined(__AVX2__)
  return !_mm256_testz_si256((__m256i)mask, (__m256i)mask);
#else
  uint32_t any = 0;
  for (int l = 0; l < kWords; ++l) any |= mask[l];
  return any != 0;
#endif
}

// (Takes no IndicesAhead, whose members thus stay in registers.)
__attribute__((noinline)) void look_at(const CsrRows& m, int64_t first, int64_t last) {
  check_range(m, first, last);
}

// Sees to it that the indices of a row in [first, last) are in range before the row is used. While
// a row is computed, as many indices after those looked at so far may be looked at.
class IndicesAhead {
 public:
  OLIVINE_INLINE IndicesAhead(const CsrRows& m, int64_t first, int64_t last)
      : m_(m), begin_(m.begin[first]), end_(m.begin[last]), known_(begin_), seen_until_(begin_) {}

  // Before row i: the first of the indices to look at meanwhile.
  OLIVINE_INLINE const int32_t* prepare(int64_t i) {
    const int64_t wanted = m_.begin[i + 1];
    if (wanted > known_) {
      require_seen();
      if (wanted > seen_until_) {
        const int64_t until = smaller(wanted + kLookAhead, end_);
        look_at(m_, seen_until_, until);
        seen_until_ = until;
      }
      known_ = seen_until_;
    }
    return m_.indices + smaller(seen_until_, end_ - m_.count(i));
  }
  // After it: the largest of those looked at, and the first that was not.
  OLIVINE_INLINE void add(WordLanes seen, const int32_t* next) {
    seen_ = larger_lanes(seen_, seen);
    seen_until_ = larger(seen_until_, next - m_.indices);
  }

 private:
  // Negative indices are large ones.
  OLIVINE_INLINE void require_seen() const {
    const WordLanes columns = static_cast<uint32_t>(m_.columns) - WordLanes{};
    if (any_lane(WordLanes(seen_ >= columns))) m_.check_indices(begin_, end_);
  }

  const CsrRows& m_;
  const int64_t begin_, end_;
  int64_t known_, seen_until_;
  WordLanes seen_ = {};
};

// Indices are read two at a time: loads are what there is most of.
OLIVINE_INLINE uint32_t index_at(const int32_t* indices, int l) {
  uint64_t two;
  __builtin_memcpy(&two, indices + (l & ~1), sizeof two);
  return static_cast<uint32_t>(l & 1 ? two >> 32 : two);
}

// As a tree: rows of few nonzeros spend much of their time here.
template <class V>
OLIVINE_INLINE auto sum_of_lanes(V v) {
  constexpr int lanes = sizeof(V) / sizeof(v[0]);
  if constexpr (lanes == 16) {
    return sum_of_lanes(__builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) +
                        __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15));
  } else if constexpr (lanes == 8) {
    return sum_of_lanes(__builtin_shufflevector(v, v, 0, 1, 2, 3) +
                        __builtin_shufflevector(v, v, 4, 5, 6, 7));
  } else if constexpr (lanes == 4) {
    return (v[0] + v[2]) + (v[1] + v[3]);
  } else {
    return v[0] + v[1];
  }
}

// ---- Products

template <class V, class F, int... l>
OLIVINE_INLINE V lanes_of(F element, std::integer_sequence<int, l...>) {
  return V{element(l)...};
}

template <class T>
OLIVINE_INLINE Native<Sum<T>> gather(const T* x, const int32_t* indices) {
  constexpr auto lanes = std::make_integer_sequence<int, kLanes<T>>();
  if constexpr (is_half<T>) {
    const auto bits =
        lanes_of<HalfLanes>([&](int l) { return x[index_at(indices, l)].bits; }, lanes);
    return load_native<Sum<T>>(reinterpret_cast<const T*>(&bits));
  } else {
    return lanes_of<Native<T>>([&](int l) { return x[index_at(indices, l)]; }, lanes);
  }
}

// Adds the whole vectors of a row times x, and returns the number of their nonzeros. Two vectors
// of sums hide the latency of additions.
template <class T>
OLIVINE_INLINE int64_t dot_vectors(const T* data, const int32_t* indices, int64_t count, const T* x,
                                   const int32_t*& next, WordLanes& seen, Native<Sum<T>>& sum) {
  using A = Sum<T>;
  constexpr int lanes = kLanes<T>, step = 2 * lanes;
  Native<A> sums[2] = {};
  int64_t p = 0;
  for (; p + step <= count; p += step, next += step) {
#pragma GCC unroll 2
    for (int k = 0; k < step; k += kWords) seen = larger_lanes(seen, load_words(next + k));
#pragma GCC unroll 2
    for (int k = 0; k < 2; ++k) {
      const int64_t q = p + k * lanes;
      sums[k] = mul_add(load_native<A>(data + q), gather(x, indices + q), sums[k]);
    }
  }
  if (p + lanes <= count) {
    sums[0] = mul_add(load_native<A>(data + p), gather(x, indices + p), sums[0]);
    p += lanes;
  }
  sum = sums[0] + sums[1];
  return p;
}

// Rows [first, last) of m x. (A function of its own, so that its loop has all registers.)
template <class T>
__attribute__((noinline)) void dot_rows(const CsrRows& m, int64_t first, int64_t last,
                                        const T* data, const T* x, T* out) {
  using A = Sum<T>;
  IndicesAhead ahead(m, first, last);
  for (int64_t i = first; i < last; ++i) {
    const int32_t *indices = m.indices + m.begin[i], *next = ahead.prepare(i);
    const T* values = data + m.begin[i];
    const int64_t count = m.count(i);
    WordLanes seen = {};
    Native<A> sums;
    int64_t p = dot_vectors(values, indices, count, x, next, seen, sums);
    ahead.add(seen, next);
    A rest = 0;
    for (; p < count; ++p) rest = multiply_add(widen<A>(values[p]), widen<A>(x[indices[p]]), rest);
    out[i] = narrow<T>(sum_of_lanes(sums) + rest);
  }
}

// kRows rows of blocks: dot products with the elements of x at each block.
template <class T, int kRows>
void dot_blocks(const CsrRows& m, int64_t i, const T* data, BlockShape shape, const T* x, T* out) {
  using A = Sum<T>;
  constexpr int lanes = kLanes<T>;
  Native<A> sums[kRows] = {};
  A rest[kRows] = {}, total[kRows];
  for (int64_t p = m.begin[i]; p < m.begin[i + 1]; ++p) {
    const T *block = data + p * shape.size(), *by = x + m.indices[p] * shape.columns;
    int64_t c = 0;
    for (; c + lanes <= shape.columns; c += lanes) {
      const Native<A> v = load_native<A>(by + c);
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
        sums[r] = mul_add(load_native<A>(block + r * shape.columns + c), v, sums[r]);
      }
    }
    for (; c < shape.columns; ++c) {
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
        rest[r] += widen<A>(block[r * shape.columns + c]) * widen<A>(by[c]);
      }
    }
  }
  sum_lanes_of<A, kRows>(sums, total);
  for (int r = 0; r < kRows; ++r) out[r] = narrow<T>(total[r] + rest[r]);
}

// The rows of row i of blocks.
template <class T>
void dot_block_row(const CsrRows& m, int64_t i, const T* data, BlockShape shape, const T* x,
                   T* out) {
  int64_t r = 0;
  for (; r + kRowsTogether <= shape.rows; r += kRowsTogether) {
    dot_blocks<T, kRowsTogether>(m, i, data + r * shape.columns, shape, x, out + r);
  }
  for (; r < shape.rows; ++r) dot_blocks<T, 1>(m, i, data + r * shape.columns, shape, x, out + r);
}

// ---- Transposed products

// Adds rows [first, last) times their elements of x. Sums are read and written in order: a column
// may repeat.
template <class T>
__attribute__((noinline)) void scatter_rows(const CsrRows& m, int64_t first, int64_t last,
                                            const T* data, const T* x, Sum<T>* sums) {
  using A = Sum<T>;
  IndicesAhead ahead(m, first, last);
  for (int64_t i = first; i < last; ++i) {
    const int32_t *indices = m.indices + m.begin[i], *next = ahead.prepare(i);
    const T* values = data + m.begin[i];
    const int64_t count = m.count(i);
    const A by = widen<A>(x[i]);
    WordLanes seen = {};
    int64_t p = 0;
    for (; p + kWords <= count; p += kWords, next += kWords) {
      seen = larger_lanes(seen, load_words(next));
#pragma GCC unroll 16
      for (int k = 0; k < kWords; ++k) {
        A& sum = sums[index_at(indices + p, k)];
        sum = multiply_add(by, widen<A>(values[p + k]), sum);
      }
    }
    ahead.add(seen, next);
    for (; p < count; ++p) {
      A& sum = sums[indices[p]];
      sum = multiply_add(by, widen<A>(values[p]), sum);
    }
  }
}

// The same for a row of blocks.
template <class T>
void scatter_block_row(const CsrRows& m, int64_t i, const T* data, BlockShape shape, const T* x,
                       Sum<T>* sums) {
  using A = Sum<T>;
  constexpr int lanes = kLanes<T>;
  const T* by = x + i * shape.rows;
  for (int64_t p = m.begin[i]; p < m.begin[i + 1]; ++p) {
    const T* from = data + p * shape.size();
    A* to = sums + m.indices[p] * shape.columns;
    int64_t c = 0;
    for (; c + lanes <= shape.columns; c += lanes) {
      Native<A> sum = load_native<A>(to + c);
      for (int64_t r = 0; r < shape.rows; ++r) {
        sum = mul_add(all_lanes<A>(widen<A>(by[r])), load_native<A>(from + r * shape.columns + c),
                      sum);
      }
      store_native(to + c, sum);
    }
    for (; c < shape.columns; ++c) {
      A sum = to[c];
      for (int64_t r = 0; r < shape.rows; ++r) {
        sum += widen<A>(by[r]) * widen<A>(from[r * shape.columns + c]);
      }
      to[c] = sum;
    }
  }
}

}  // namespace

template <class T>
void sparse_vector_product(const CsrRows& m, const T* data, BlockShape shape, const T* x, T* out) {
  const RowRanges ranges(m, shape.size() + kNonzeroCost);
  parallel_for(ranges.count(), 1, [&](int64_t from, int64_t to) {
    const int64_t first = ranges.first(from), last = ranges.first(to);
    if (shape.size() == 1) {
      dot_rows(m, first, last, data, x, out);
      return;
    }
    for_checked_rows(m, first, last,
                     [&](int64_t i) { dot_block_row(m, i, data, shape, x, out + i * shape.rows); });
  });
}

template <class T>
void sparse_transposed_vector_product(const CsrRows& m, const T* data, BlockShape shape, const T* x,
                                      T* out) {
  using A = Sum<T>;
  const int64_t rows = m.columns * shape.columns;
  const RowRanges ranges(m, 1, most_sums(m, 1, rows / shape.size()));
  const int64_t parts = larger(1, ranges.count());  // sums are zeros where there are no rows
  ScratchBytes memory(parts, static_cast<size_t>(rows) * sizeof(A));
  A* sums = static_cast<A*>(memory.data());
  parallel_for(parts, 1, [&](int64_t from, int64_t to) {
    for (int64_t s = from; s < to; ++s) {
      A* own = sums + s * rows;
      fill(own, rows, A(0));
      if (s == ranges.count()) continue;
      const int64_t first = ranges.first(s), last = ranges.first(s + 1);
      if (shape.size() == 1) {
        scatter_rows(m, first, last, data, x, own);
        continue;
      }
      for_checked_rows(m, first, last,
                       [&](int64_t i) { scatter_block_row(m, i, data, shape, x, own); });
    }
  });
  parallel_for(rows, kPackGrain, [&](int64_t first, int64_t last) {
    constexpr int lanes = kLanes<T>;
    int64_t c = first;
    for (; c + lanes <= last; c += lanes) {
      Native<A> sum = load_native<A>(sums + c);
      for (int64_t s = 1; s < parts; ++s) sum += load_native<A>(sums + s * rows + c);
      store_native(out + c, sum);
    }
    for (; c < last; ++c) {
      A sum = sums[c];
      for (int64_t s = 1; s < parts; ++s) sum += sums[s * rows + c];
      out[c] = narrow<T>(sum);
    }
  });
}

#define OLIVINE_SPARSE_VECTOR(T)                                                              \
  template void sparse_vector_product<T>(const CsrRows&, const T*, BlockShape, const T*, T*); \
  template void sparse_transposed_vector_product<T>(const CsrRows&, const T*, BlockShape,     \
                                                    const T*, T*);
OLIVINE_SPARSE_VECTOR(float16_t)
OLIVINE_SPARSE_VECTOR(bfloat16_t)
OLIVINE_SPARSE_VECTOR(float)
OLIVINE_SPARSE_VECTOR(double)
#undef OLIVINE_SPARSE_VECTOR

}  // namespace olivine::cpu::OLIVINE_ISA
