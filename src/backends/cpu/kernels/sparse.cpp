// Sparse matrices times dense ones.
//
// A task is a range of rows and a strip of columns, whose sums stay in registers while all nonzeros
// of a row pass. The strips of many columns are packed first, two lines of cache wide, so that what
// all tasks read at a time stays in the caches. A block of R rows is up to four rows that share
// what they read of the dense matrix. A complex matrix is a real one of twice the columns, and each
// nonzero a block of two rows, its real and its imaginary part, that are put together at the end.
#include "backends/cpu/kernels/sparse-inl.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

constexpr int kMostRows = 4;     // of a block at once
constexpr int kMostVectors = 8;  // of a strip: with one row, its sums and one operand fit registers
constexpr int64_t kAhead = 8;    // nonzeros between fetching a row of x and using it
constexpr int64_t kReuse = 4;    // nonzeros per row of x from which on packing it pays

// ---- Rows of the product

// Nonzeros of one block row: element (p, i, j) of the blocks is at p * block + i * row + j *
// column, where i counts the parts of complex numbers too.
template <class T>
struct Blocks {
  const T* data;
  int64_t block, row, column, columns;
  const int32_t* indices;
  int64_t count, known;  // of this row, and indices from its first to the last of the matrix
};

// Of row i of m, whose blocks of T are in row-major order.
template <class T, class R = typename Parts<T>::Real>
Blocks<R> blocks_of(const CsrRows& m, const T* data, BlockShape shape, int64_t i) {
  constexpr int parts = Parts<T>::count;
  return {reinterpret_cast<const R*>(data + m.begin[i] * shape.size()),
          shape.size() * parts,
          shape.columns * parts,
          parts,
          shape.columns,
          m.indices + m.begin[i],
          m.count(i),
          m.begin[m.rows] - m.begin[i]};
}

// The lines of kCount elements.
template <int kCount, class T>
OLIVINE_INLINE void fetch(const T* x) {
#pragma GCC unroll 8
  for (int at = 0; at < kCount * int(sizeof(T)); at += 64) {
    __builtin_prefetch(reinterpret_cast<const char*>(x) + at);
  }
}

// Adds block p to sums[i][v] of kRows rows, for kVectors vectors of columns of x. Those of a CSR
// are known to be single numbers.
template <bool kSingle, class T, int kRows, int kVectors>
OLIVINE_INLINE void add_block(const Blocks<T>& b, int64_t p, const T* x, int64_t width,
                              Native<Sum<T>> (&sums)[kRows][kVectors]) {
  using A = Sum<T>;
  constexpr int lanes = kLanes<T>;
  const int64_t columns = kSingle ? 1 : b.columns, row = kSingle ? 1 : b.row;
  const T* rows = x + int64_t{b.indices[p]} * columns * width;
  const T* block = b.data + p * (kSingle ? kRows : b.block);
  if constexpr (kRows == 1 && kVectors * lanes * sizeof(T) >= 128) {
    const int64_t q = p + kAhead < b.known ? p + kAhead : p;
    fetch<kVectors * lanes>(x + int64_t{b.indices[q]} * columns * width);
  }
  for (int64_t j = 0; j < columns; ++j) {
    Native<A> by[kRows];
#pragma GCC unroll 4
    for (int i = 0; i < kRows; ++i) {
      by[i] = all_lanes<A>(widen<A>(block[i * row + j * b.column]));
    }
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      const Native<A> xv = load_native<A>(rows + j * width + v * lanes);
#pragma GCC unroll 4
      for (int i = 0; i < kRows; ++i) sums[i][v] = mul_add(by[i], xv, sums[i][v]);
    }
  }
}

// sums[i][v] of kRows rows. Narrow strips have several sums, of every so many-th block each, since
// the next addition to one waits for the last.
template <bool kSingle, class T, int kRows, int kVectors>
OLIVINE_INLINE void sum_strip(const Blocks<T>& b, const T* x, int64_t width,
                              Native<Sum<T>> (&sums)[kRows][kVectors]) {
  constexpr int chains = kRows * kVectors >= 8 ? 1 : kRows * kVectors >= 4 ? 2 : 4;
  Native<Sum<T>> parts[chains][kRows][kVectors] = {};
  int64_t p = 0;
  for (; p + chains <= b.count; p += chains) {
#pragma GCC unroll 4
    for (int k = 0; k < chains; ++k) add_block<kSingle>(b, p + k, x, width, parts[k]);
  }
  for (; p < b.count; ++p) add_block<kSingle>(b, p, x, width, parts[0]);
#pragma GCC unroll 4
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      sums[i][v] = parts[0][i][v];
#pragma GCC unroll 4
      for (int k = 1; k < chains; ++k) sums[i][v] += parts[k][i][v];
    }
  }
}

