// Sparse matrices times dense ones, and dense products sampled at nonzeros.
//
// A range of rows is one task. Each row is computed in strips of columns whose sums stay in
// registers while all its nonzeros pass; a block of R rows is up to four rows that share what they
// read of the dense matrix. A complex matrix is a real one of twice the columns, and each nonzero a
// block of two rows, its real and its imaginary part, that are put together at the end. Sums run
// over the nonzeros in order, so results depend on neither the ranges nor the strips.
#include <type_traits>

#include "backends/cpu/kernel_table.h"
#include "backends/cpu/kernels/shuffles-inl.h"
#include "backends/cpu/scratch.h"
#include "backends/cpu/sparse.h"
#include "backends/cpu/vec-math-inl.h"
#include "ops/sparse_params.h"
#include "runtime/thread_pool.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

template <class T>
struct Parts {  // of a complex number, or of a real one
  using Real = T;
  static constexpr int count = 1;
};
template <class F>
struct Parts<ComplexElement<F>> {
  using Real = F;
  static constexpr int count = 2;
};
template <class T>
using Sum = std::conditional_t<is_half<T>, float, T>;
template <class T>
constexpr int kLanes = kVectorBytes / int(sizeof(Sum<T>));

constexpr int kMostRows = 4;     // of a block at once
constexpr int kMostVectors = 8;  // of a strip: with one row, its sums and one operand fit registers
constexpr int64_t kAhead = 8;    // nonzeros between fetching a row and using it
constexpr int64_t kPackGrain = 1 << 14;

// ---- Rows of the product

// Nonzeros of one block row: element (p, i, j) of the blocks is at p * block + i * row + j *
// column, where i counts the parts of complex numbers too.
template <class T>
struct Blocks {
  const T* data;
  int64_t block, row, column, columns;
  const int32_t* indices;
  int64_t count;
};

// sums[i][v] of kRows rows, for kVectors vectors of columns of x from `at` on.
template <class T, int kRows, int kVectors>
OLIVINE_INLINE void sum_strip(const Blocks<T>& b, const T* x, int64_t width, int64_t at,
                              Native<Sum<T>> (&sums)[kRows][kVectors]) {
  using A = Sum<T>;
  constexpr int lanes = kLanes<T>;
#pragma GCC unroll 4
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) sums[i][v] = Native<A>{};
  }
  for (int64_t p = 0; p < b.count; ++p) {
    const T* rows = x + int64_t{b.indices[p]} * b.columns * width + at;
    if (p + kAhead < b.count) {
      const char* next = reinterpret_cast<const char*>(
          x + int64_t{b.indices[p + kAhead]} * b.columns * width + at);
#pragma GCC unroll 8
      for (int v = 0; v * 64 < kVectors * lanes * int(sizeof(T)); ++v) {
        __builtin_prefetch(next + v * 64);
      }
    }
    const T* block = b.data + p * b.block;
    for (int64_t j = 0; j < b.columns; ++j) {
      Native<A> by[kRows];
#pragma GCC unroll 4
      for (int i = 0; i < kRows; ++i) {
        by[i] = all_lanes<A>(widen<A>(block[i * b.row + j * b.column]));
      }
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) {
        const Native<A> xv = load_native<A>(rows + j * width + v * lanes);
#pragma GCC unroll 4
        for (int i = 0; i < kRows; ++i) sums[i][v] = mul_add(by[i], xv, sums[i][v]);
      }
    }
  }
}

// The strip's rows to `out`, `width` apart; only the first n columns of one that is cut.
template <class T, int kRows, int kVectors>
void real_strip(const Blocks<T>& b, const T* x, int64_t width, int64_t at, T* out,
                int64_t out_width, int64_t n) {
  constexpr int lanes = kLanes<T>;
  Native<Sum<T>> sums[kRows][kVectors];
  sum_strip<T, kRows, kVectors>(b, x, width, at, sums);
  for (int i = 0; i < kRows; ++i) {
    T* to = out + i * out_width + at;
    if (n < lanes) {
      T cut[lanes];
      store_native(cut, sums[i][0]);
      copy(cut, n, to);
      continue;
    }
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) store_native(to + v * lanes, sums[i][v]);
  }
}

