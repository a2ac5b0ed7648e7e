// Transposes of sparse matrices times dense ones.
//
// A task is a strip of columns and a range of rows. It adds each row of x, times the nonzeros of
// that row of m, into rows of sums that lie close together; then the sums of the ranges are added
// up in order. Matrices of blocks are transposed first, which is little work beside the product;
// for single elements it would cost as much as hundreds of columns.
#include "backends/cpu/kernels/sparse-inl.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

// ---- Strips of columns of a CSR

// Columns [at, at + width) of row x, zeros after the last; for complex numbers also times i.
template <class R, int kVectors>
OLIVINE_INLINE void load_strip(const R* x, int64_t at, int64_t n, bool times_i,
                               Native<Sum<R>> (&v)[kVectors]) {
  using A = Sum<R>;
  constexpr int lanes = kLanes<R>;
  if (!times_i && at + kVectors * lanes <= n) {
#pragma GCC unroll 8
    for (int k = 0; k < kVectors; ++k) v[k] = load_native<A>(x + at + k * lanes);
    return;
  }
  A values[kVectors * lanes];
  for (int64_t c = 0; c < kVectors * lanes; ++c) {
    const int64_t from = at + (times_i ? c ^ 1 : c);
    const A value = from < n ? widen<A>(x[from]) : A(0);
    values[c] = times_i && c % 2 == 0 ? -value : value;
  }
#pragma GCC unroll 8
  for (int k = 0; k < kVectors; ++k) v[k] = load_native<A>(values + k * lanes);
}

// Adds row i of m, times row i of x.
template <class R, int kNumbers, int kVectors>
OLIVINE_INLINE void scatter_row(const CsrRows& m, int64_t i, const R* data, const R* x, int64_t n,
                                int64_t at, Sum<R>* sums) {
  using A = Sum<R>;
  constexpr int lanes = kLanes<R>, width = kVectors * lanes;
  Native<A> row[kNumbers][kVectors];
#pragma GCC unroll 2
  for (int part = 0; part < kNumbers; ++part) {
    load_strip<R, kVectors>(x + i * n, at, n, part == 1, row[part]);
  }
  const int32_t* indices = m.indices + m.begin[i];
  const R* values = data + m.begin[i] * kNumbers;
  const int64_t count = m.count(i);
  for (int64_t p = 0; p < count; ++p) {
    A* to = sums + int64_t{indices[p]} * width;
    Native<A> by[kNumbers];
#pragma GCC unroll 2
    for (int part = 0; part < kNumbers; ++part) {
      by[part] = all_lanes<A>(widen<A>(values[p * kNumbers + part]));
    }
#pragma GCC unroll 8
    for (int k = 0; k < kVectors; ++k) {
      Native<A> sum = load_native<A>(to + k * lanes);
#pragma GCC unroll 2
      for (int part = 0; part < kNumbers; ++part) sum = mul_add(by[part], row[part][k], sum);
      store_native(to + k * lanes, sum);
    }
  }
}

// out (columns, n) = m^T x, all in parts of numbers.
template <class R, int kNumbers, int kVectors>
void scatter_strips(const CsrRows& m, const R* data, const R* x, int64_t n, R* out) {
  using A = Sum<R>;
  constexpr int64_t width = kVectors * kLanes<R>;
  const int64_t rows = m.columns, strips = (n + width - 1) / width, size = rows * width;
  const RowRanges ranges(m, 1, most_sums(m, strips, rows));
  const int64_t parts = ranges.count();
  ScratchBytes memory(strips * parts, static_cast<size_t>(size) * sizeof(A));
  A* sums = static_cast<A*>(memory.data());
  parallel_for(strips * parts, 1, [&](int64_t from, int64_t to) {
    for (int64_t t = from; t < to; ++t) {
      const int64_t strip = t / parts, part = t % parts;
      A* own = sums + t * size;
      fill(own, size, A(0));
      for_checked_rows(m, ranges.first(part), ranges.first(part + 1), [&](int64_t i) {
        scatter_row<R, kNumbers, kVectors>(m, i, data, x, n, strip * width, own);
      });
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

// ---- Blocks

// Blocks in the order of the transpose, each transposed.
template <class T>
void reorder(const T* data, BlockShape shape, const int32_t* order, int64_t nnz, T* out) {
  const int64_t size = shape.size();
  parallel_for(nnz, kPackGrain / size + 1, [&](int64_t first, int64_t last) {
    for (int64_t q = first; q < last; ++q) {
      const T* from = data + order[q] * size;
      for (int64_t c = 0; c < shape.columns; ++c) {
        for (int64_t r = 0; r < shape.rows; ++r) {
          out[q * size + c * shape.rows + r] = from[r * shape.columns + c];
        }
      }
    }
  });
}

template <class T>
void transpose_and_multiply(const CsrRows& m, const T* data, BlockShape shape, const T* x,
                            int64_t n, T* out) {
  const int64_t nnz = m.begin[m.rows] - m.begin[0];
  ScratchBytes begin_memory(m.columns + 1, sizeof(int64_t));
  ScratchBytes places(2 * nnz, sizeof(int32_t));
  ScratchBytes values(nnz, static_cast<size_t>(shape.size()) * sizeof(T));
  int64_t* begin = static_cast<int64_t*>(begin_memory.data());
  int32_t *order = static_cast<int32_t*>(places.data()), *rows = order + nnz;
  T* moved = static_cast<T*>(values.data());
  transpose_structure(m, begin, order, rows);
  reorder(data, shape, order, nnz, moved);
  const CsrRows transpose{m.op, m.columns, m.rows, begin, rows};
  sparse_product<T>(transpose, moved, {shape.columns, shape.rows}, x, n, out);
}

template <class T>
void multiply_transposed(const CsrRows& m, const T* data, BlockShape shape, const T* x, int64_t n,
                         T* out) {
  using R = typename Parts<T>::Real;
  constexpr int parts = Parts<T>::count;
  if constexpr (parts == 1) {
    if (n == 1) return sparse_transposed_vector_product(m, data, shape, x, out);
  }
  const int64_t columns = n * parts;
  if (shape.size() > 1) return transpose_and_multiply(m, data, shape, x, n, out);
  const R *values = reinterpret_cast<const R*>(data), *dense = reinterpret_cast<const R*>(x);
  R* to = reinterpret_cast<R*>(out);
  constexpr int most = kStripWidth<Sum<R>> / kLanes<R>;
  if (columns <= kLanes<R>) return scatter_strips<R, parts, 1>(m, values, dense, columns, to);
  if (columns <= most / 2 * kLanes<R>) {
    return scatter_strips<R, parts, most / 2>(m, values, dense, columns, to);
  }
  scatter_strips<R, parts, most>(m, values, dense, columns, to);
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

}  // namespace

void register_sparse_transposed(KernelTable& table) {
  add_kernels(table, "csr_matmul_transposed", []<class T>() { return &csr_matmul_transposed<T>; });
}

}  // namespace olivine::cpu::OLIVINE_ISA