// A strip of a matrix x: at least a vector of columns, each row `width` after the last, of which
// `n` come to be columns of out, each row of which is `out_width` after the last. All count parts.
template <class R>
struct Strip {
  const R* x;
  int64_t width, n, out_width;
};

// Vectors of columns from `at` on to `out`; only the first n of one that is cut.
template <bool kSingle, int kRows, int kVectors, class T>
void real_columns(const Blocks<T>& b, const Strip<T>& d, int64_t at, T* out) {
  constexpr int lanes = kLanes<T>;
  Native<Sum<T>> sums[kRows][kVectors];
  sum_strip<kSingle>(b, d.x + at, d.width, sums);
  for (int i = 0; i < kRows; ++i) {
    T* to = out + i * d.out_width + at;
    if (d.n < lanes) {
      T cut[lanes];
      store_native(cut, sums[i][0]);
      copy(cut, d.n, to);
      continue;
    }
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) store_native(to + v * lanes, sums[i][v]);
  }
}

// The same for the two parts of one row: real and imaginary parts alternate in x and out.
template <bool kSingle, int kVectors, class T>
void complex_columns(const Blocks<T>& b, const Strip<T>& d, int64_t at, T* out) {
  constexpr int lanes = kLanes<T>;
  Native<T> sums[2][kVectors];
  sum_strip<kSingle>(b, d.x + at, d.width, sums);
  for (int v = 0; v < kVectors; ++v) {
    T by_real[lanes], by_imaginary[lanes];
    store_native(by_real, sums[0][v]);
    store_native(by_imaginary, sums[1][v]);
    T* to = out + at + v * lanes;
    for (int64_t c = 0; c < smaller(lanes, d.n - v * lanes); c += 2) {
      to[c] = by_real[c] - by_imaginary[c + 1];
      to[c + 1] = by_real[c + 1] + by_imaginary[c];
    }
  }
}

template <int kRows, bool kSingle, bool kComplex, class T>
void product_of_rows(const Blocks<T>& b, const Strip<T>& d, T* out) {
  constexpr int lanes = kLanes<T>;
  auto run = [&]<int kVectors>(int64_t at) {
    if constexpr (kComplex) {
      complex_columns<kSingle, kVectors>(b, d, at, out);
    } else {
      real_columns<kSingle, kRows, kVectors>(b, d, at, out);
    }
  };
  int64_t at = 0;
  auto run_all = [&]<int kVectors>() {
    if constexpr (kVectors <= kMostVectors / kRows) {
      for (; at + kVectors * lanes <= d.n; at += kVectors * lanes) {
        run.template operator()<kVectors>(at);
      }
    }
  };
  run_all.template operator()<8>();
  run_all.template operator()<4>();
  run_all.template operator()<2>();
  run_all.template operator()<1>();
  // The last vector overlaps the one before it.
  if (at < d.n) run.template operator()<1>(d.n < lanes ? 0 : d.n - lanes);
}

// out, which has as many rows as the blocks of `m`, for one row of blocks.
template <bool kComplex, class T>
void product_row(Blocks<T> b, const Strip<T>& d, int64_t rows, T* out) {
  if constexpr (kComplex) {
    if (rows == 1 && b.columns == 1) return product_of_rows<2, true, true>(b, d, out);
    for (int64_t i = 0; i < rows; ++i) {
      Blocks<T> one = b;
      one.data += i * b.row;
      one.row = 1;
      product_of_rows<2, false, true>(one, d, out + i * d.out_width);
    }
  } else {
    if (rows == 1 && b.columns == 1) return product_of_rows<1, true, false>(b, d, out);
    int64_t i = 0;
    for (; i + kMostRows <= rows; i += kMostRows, b.data += kMostRows * b.row) {
      product_of_rows<kMostRows, false, false>(b, d, out + i * d.out_width);
    }
    for (; i + 2 <= rows; i += 2, b.data += 2 * b.row) {
      product_of_rows<2, false, false>(b, d, out + i * d.out_width);
    }
    if (i < rows) product_of_rows<1, false, false>(b, d, out + i * d.out_width);
  }
}