// The same for the two parts of one row: real and imaginary parts alternate in x and out.
template <class T, int kVectors>
void complex_strip(const Blocks<T>& b, const T* x, int64_t width, int64_t at, T* out, int64_t n) {
  constexpr int lanes = kLanes<T>;
  Native<T> sums[2][kVectors];
  sum_strip<T, 2, kVectors>(b, x, width, at, sums);
  for (int v = 0; v < kVectors; ++v) {
    T by_real[lanes], by_imaginary[lanes];
    store_native(by_real, sums[0][v]);
    store_native(by_imaginary, sums[1][v]);
    T* to = out + at + v * lanes;
    for (int64_t c = 0; c < smaller(lanes, n - v * lanes); c += 2) {
      to[c] = by_real[c] - by_imaginary[c + 1];
      to[c + 1] = by_real[c + 1] + by_imaginary[c];
    }
  }
}

// A matrix x of at least a vector of columns, each row `width` long, and what comes of it: rows of
// out, of which `n` columns exist. Both count parts.
template <class R>
struct Dense {
  const R* x;
  int64_t width, n;
};

template <class T, int kRows>
void product_of_rows(const Blocks<T>& b, const Dense<T>& d, T* out, bool is_complex) {
  constexpr int lanes = kLanes<T>, most = kRows == 1 ? kMostVectors : kMostVectors / kRows;
  auto strip = [&]<int kVectors>(int64_t at) {
    if constexpr (kRows == 2 && !is_half<T>) {
      if (is_complex) return complex_strip<T, kVectors>(b, d.x, d.width, at, out, d.n);
    }
    real_strip<T, kRows, kVectors>(b, d.x, d.width, at, out, d.n, d.n);
  };
  int64_t at = 0;
  for (; at + most * lanes <= d.n; at += most * lanes) strip.template operator()<most>(at);
  for (; at + lanes <= d.n; at += lanes) strip.template operator()<1>(at);
  // The last vector overlaps the one before it: its sums are the same again.
  if (at < d.n) strip.template operator()<1>(d.n < lanes ? 0 : d.n - lanes);
}

// out, which has as many rows as the blocks of `m`, for one row of blocks.
template <class T>
void product_row(Blocks<T> b, const Dense<T>& d, int64_t rows, bool is_complex, T* out) {
  int64_t i = 0;
  if (is_complex) {
    const int64_t part = 1;
    for (; i < rows; ++i) {
      Blocks<T> one = b;
      one.data += i * b.row;
      one.row = part;
      product_of_rows<T, 2>(one, d, out + i * d.n, true);
    }
    return;
  }
  for (; i + kMostRows <= rows; i += kMostRows, b.data += kMostRows * b.row) {
    product_of_rows<T, kMostRows>(b, d, out + i * d.n, false);
  }
  for (; i + 2 <= rows; i += 2, b.data += 2 * b.row) {
    product_of_rows<T, 2>(b, d, out + i * d.n, false);
  }
  if (i < rows) product_of_rows<T, 1>(b, d, out + i * d.n, false);
}

template <class T>
OLIVINE_INLINE Native<Sum<T>> gather(const T* x, const int32_t* indices) {
  Native<Sum<T>> v;
#pragma GCC unroll 16
  for (int l = 0; l < kLanes<T>; ++l) v[l] = widen<Sum<T>>(x[indices[l]]);
  return v;
}

// Of a vector, with two vectors of sums, which hide their latency.
template <class T>
OLIVINE_INLINE Sum<T> dot_row(const T* data, const int32_t* indices, int64_t count, const T* x) {
  using A = Sum<T>;
  constexpr int lanes = kLanes<T>;
  Native<A> sums[2] = {};
  int64_t p = 0;
  for (; p + 2 * lanes <= count; p += 2 * lanes) {
#pragma GCC unroll 2
    for (int k = 0; k < 2; ++k) {
      const int64_t q = p + k * lanes;
      sums[k] = mul_add(load_native<A>(data + q), gather(x, indices + q), sums[k]);
    }
  }
  Native<A> one[1] = {sums[0] + sums[1]};
  A total;
  sum_lanes_of<A, 1>(one, &total);
  for (; p < count; ++p) total += widen<A>(data[p]) * widen<A>(x[indices[p]]);
  return total;
}

