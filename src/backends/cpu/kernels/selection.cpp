// nonzero, compress and expand: positions and elements under a mask, and elements put back there.
//
// The mask is cut into blocks, whose size follows from shapes alone. A first pass counts each
// block's hits, the running sum says where its results begin, and a second pass writes them: all
// blocks in parallel, with the same result for any number of threads. Eight bytes of a mask are
// looked at together, as the bits of an index into a table of permutations. A store of eight
// results may write past those that are due, but never past the block's own.
#include "backends/cpu/kernel_table.h"
#include "backends/cpu/kernels/strided-inl.h"
#include "backends/cpu/scratch.h"
#include "backends/cpu/vec-inl.h"
#include "ops/selection_params.h"
#include "runtime/thread_pool.h"
#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace olivine::cpu::OLIVINE_ISA {
namespace {

constexpr int64_t kBlock = 1 << 14;  // elements that a task looks at or moves

OLIVINE_INLINE uint64_t eight_bytes(const uint8_t* p) {
  uint64_t bytes;
  std::memcpy(&bytes, p, sizeof bytes);
  return bytes;
}
// The lowest bit of each byte: whether the byte is not 0, for bools made by others may be anything.
OLIVINE_INLINE uint64_t flags(uint64_t bytes) {
  constexpr uint64_t low = 0x7f7f7f7f7f7f7f7f;
  return ((((bytes & low) + low) | bytes) & ~low) >> 7;
}
// Bit i: byte i is not 0.
OLIVINE_INLINE unsigned bits_of(uint64_t bytes) {
  return unsigned(flags(bytes) * 0x0102040810204080u >> 56);
}

int64_t count_hits(const uint8_t* mask, int64_t n) {
  int64_t count = 0, i = 0;
  while (i + 8 <= n) {  // sums of bytes stay below 256
    uint64_t sums = 0;
    const int64_t end = smaller(n - 7, i + 8 * 255);
    for (; i < end; i += 8) sums += flags(eight_bytes(mask + i));
    constexpr uint64_t even = 0x00ff00ff00ff00ff;
    const uint64_t pairs = (sums & even) + (sums >> 8 & even);
    count += int64_t(pairs * 0x0001000100010001u >> 48);
  }
  for (; i < n; ++i) count += mask[i] != 0;
  return count;
}

// A mask as rows of blocks, and where the results of each block begin in their row.
class Blocks {
 public:
  const int64_t rows, n;

  // `moved`: how many elements one hit moves.
  Blocks(const View& mask, int batch, int64_t moved)
      : rows(count(mask.shape, 0, static_cast<size_t>(batch))),
        n(count(mask.shape, static_cast<size_t>(batch), mask.shape.size())),
        mask_(mask.as<const uint8_t>()),
        length_(larger(64, kBlock / larger(moved, 1) / 64 * 64)),
        per_row_((n + length_ - 1) / length_),
        grain_(larger(1, length_ / larger(n, 1))),
        starts_(rows * (per_row_ + 1), sizeof(int64_t)) {
    int64_t* starts = static_cast<int64_t*>(starts_.data());
    parallel_for(rows * per_row_, grain_, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) {
        const int64_t row = b / per_row_, first = b % per_row_ * length_;
        starts[row * (per_row_ + 1) + b % per_row_ + 1] =
            count_hits(mask_ + row * n + first, smaller(length_, n - first));
      }
    });
    for (int64_t row = 0; row < rows; ++row) {
      int64_t* at = starts + row * (per_row_ + 1);
      at[0] = 0;
      for (int64_t b = 0; b < per_row_; ++b) at[b + 1] += at[b];
    }
  }

  const uint8_t* mask(int64_t row) const { return mask_ + row * n; }
  int64_t hits(int64_t row) const { return start(row, per_row_); }

  // body(row, first element, end, first result, end of the results) for all blocks.
  template <class F>
  void for_each(F&& body) const {
    parallel_for(rows * per_row_, grain_, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t row = i / per_row_, b = i % per_row_;
        body(row, b * length_, smaller((b + 1) * length_, n), start(row, b), start(row, b + 1));
      }
    });
  }

 private:
  static int64_t count(const Shape& shape, size_t from, size_t to) {
    int64_t n = 1;
    for (size_t i = from; i < to; ++i) n *= shape.data()[i];
    return n;
  }
  int64_t start(int64_t row, int64_t b) const {
    return static_cast<const int64_t*>(starts_.data())[row * (per_row_ + 1) + b];
  }

  const uint8_t* mask_;
  const int64_t length_, per_row_, grain_;
  ScratchBytes starts_;
};