// ---- Matrices

// The strips of x (rows, n), each `width` columns wide and zeros after the last column.
template <class R>
void pack_strips(const R* x, int64_t rows, int64_t n, int64_t width, R* out) {
  const int64_t whole = n / width, rest = n % width;
  parallel_for(rows, kPackGrain / n + 1, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const R* from = x + i * n;
      for (int64_t s = 0; s < whole; ++s) {
        R* to = out + (s * rows + i) * width;
        width == kStripWidth<R> ? copy(from + s * width, kStripWidth<R>, to)
                                : copy(from + s * width, width, to);
      }
      if (rest == 0) continue;
      R* to = out + (whole * rows + i) * width;
      copy(from + whole * width, rest, to);
      fill(to + rest, width - rest, R{});
    }
  });
}

}  // namespace

template <class T>
void sparse_product(const CsrRows& m, const T* data, BlockShape shape, const T* x, int64_t n,
                    T* out) {
  using R = typename Parts<T>::Real;
  constexpr int parts = Parts<T>::count;
  if constexpr (parts == 1) {
    if (n == 1) return sparse_vector_product(m, data, shape, x, out);
  }
  if (n == 0) return;
  // Rows shorter than a vector are packed so that vectors can be read.
  const int64_t columns = n * parts, rows = m.columns * shape.columns;
  const int64_t elements = (m.begin[m.rows] - m.begin[0]) * shape.columns;
  const bool packed =
      columns < kLanes<R> || (columns > kStripWidth<R> && elements >= kReuse * rows);
  const int64_t width = columns < kLanes<R> ? kLanes<R> : packed ? kStripWidth<R> : columns;
  const int64_t strips = (columns + width - 1) / width;
  const R* dense = reinterpret_cast<const R*>(x);
  ScratchBytes memory(packed ? strips * rows : 0, static_cast<size_t>(width) * sizeof(R));
  if (packed) {
    pack_strips(dense, rows, columns, width, static_cast<R*>(memory.data()));
    dense = static_cast<const R*>(memory.data());
  }
  const RowRanges ranges(m, shape.size() * smaller(width, columns) * parts + kNonzeroCost);
  parallel_for(strips * ranges.count(), 1, [&](int64_t from, int64_t to) {
    for (int64_t t = from; t < to; ++t) {
      const int64_t strip = t / ranges.count(), range = t % ranges.count(), at = strip * width;
      const Strip<R> d{dense + strip * rows * width, width, smaller(width, columns - at), columns};
      for_checked_rows(m, ranges.first(range), ranges.first(range + 1), [&](int64_t i) {
        product_row<parts == 2>(blocks_of<T>(m, data, shape, i), d, shape.rows,
                                reinterpret_cast<R*>(out) + i * shape.rows * columns + at);
      });
    }
  });
}

#define OLIVINE_SPARSE_PRODUCT(T) \
  template void sparse_product<T>(const CsrRows&, const T*, BlockShape, const T*, int64_t, T*);
OLIVINE_SPARSE_PRODUCT(float16_t)
OLIVINE_SPARSE_PRODUCT(bfloat16_t)
OLIVINE_SPARSE_PRODUCT(float)
OLIVINE_SPARSE_PRODUCT(double)
OLIVINE_SPARSE_PRODUCT(complex64_t)
OLIVINE_SPARSE_PRODUCT(complex128_t)
#undef OLIVINE_SPARSE_PRODUCT

namespace {

template <class T>
void csr_matmul(const KernelCall& call) {
  const View &data = call.in[0], &dense = call.in[3], &out = call.out[0];
  const BlockShape shape{data.shape[2], data.shape[3]};
  for (int64_t b = 0; b < out.shape[0]; ++b) {
    const CsrStructure m("csr_matmul", call.in[1], call.in[2], b, dense.shape[1] / shape.columns);
    sparse_product<T>(m.rows(), matrix_of<T>(data, b), shape, matrix_of<T>(dense, b),
                      dense.shape[2], matrix_of<T>(out, b));
  }
}

}  // namespace

void register_sparse(KernelTable& table) {
  add_kernels(table, "csr_matmul", []<class T>() { return &csr_matmul<T>; });
}

}  // namespace olivine::cpu::OLIVINE_ISA