// Throws unless the indices of rows [first, last) are in range.
OLIVINE_INLINE void check_rows(const CsrRows& m, int64_t first, int64_t last) {
  uint32_t largest = 0;  // negative indices are large ones
  for (int64_t p = m.begin[first]; p < m.begin[last]; ++p) {
    const uint32_t index = static_cast<uint32_t>(m.indices[p]);
    largest = index > largest ? index : largest;
  }
  if (largest >= m.columns) m.check_indices(first, last);
}

// ---- One matrix

struct BlockShape {
  int64_t rows, columns;
};

// out (rows * r, n) = m x for blocks of T in row-major order, or with `transposed` blocks.
template <class T>
void multiply(const CsrRows& m, const T* data, BlockShape shape, const T* x, int64_t n, T* out) {
  using R = typename Parts<T>::Real;
  constexpr int parts = Parts<T>::count;
  const int64_t size = shape.rows * shape.columns;
  const RowRanges ranges(m, size * n * parts);
  if (parts == 1 && n == 1 && size == 1) {
    if constexpr (parts == 1) {
      parallel_for(ranges.count(), 1, [&](int64_t from, int64_t to) {
        const int64_t last = ranges.first(to);
        check_rows(m, ranges.first(from), last);
        for (int64_t i = ranges.first(from); i < last; ++i) {
          out[i] = narrow<T>(dot_row(data + m.begin[i], m.indices + m.begin[i], m.count(i), x));
        }
      });
    }
    return;
  }
  Dense<R> dense{reinterpret_cast<const R*>(x), n * parts, n * parts};
  // Rows shorter than a vector are spread out, so that vectors can be read.
  const bool spread = dense.n < kLanes<R>;
  ScratchBytes memory(spread ? m.columns * shape.columns * kLanes<R> : 0, sizeof(R));
  if (spread) {
    R* wide = static_cast<R*>(memory.data());
    parallel_for(m.columns * shape.columns, kPackGrain, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        fill(wide + i * kLanes<R>, kLanes<R>, R{});
        copy(dense.x + i * dense.n, dense.n, wide + i * kLanes<R>);
      }
    });
    dense.x = wide;
    dense.width = kLanes<R>;
  }
  parallel_for(ranges.count(), 1, [&](int64_t from, int64_t to) {
    const int64_t last = ranges.first(to);
    check_rows(m, ranges.first(from), last);
    for (int64_t i = ranges.first(from); i < last; ++i) {
      const Blocks<R> b{reinterpret_cast<const R*>(data + m.begin[i] * size),
                        size * parts,
                        shape.columns * parts,
                        parts,
                        shape.columns,
                        m.indices + m.begin[i],
                        m.count(i)};
      product_row<R>(b, dense, shape.rows, parts == 2,
                     reinterpret_cast<R*>(out + i * shape.rows * n));
    }
  });
}

// out (columns) = m^T x: slices of the rows add into vectors of their own, which are added up.
template <class T>
void scatter_vector(const CsrRows& m, const T* data, const T* x, T* out) {
  using A = Sum<T>;
  const int64_t nnz = m.begin[m.rows] - m.begin[0];
  const RowRanges ranges(m, 1, larger(1, smaller(16, nnz / (4 * larger(m.columns, 1 << 10)))));
  const int64_t parts = larger(1, ranges.count());
  ScratchBytes memory(parts * m.columns, sizeof(A));
  A* sums = static_cast<A*>(memory.data());
  parallel_for(parts, 1, [&](int64_t from, int64_t to) {
    for (int64_t s = from; s < to; ++s) {
      A* own = sums + s * m.columns;
      fill(own, m.columns, A(0));
      if (s == ranges.count()) continue;  // no rows at all
      const int64_t first = ranges.first(s), last = ranges.first(s + 1);
      check_rows(m, first, last);
      for (int64_t i = first; i < last; ++i) {
        const A by = widen<A>(x[i]);
        for (int64_t p = m.begin[i]; p < m.begin[i + 1]; ++p) {
          own[m.indices[p]] += by * widen<A>(data[p]);
        }
      }
    }
  });
  parallel_for(m.columns, kPackGrain, [&](int64_t first, int64_t last) {
    for (int64_t c = first; c < last; ++c) {
      A sum = sums[c];
      for (int64_t s = 1; s < parts; ++s) sum += sums[s * m.columns + c];
      out[c] = narrow<T>(sum);
    }
  });
}