// w.one(i, m): result m is that of hit i. w.eight(i, bits, m): results m … are those of the hits
// among i … i + 7; eight of them may be written.
template <class W>
OLIVINE_INLINE void write_block(const uint8_t* mask, int64_t i, int64_t end, int64_t m,
                                int64_t stop, W& w) {
  for (; i + 8 <= end && m < stop; i += 8) {
    unsigned bits = bits_of(eight_bytes(mask + i));
    if (bits == 0) continue;
    if (m + 8 <= stop) {
      w.eight(i, bits, m);
      m += __builtin_popcount(bits);
      continue;
    }
    for (; bits != 0 && m < stop; bits &= bits - 1) w.one(i + __builtin_ctz(bits), m++);
  }
  for (; i < end && m < stop; ++i) {
    if (mask[i]) w.one(i, m++);
  }
}

// write(row, elements from, to) for the results of every row beyond its hits.
template <class F>
void for_missing(const Blocks& blocks, int64_t size, int64_t moved, F&& write) {
  const int64_t length = larger(1, kBlock / larger(moved, 1));
  const int64_t parts = (size + length - 1) / length;
  parallel_for(blocks.rows * parts, larger(1, length / larger(size, 1)), [&](int64_t b, int64_t e) {
    for (; b < e; ++b) {
      const int64_t row = b / parts, end = smaller(size, (b % parts + 1) * length);
      const int64_t begin = larger(b % parts * length, blocks.hits(row));
      if (begin < end) write(row, begin, end);
    }
  });
}

#if defined(__AVX2__)
// row[bits]: the numbers of the bits that are set, in order.
struct PackTable {
  uint8_t row[256][8];
  constexpr PackTable() : row{} {
    for (int bits = 0; bits < 256; ++bits) {
      int m = 0;
      for (int i = 0; i < 8; ++i) {
        if (bits >> i & 1) row[bits][m++] = uint8_t(i);
      }
    }
  }
};
constexpr PackTable kPack{};

OLIVINE_INLINE __m128i packed_bytes(unsigned bits) {
  return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(kPack.row[bits]));
}
#endif

// ---- nonzero

template <class T>
struct Positions {
  T* out;
  OLIVINE_INLINE void one(int64_t i, int64_t m) { out[m] = T(i); }
  OLIVINE_INLINE void eight(int64_t i, unsigned bits, int64_t m) {
#if defined(__AVX2__)
    if constexpr (sizeof(T) == 4) {
      const __m256i at =
          _mm256_add_epi32(_mm256_set1_epi32(int32_t(i)), _mm256_cvtepu8_epi32(packed_bytes(bits)));
      return _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + m), at);
    }
#endif
    for (int64_t j = 0; j < 8; ++j) {
      out[m] = T(i + j);
      m += bits >> j & 1;
    }
  }
};

// Positions of several axes: all but the last stay the same within a line along the last one.
template <class T>
struct Coordinates {
  T* out;
  int64_t size;  // between the results of neighbouring axes
  const int64_t* shape;
  int axes;
  int64_t begin = 0, end = 0;  // of the current line
  T at[kMaxRank] = {};

  OLIVINE_INLINE void move_to(int64_t i) {
    if (i < end) return;
    const int64_t inner = shape[axes - 1];
    int64_t line = i / inner;
    begin = line * inner;
    end = begin + inner;
    for (int d = axes - 2; d >= 0; --d) {
      at[d] = T(line % shape[d]);
      line /= shape[d];
    }
  }
  OLIVINE_INLINE void one(int64_t i, int64_t m) {
    move_to(i);
    for (int d = 0; d + 1 < axes; ++d) out[d * size + m] = at[d];
    out[(axes - 1) * size + m] = T(i - begin);
  }
  OLIVINE_INLINE void eight(int64_t i, unsigned bits, int64_t m) {
    move_to(i + __builtin_ctz(bits));
    if (i < begin || i + 8 > end) {
      for (; bits != 0; bits &= bits - 1) one(i + __builtin_ctz(bits), m++);
      return;
    }
    for (int d = 0; d + 1 < axes; ++d) fill(out + d * size + m, 8, at[d]);
    Positions<T>{out + (axes - 1) * size}.eight(i - begin, bits, m);
  }
};

