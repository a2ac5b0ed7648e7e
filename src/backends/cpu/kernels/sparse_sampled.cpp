// Dense products at the nonzeros of sparse matrices alone: each is a dot product of two rows.
#include "backends/cpu/kernels/sparse-inl.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

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

// Row r of the blocks of row i, from its row of a.
template <class T>
void sample_row(const CsrRows& m, int64_t i, int64_t r, BlockShape shape, const T* own, const T* b,
                int64_t n, T* out) {
  constexpr int together = 4;
  const T* rows[together];
  int64_t at[together];
  int waiting = 0;
  for (int64_t p = m.begin[i]; p < m.begin[i + 1]; ++p) {
    for (int64_t c = 0; c < shape.columns; ++c) {
      rows[waiting] = b + (m.indices[p] * shape.columns + c) * n;
      at[waiting] = p * shape.size() + r * shape.columns + c;
      if (++waiting < together) continue;
      dots<T, together>(own, rows, n, out, at);
      waiting = 0;
    }
  }
  for (int k = 0; k < waiting; ++k) dots<T, 1>(own, rows + k, n, out, at + k);
}

// Of two vectors.
template <class T>
void scale_gathered(const CsrRows& m, int64_t i, T own, const T* b, T* out) {
  if constexpr (Parts<T>::count == 2) {
    sample_row(m, i, 0, {1, 1}, &own, b, 1, out);
  } else {
    const Sum<T> by = widen<Sum<T>>(own);
    for (int64_t p = m.begin[i]; p < m.begin[i + 1]; ++p) {
      out[p] = narrow<T>(by * widen<Sum<T>>(b[m.indices[p]]));
    }
  }
}

// out (nnz, r, c): products of rows of a (rows * r, n) and of b (columns * c, n) at the nonzeros.
template <class T>
void sample(const CsrRows& m, BlockShape shape, const T* a, const T* b, int64_t n, int64_t nnz,
            T* out) {
  const int64_t size = shape.size();
  fill(out, m.begin[0] * size, T{});
  fill(out + m.begin[m.rows] * size, (nnz - m.begin[m.rows]) * size, T{});
  const RowRanges ranges(m, size * n + kNonzeroCost);
  parallel_for(ranges.count(), 1, [&](int64_t from, int64_t to) {
    for_checked_rows(m, ranges.first(from), ranges.first(to), [&](int64_t i) {
      if (n == 1 && size == 1) return scale_gathered(m, i, a[i], b, out);
      for (int64_t r = 0; r < shape.rows; ++r) {
        sample_row(m, i, r, shape, a + (i * shape.rows + r) * n, b, n, out);
      }
    });
  });
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

}  // namespace

void register_sparse_sampled(KernelTable& table) {
  add_kernels(table, "sampled_matmul", []<class T>() { return &sampled_matmul<T>; });
}

}  // namespace olivine::cpu::OLIVINE_ISA