// ---- The transposed product
//
// A task is a strip of columns, as wide as a line of cache, and a range of rows: it adds each row
// of x, times the nonzeros of that row of m, into rows of sums that lie close together. Then the
// sums of the ranges are added up in order.

constexpr int64_t kTransposedTasks = 8;  // ranges times strips, where there are enough nonzeros

// Columns [at, at + width) of row x, zeros after the last; for complex numbers also times i.
template <class R, int kVectors>
OLIVINE_INLINE void load_strip(const R* x, int64_t at, int64_t n, bool times_i,
                               Native<Sum<R>> (&v)[kVectors]) {
  using A = Sum<R>;
  constexpr int lanes = kLanes<R>;
  if (!times_i && at + kVectors * lanes <= n) {
#pragma GCC unroll 4
    for (int k = 0; k < kVectors; ++k) v[k] = load_native<A>(x + at + k * lanes);
    return;
  }
  A values[kVectors * lanes];
  for (int64_t c = 0; c < kVectors * lanes; ++c) {
    const int64_t from = at + (times_i ? c ^ 1 : c);
    const A value = from < n ? widen<A>(x[from]) : A(0);
    values[c] = times_i && c % 2 == 0 ? -value : value;
  }
#pragma GCC unroll 4
  for (int k = 0; k < kVectors; ++k) v[k] = load_native<A>(values + k * lanes);
}

template <class R, int kNumbers, int kVectors>
void scatter_rows(const CsrRows& m, int64_t first, int64_t last, const R* data, BlockShape shape,
                  const R* x, int64_t n, int64_t at, Sum<R>* sums) {
  using A = Sum<R>;
  constexpr int lanes = kLanes<R>, width = kVectors * lanes;
  const int64_t size = shape.rows * shape.columns * kNumbers;
  for (int64_t i = first; i < last; ++i) {
    for (int64_t r = 0; r < shape.rows; ++r) {
      Native<A> row[kNumbers][kVectors];
#pragma GCC unroll 2
      for (int part = 0; part < kNumbers; ++part) {
        load_strip<R, kVectors>(x + (i * shape.rows + r) * n, at, n, part == 1, row[part]);
      }
      for (int64_t p = m.begin[i]; p < m.begin[i + 1]; ++p) {
        for (int64_t j = 0; j < shape.columns; ++j) {
          A* to = sums + (m.indices[p] * shape.columns + j) * width;
          const R* by = data + p * size + (r * shape.columns + j) * kNumbers;
#pragma GCC unroll 4
          for (int k = 0; k < kVectors; ++k) {
            Native<A> sum = load_native<A>(to + k * lanes);
#pragma GCC unroll 2
            for (int part = 0; part < kNumbers; ++part) {
              sum = mul_add(all_lanes<A>(widen<A>(by[part])), row[part][k], sum);
            }
            store_native(to + k * lanes, sum);
          }
        }
      }
    }
  }
}