template <class T>
void write_positions(const KernelCall& c) {
  const auto& p = c.as<NonzeroParams>();
  const View& mask = c.in[0];
  const int axes = static_cast<int>(mask.shape.size()) - p.batch;
  if (axes > kMaxRank) too_many_axes(axes, kMaxRank);
  if (c.out[0].size() == 0) return;
  const Blocks blocks(mask, p.batch, 1);
  T* out = c.out[0].as<T>();
  blocks.for_each([&](int64_t row, int64_t begin, int64_t end, int64_t m, int64_t stop) {
    T* to = out + row * axes * p.size;
    if (axes == 1) {
      Positions<T> w{to};
      write_block(blocks.mask(row), begin, end, m, smaller(stop, p.size), w);
    } else {
      Coordinates<T> w{to, p.size, mask.shape.data() + p.batch, axes};
      write_block(blocks.mask(row), begin, end, m, smaller(stop, p.size), w);
    }
  });
  for_missing(blocks, p.size, axes, [&](int64_t row, int64_t begin, int64_t end) {
    for (int64_t d = row * axes; d < (row + 1) * axes; ++d) {
      fill(out + d * p.size + begin, end - begin, T(p.fill));
    }
  });
}

void nonzero(const KernelCall& c) {
  c.out[0].dtype == int64 ? write_positions<int64_t>(c) : write_positions<int32_t>(c);
}

// ---- compress

template <class T>
struct Elements {
  const T* in;
  T* out;
  OLIVINE_INLINE void one(int64_t i, int64_t m) { out[m] = in[i]; }
  OLIVINE_INLINE void eight(int64_t i, unsigned bits, int64_t m) {
#if defined(__AVX2__)
    if constexpr (sizeof(T) == 4) {
      return pack(in + i, _mm256_cvtepu8_epi32(packed_bytes(bits)), out + m);
    }
    if constexpr (sizeof(T) == 8) {
      pack(in + i, halves_of(bits & 15), out + m);
      return pack(in + i + 4, halves_of(bits >> 4), out + m + __builtin_popcount(bits & 15));
    }
#endif
    for (int64_t j = 0; j < 8; ++j) {
      out[m] = in[i + j];
      m += bits >> j & 1;
    }
  }

 private:
#if defined(__AVX2__)
  // The positions of the two words of each double word.
  static OLIVINE_INLINE __m256i halves_of(unsigned bits) {
    const __m256i at = _mm256_slli_epi64(_mm256_cvtepu8_epi64(packed_bytes(bits)), 1);
    const __m256i next = _mm256_slli_epi64(_mm256_add_epi64(at, _mm256_set1_epi64x(1)), 32);
    return _mm256_or_si256(at, next);
  }
  static OLIVINE_INLINE void pack(const T* from, __m256i order, T* to) {
    const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm256_permutevar8x32_epi32(v, order));
  }
#endif
};

// Hits that move several elements.
struct Lines {
  const char* in;
  char* out;
  size_t bytes;
  OLIVINE_INLINE void one(int64_t i, int64_t m) {
    std::memcpy(out + m * int64_t(bytes), in + i * int64_t(bytes), bytes);
  }
  OLIVINE_INLINE void eight(int64_t i, unsigned bits, int64_t m) {
    for (; bits != 0; bits &= bits - 1) one(i + __builtin_ctz(bits), m++);
  }
};

// Elements of one position: the product of the sizes behind those of the mask.
int64_t inner_size(const View& v, size_t from) {
  int64_t n = 1;
  for (size_t i = from; i < v.shape.size(); ++i) n *= v.shape.data()[i];
  return n;
}

