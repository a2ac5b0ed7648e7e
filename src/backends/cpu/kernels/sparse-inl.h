// What the kernels of sparse matrices times dense ones share.
#pragma once

#include <type_traits>

#include "backends/cpu/kernel_table.h"
#include "backends/cpu/kernels/shuffles-inl.h"
#include "backends/cpu/scratch.h"
#include "backends/cpu/sparse.h"
#include "backends/cpu/vec-math-inl.h"
#include "ops/sparse_params.h"
#include "runtime/thread_pool.h"

namespace olivine::cpu::OLIVINE_ISA {

struct BlockShape {
  int64_t rows, columns;
  int64_t size() const { return rows * columns; }
};

// out (rows * r, n) = m x for blocks of T in row-major order; defined in sparse.cpp.
template <class T>
void sparse_product(const CsrRows& m, const T* data, BlockShape shape, const T* x, int64_t n,
                    T* out);

// The same for real vectors, and out (columns * c) = m^T x; defined in sparse_vector.cpp.
template <class T>
void sparse_vector_product(const CsrRows& m, const T* data, BlockShape shape, const T* x, T* out);
template <class T>
void sparse_transposed_vector_product(const CsrRows& m, const T* data, BlockShape shape, const T* x,
                                      T* out);

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

// Columns of a strip: two lines of cache, which processors fetch together.
template <class R>
constexpr int64_t kStripWidth = 128 / sizeof(R);

constexpr int64_t kNonzeroCost = 4;  // of a nonzero itself, in multiplications
constexpr int64_t kMostSums = 8;     // ranges times strips of transposed products
constexpr int64_t kPackGrain = 1 << 14;
constexpr int64_t kCheckedTogether = 1 << 11;  // indices that are still in cache when they are used

// How many ranges of rows have sums of their own when a transpose is multiplied, of `rows` rows
// each, for each of the strips.
OLIVINE_INLINE int64_t most_sums(const CsrRows& m, int64_t strips, int64_t rows) {
  const int64_t nnz = m.begin[m.rows] - m.begin[0];
  return larger(1, smaller(kMostSums / strips, nnz / (4 * larger(rows, 1))));
}

// Throws unless the indices of the nonzeros [first, last) are in range.
OLIVINE_INLINE void check_range(const CsrRows& m, int64_t first, int64_t last) {
  uint32_t largest = 0;  // negative indices are large ones
  for (int64_t p = first; p < last; ++p) {
    const uint32_t index = static_cast<uint32_t>(m.indices[p]);
    largest = index > largest ? index : largest;
  }
  if (largest >= m.columns) m.check_indices(first, last);
}

// Calls row(i) for the rows [first, last), whose indices are checked just before.
template <class F>
OLIVINE_INLINE void for_checked_rows(const CsrRows& m, int64_t first, int64_t last, F row) {
  while (first < last) {
    int64_t end = first + 1;
    while (end < last && m.begin[end + 1] - m.begin[first] <= kCheckedTogether) ++end;
    check_range(m, m.begin[first], m.begin[end]);
    for (; first < end; ++first) row(first);
  }
}

// Element 0 of matrix b, or of the only one.
template <class T>
T* matrix_of(const View& v, int64_t b) {
  int64_t size = 1;
  for (int d = 1; d < static_cast<int>(v.shape.size()); ++d) size *= v.shape[d];
  return v.as<T>() + (v.shape[0] == 1 ? 0 : b * size);
}

// The kernels of an op for all dtypes: run_of.operator()<T>() is the one for elements T.
template <class F>
void add_kernels(KernelTable& table, const char* op, F run_of) {
  const auto add = [&](Dtype dtype, auto run) {
    table.add(op, dtype, {.run = run, .contiguous = 0b1111});
  };
  add(float16, run_of.template operator()<float16_t>());
  add(bfloat16, run_of.template operator()<bfloat16_t>());
  add(float32, run_of.template operator()<float>());
  add(float64, run_of.template operator()<double>());
  add(complex64, run_of.template operator()<complex64_t>());
  add(complex128, run_of.template operator()<complex128_t>());
}

}  // namespace
}  // namespace olivine::cpu::OLIVINE_ISA