// out (columns * c, n) = m^T x, all in parts of numbers.
template <class R, int kNumbers, int kVectors>
void scatter_strips(const CsrRows& m, const R* data, BlockShape shape, const R* x, int64_t n,
                    R* out) {
  using A = Sum<R>;
  constexpr int64_t width = kVectors * kLanes<R>;
  const int64_t rows = m.columns * shape.columns, strips = (n + width - 1) / width;
  const int64_t nnz = m.begin[m.rows] - m.begin[0];
  const int64_t most = smaller(kTransposedTasks / strips, nnz / (4 * larger(m.columns, 1)));
  const RowRanges ranges(m, 1, larger(1, most));
  const int64_t parts = ranges.count(), size = rows * width;
  ScratchBytes memory(strips * parts * size, sizeof(A));
  A* sums = static_cast<A*>(memory.data());
  parallel_for(strips * parts, 1, [&](int64_t from, int64_t to) {
    for (int64_t t = from; t < to; ++t) {
      const int64_t strip = t / parts, part = t % parts;
      const int64_t first = ranges.first(part), last = ranges.first(part + 1);
      check_rows(m, first, last);
      fill(sums + t * size, size, A(0));
      scatter_rows<R, kNumbers, kVectors>(m, first, last, data, shape, x, n, strip * width,
                                          sums + t * size);
    }
  });
  parallel_for(strips * rows, kPackGrain / width, [&](int64_t first, int64_t last) {
    for (int64_t k = first; k < last; ++k) {
      const int64_t strip = k / rows, row = k % rows;
      const A* from = sums + strip * parts * size + row * width;
      A total[width] = {};
      for (int64_t part = 0; part < parts; ++part) {
        for (int64_t c = 0; c < width; ++c) total[c] += from[part * size + c];
      }
      R* to = out + row * n + strip * width;
      for (int64_t c = 0; c < smaller(width, n - strip * width); ++c) to[c] = narrow<R>(total[c]);
    }
  });
}

template <class T>
void multiply_transposed(const CsrRows& m, const T* data, BlockShape shape, const T* x, int64_t n,
                         T* out) {
  using R = typename Parts<T>::Real;
  constexpr int parts = Parts<T>::count;
  if constexpr (parts == 1) {
    if (n == 1 && shape.rows * shape.columns == 1) return scatter_vector(m, data, x, out);
  }
  auto by_parts = [](auto* p) { return reinterpret_cast<const R*>(p); };
  const int64_t columns = n * parts;
  (columns <= kLanes<R> ? scatter_strips<R, parts, 1>
                        : scatter_strips<R, parts, kParts>)(m, by_parts(data), shape, by_parts(x),
                                                            columns, reinterpret_cast<R*>(out));
}

// ---- Sampled products

// to[k * step] = a . b[k] for up to four rows b[k] of n elements.
template <class T, int kCount>
OLIVINE_INLINE void dots(const T* a, const T* const* b, int64_t n, T* to, const int64_t* at) {
  if constexpr (Parts<T>::count == 2) {
    using R = typename Parts<T>::Real;
    const R* x = reinterpret_cast<const R*>(a);
    for (int k = 0; k < kCount; ++k) {
      const R* y = reinterpret_cast<const R*>(b[k]);
      R real = 0, imaginary = 0;
      for (int64_t c = 0; c < 2 * n; c += 2) {
        real += x[c] * y[c] - x[c + 1] * y[c + 1];
        imaginary += x[c] * y[c + 1] + x[c + 1] * y[c];
      }
      R* z = reinterpret_cast<R*>(to + at[k]);
      z[0] = real;
      z[1] = imaginary;
    }
  } else {
    using A = Sum<T>;
    constexpr int lanes = kLanes<T>;
    Native<A> sums[kCount] = {};
    int64_t c = 0;
    for (; c + lanes <= n; c += lanes) {
      const Native<A> x = load_native<A>(a + c);
#pragma GCC unroll 4
      for (int k = 0; k < kCount; ++k) sums[k] = mul_add(x, load_native<A>(b[k] + c), sums[k]);
    }
    A total[kCount];
    sum_lanes_of<A, kCount>(sums, total);
    for (int k = 0; k < kCount; ++k) {
      A sum = total[k];
      for (int64_t rest = c; rest < n; ++rest) sum += widen<A>(a[rest]) * widen<A>(b[k][rest]);
      to[at[k]] = narrow<T>(sum);
    }
  }
}