void compress(const KernelCall& c) {
  const auto& p = c.as<CompressParams>();
  const View &in = c.in[0], &mask = c.in[1];
  const int64_t inner = inner_size(in, mask.shape.size());
  const auto bytes = static_cast<int64_t>(in.dtype.size()) * inner;
  if (c.out[0].size() == 0) return;
  const Blocks blocks(mask, p.batch, inner);
  by_itemsize(in.dtype.size(), [&](auto zero) {
    using T = decltype(zero);
    blocks.for_each([&](int64_t row, int64_t begin, int64_t end, int64_t m, int64_t stop) {
      const T* from = in.as<const T>() + row * blocks.n * inner;
      T* to = c.out[0].as<T>() + row * p.size * inner;
      if (inner == 1) {
        Elements<T> w{from, to};
        write_block(blocks.mask(row), begin, end, m, smaller(stop, p.size), w);
      } else {
        Lines w{reinterpret_cast<const char*>(from), reinterpret_cast<char*>(to), size_t(bytes)};
        write_block(blocks.mask(row), begin, end, m, smaller(stop, p.size), w);
      }
    });
  });
  for_missing(blocks, p.size, inner, [&](int64_t row, int64_t begin, int64_t end) {
    std::memset(c.out[0].as<char>() + (row * p.size + begin) * bytes, 0,
                size_t((end - begin) * bytes));
  });
}

// ---- expand

template <class T>
void expand_elements(const uint8_t* mask, int64_t i, int64_t end, const T* from, int64_t m,
                     int64_t size, T* out) {
  for (; i + 8 <= end && m + 8 <= size; i += 8) {
    const unsigned bits = bits_of(eight_bytes(mask + i));
    for (int64_t j = 0; j < 8; ++j) {
      const T hit = T(bits >> j & 1);
      out[i + j] = T(from[m] & T(0 - hit));
      m += int64_t(hit);
    }
  }
  for (; i < end; ++i) {
    const bool hit = mask[i] && m < size;
    out[i] = hit ? from[m] : T(0);
    m += hit;
  }
}

void expand_lines(const uint8_t* mask, int64_t i, int64_t end, const char* from, int64_t m,
                  int64_t size, char* out, int64_t bytes) {
  for (; i < end; ++i) {
    if (mask[i] && m < size) {
      std::memcpy(out + i * bytes, from + m++ * bytes, size_t(bytes));
    } else {
      std::memset(out + i * bytes, 0, size_t(bytes));
    }
  }
}

void expand(const KernelCall& c) {
  const View &in = c.in[0], &mask = c.in[1];
  const int batch = c.as<ExpandParams>().batch;
  const int64_t size = in.shape.data()[batch];
  const int64_t inner = inner_size(in, static_cast<size_t>(batch) + 1);
  const auto item = static_cast<int64_t>(in.dtype.size());
  if (c.out[0].size() == 0) return;
  const Blocks blocks(mask, batch, inner);
  by_itemsize(in.dtype.size(), [&](auto zero) {
    using T = decltype(zero);
    blocks.for_each([&](int64_t row, int64_t begin, int64_t end, int64_t m, int64_t) {
      const T* from = in.as<const T>() + row * size * inner;
      T* to = c.out[0].as<T>() + row * blocks.n * inner;
      if constexpr (sizeof(T) <= 8) {
        if (inner == 1) {
          return expand_elements(blocks.mask(row), begin, end, from, m, size, to);
        }
      }
      expand_lines(blocks.mask(row), begin, end, reinterpret_cast<const char*>(from), m, size,
                   reinterpret_cast<char*>(to), item * inner);
    });
  });
}

}  // namespace

void register_selection(KernelTable& t) {
  t.add("nonzero", bool_, {.run = nonzero, .contiguous = 1});
  for (int i = 0; i < Dtype::kCount; ++i) {
    Dtype dtype(static_cast<Dtype::Val>(i));
    t.add("compress", dtype, {.run = compress, .contiguous = 3});
    t.add("expand", dtype, {.run = expand, .contiguous = 3});
  }
}

}  // namespace olivine::cpu::OLIVINE_ISA