// out (nnz, r, c): products of rows of a (rows * r, n) and of b (columns * c, n) at the nonzeros.
template <class T>
void sample(const CsrRows& m, BlockShape shape, const T* a, const T* b, int64_t n, int64_t nnz,
            T* out) {
  constexpr int together = 4;
  const int64_t size = shape.rows * shape.columns;
  fill(out, m.begin[0] * size, T{});
  fill(out + m.begin[m.rows] * size, (nnz - m.begin[m.rows]) * size, T{});
  const RowRanges ranges(m, size * n);
  parallel_for(ranges.count(), 1, [&](int64_t from, int64_t to) {
    const int64_t last = ranges.first(to);
    check_rows(m, ranges.first(from), last);
    const T* rows[together];
    int64_t at[together];
    for (int64_t i = ranges.first(from); i < last; ++i) {
      for (int64_t r = 0; r < shape.rows; ++r) {
        const T* own = a + (i * shape.rows + r) * n;
        int waiting = 0;
        for (int64_t p = m.begin[i]; p < m.begin[i + 1]; ++p) {
          for (int64_t c = 0; c < shape.columns; ++c) {
            rows[waiting] = b + (m.indices[p] * shape.columns + c) * n;
            at[waiting] = p * size + r * shape.columns + c;
            if (++waiting < together) continue;
            dots<T, together>(own, rows, n, out, at);
            waiting = 0;
          }
        }
        for (int k = 0; k < waiting; ++k) dots<T, 1>(own, rows + k, n, out, at + k);
      }
    }
  });
}

// ---- Kernels: one matrix of the batch after another

// Element 0 of matrix b, or of the only one.
template <class T>
T* matrix_of(const View& v, int64_t b) {
  int64_t size = 1;
  for (int d = 1; d < static_cast<int>(v.shape.size()); ++d) size *= v.shape[d];
  return v.as<T>() + (v.shape[0] == 1 ? 0 : b * size);
}

template <class T>
void csr_matmul(const KernelCall& call) {
  const View &data = call.in[0], &dense = call.in[3], &out = call.out[0];
  const BlockShape shape{data.shape[2], data.shape[3]};
  for (int64_t b = 0; b < out.shape[0]; ++b) {
    const CsrStructure m("csr_matmul", call.in[1], call.in[2], b, dense.shape[1] / shape.columns);
    multiply(m.rows(), matrix_of<T>(data, b), shape, matrix_of<T>(dense, b), dense.shape[2],
             matrix_of<T>(out, b));
  }
}

template <class T>
void csr_matmul_transposed(const KernelCall& call) {
  const View &data = call.in[0], &dense = call.in[3], &out = call.out[0];
  const BlockShape shape{data.shape[2], data.shape[3]};
  for (int64_t b = 0; b < out.shape[0]; ++b) {
    const CsrStructure m("csr_matmul_transposed", call.in[1], call.in[2], b,
                         out.shape[1] / shape.columns);
    multiply_transposed(m.rows(), matrix_of<T>(data, b), shape, matrix_of<T>(dense, b),
                        dense.shape[2], matrix_of<T>(out, b));
  }
}

template <class T>
void sampled_matmul(const KernelCall& call) {
  const View &a = call.in[0], &b = call.in[1], &out = call.out[0];
  const BlockShape shape{out.shape[2], out.shape[3]};
  for (int64_t i = 0; i < out.shape[0]; ++i) {
    const CsrStructure m("sampled_matmul", call.in[2], call.in[3], i, b.shape[1] / shape.columns);
    sample(m.rows(), shape, matrix_of<T>(a, i), matrix_of<T>(b, i), a.shape[2], out.shape[1],
           matrix_of<T>(out, i));
  }
}

template <class T>
void add_kernels(KernelTable& table, Dtype dtype) {
  table.add("csr_matmul", dtype, {.run = csr_matmul<T>, .contiguous = 0b1111});
  table.add("csr_matmul_transposed", dtype,
            {.run = csr_matmul_transposed<T>, .contiguous = 0b1111});
  table.add("sampled_matmul", dtype, {.run = sampled_matmul<T>, .contiguous = 0b1111});
}

}  // namespace

void register_sparse(KernelTable& table) {
  add_kernels<float16_t>(table, float16);
  add_kernels<bfloat16_t>(table, bfloat16);
  add_kernels<float>(table, float32);
  add_kernels<double>(table, float64);
  add_kernels<complex64_t>(table, complex64);
  add_kernels<complex128_t>(table, complex128);
}

}  // namespace olivine::cpu::OLIVINE_ISA
